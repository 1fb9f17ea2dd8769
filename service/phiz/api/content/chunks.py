"""The bytes of a body as they arrive, up to a limit."""

from collections.abc import AsyncIterator

from starlette.requests import Request

from phiz.api.server.bodies import BodyReservation
from phiz.errors import ImageBytesError


async def receive_chunks(
    request: Request, reservation: BodyReservation, max_bytes: int, overhead_bytes: int = 0
) -> AsyncIterator[bytes]:
    """Yield the body as it arrives.

    Args:
        request: The request.
        reservation: Counts every byte.
        max_bytes: Limit of the images.
        overhead_bytes: Limit of the rest of the form.

    Raises:
        ImageBytesError: The body has more bytes, as announced or so far.
        OverloadedError: All bodies together have too many bytes.
        ClientDisconnect: The client left before the last byte.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes + overhead_bytes:
        raise build_size_error(f"the body has {length} bytes", max_bytes, overhead_bytes)
    async for chunk in request.stream():
        if chunk:  # the last one is empty
            reservation.add_bytes(len(chunk))
            if reservation.size_bytes > max_bytes + overhead_bytes:
                received = f"{reservation.size_bytes} bytes have arrived so far"
                raise build_size_error(received, max_bytes, overhead_bytes)
            yield chunk


def build_size_error(found: str, max_bytes: int, overhead_bytes: int = 0) -> ImageBytesError:
    """Return the error of a body or an image that is too large."""
    rest = f" for the image and {overhead_bytes} for the rest of the form" if overhead_bytes else ""
    return ImageBytesError(f"{found}; the limit is {max_bytes}{rest}; send a smaller image")
