"""Reads the body of a request as a stream, up to its limits, and writes nothing to disk."""

import asyncio
from typing import Final

from starlette.requests import Request

from phiz.api.content.chunks import receive_chunks
from phiz.api.content.form import MULTIPART_FORM, read_form
from phiz.api.content.json_object import read_json
from phiz.api.content.upload import IMAGE_FIELD, Upload
from phiz.api.options import quote_text
from phiz.api.server.bodies import BODY_COMPLETE_KEY, BodyReservation
from phiz.api.service import BodyLimits
from phiz.errors import ContentCodingError, MalformedBodyError, UnsupportedImageError
from phiz.image.foreign_formats import describe_foreign_format
from phiz.image.formats import sniff_format
from phiz.wire.messages import JSON

OCTET_STREAM: Final = "application/octet-stream"
URL_ENCODED: Final = "application/x-www-form-urlencoded"
_COMPARED_BYTES: Final = 512  # of an image; text has fewer different values among so many


async def read_upload(
    request: Request,
    limits: BodyLimits,
    reservation: BodyReservation,
    image_field: str = IMAGE_FIELD,
) -> Upload:
    """Return the images and fields of a request, once its body is complete.

    Args:
        request: The request.
        limits: Limits of the images and of the time.
        reservation: Counts every byte.
        image_field: Name of a field or member with an image, for advice.

    Raises:
        BodyTimeoutError: The body is not complete in time, or too slow.
        ContentCodingError: The body is compressed.
        UnsupportedImageError: The body is no form, no JSON and no image.
        ImageBytesError: The image is larger than the limit, by the announced length or by the bytes
            that have arrived.
        MalformedBodyError: The form or the JSON cannot be parsed, or the image has lost bytes.
        MissingImageError: The form or the JSON has no image.
        OptionError: A field is too long for any option.
        OverloadedError: All bodies together have too many bytes.
        ClientDisconnect: The client left before the last byte.
    """
    headers = request.headers
    coding = ", ".join(headers.getlist("content-encoding"))  # a header may be repeated
    if coding.lower() not in {"", "identity"}:
        raise ContentCodingError(
            f"the body has the Content-Encoding {quote_text(coding)}, which is not supported; send"
            " it without compression"
        )
    content_type = headers.get("content-type", OCTET_STREAM)
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == MULTIPART_FORM:
        reading = read_form(request, content_type, limits, reservation, image_field)
    elif media_type == JSON or (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        reading = read_json(request, limits, reservation, image_field)
    elif limits.max_images == 1:
        max_bytes = limits.max_image_bytes
        reading = _read_image(request, media_type, max_bytes, reservation, image_field)
    else:
        problem = _describe_media_type(media_type, limits.max_images, image_field)
        raise UnsupportedImageError(problem)
    if request.scope.get(BODY_COMPLETE_KEY):
        return await reading
    try:
        async with asyncio.timeout(None) as timeout:
            reservation.start_timeout(timeout, limits.timeout_s)
            return await reading
    except TimeoutError:
        raise reservation.build_timeout_error() from None
    finally:
        reservation.finish_receiving()


def _describe_media_type(media_type: str, max_images: int, image_field: str) -> str:
    """Return the error of a body that is no image, and what to send instead."""
    form = f"the content type is {quote_text(media_type)}; send a form ({MULTIPART_FORM}) with"
    if max_images > 1:
        return (
            f"{form} one field {image_field!r} per image (curl: -F {image_field}=@a.jpg"
            f" -F {image_field}=@b.jpg), or {JSON} with a list of images in base64"
        )
    if media_type == URL_ENCODED:
        return (
            f"the body is not an image, and its content type is {media_type}, which curl sends with"
            " -d and --data-binary, and -d also removes line breaks from the file; use -F"
            f" {image_field}=@face.jpg, or --data-binary @face.jpg"
        )
    return (
        f"the body is not an image, and {form} the image in the field {image_field!r}, or the image"
        f" itself (curl: -F {image_field}=@face.jpg, or --data-binary @face.jpg)"
    )


async def _read_image(
    request: Request,
    media_type: str,
    max_bytes: int,
    reservation: BodyReservation,
    image_field: str,
) -> Upload:
    """Return an image that is the whole body.

    Raises:
        UnsupportedImageError: The content type is another one than that of an image, and so are the
            bytes. A file of a known other kind is left to the worker, which has advice for it.
    """
    chunks = [chunk async for chunk in receive_chunks(request, reservation, max_bytes)]
    image_bytes = b"".join(chunks)
    if not media_type.startswith(("image/", OCTET_STREAM)) and sniff_format(image_bytes) is None:
        if image_bytes[:_COMPARED_BYTES].lstrip().startswith(b"{"):
            raise UnsupportedImageError(
                f"the body is JSON, but the content type is {quote_text(media_type)}; send it with"
                " the content type application/json (curl: --json @request.json)"
            )
        if describe_foreign_format(image_bytes) is None:
            raise UnsupportedImageError(_describe_media_type(media_type, 1, image_field))
    if b"\0" not in image_bytes and _has_lost_bytes(image_bytes):
        raise MalformedBodyError(
            "the image has lost its line breaks and zero bytes, which curl's -d removes; use"
            " --data-binary @face.jpg"
        )
    return Upload((image_bytes,))


def _has_lost_bytes(image_bytes: bytes) -> bool:
    """Return whether a file without zero bytes is compressed data, and has no line break either."""
    head = image_bytes[:_COMPARED_BYTES]
    is_compressed = len(head) == _COMPARED_BYTES and len(set(head)) > _COMPARED_BYTES // 4
    return is_compressed and b"\n" not in image_bytes and b"\r" not in image_bytes
