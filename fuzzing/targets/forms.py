"""Bodies and queries of requests."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import product
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request

from phiz.api.admission import Admission
from phiz.api.body import read_upload
from phiz.api.content.upload import Upload
from phiz.api.options import read_query
from phiz.api.service import BodyLimits
from phiz.errors import PhizError
from phiz.wire.schemas import ClassifyParameters, DetectParameters

_LIMITS: Final = BodyLimits(max_images=2, max_image_bytes=1000, max_body_bytes=2000, timeout_s=60)
_MAX_HELD_BYTES: Final = 10_000
_LARGEST_CHUNK: Final = 64
_LOOP: Final = asyncio.new_event_loop()


class _NoQueue:
    """The queue of a service without requests."""

    queue_depth = 0

    def estimate_wait_s(self, client: str, expected_s: float) -> float:  # noqa: ARG002
        """Return no wait."""
        return 0.0


def read_form(content: bytes) -> None:
    """Read a body, and read it again in other pieces: its images and fields are the same.

    The parser finds a boundary after other text only if it does not cross pieces, so that a body
    that no client sends may be refused in one of both ways alone.

    The first byte is the size of the pieces. The content type follows, up to a line break.
    """
    content_type, _, body = content[1:].partition(b"\n")
    size = content[0] % _LARGEST_CHUNK + 1 if content else 1
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    whole = _LOOP.run_until_complete(_read_pieces(content_type, [body]))
    parted = _LOOP.run_until_complete(_read_pieces(content_type, pieces))
    assert whole == parted or not (isinstance(whole, Upload) and isinstance(parted, Upload))


async def _read_pieces(content_type: bytes, pieces: list[bytes]) -> Upload | str:
    """Return what is uploaded, or the class of the error."""
    admission = Admission(_NoQueue(), None, _MAX_HELD_BYTES, 1)
    scope = {"type": "http", "headers": [(b"content-type", content_type)], "query_string": b""}
    try:
        with admission.bodies.reserve("127.0.0.1") as reservation:
            return await read_upload(Request(scope, _send_pieces(pieces)), _LIMITS, reservation)
    except (PhizError, ClientDisconnect) as error:
        return type(error).__name__
    finally:
        assert (admission.bodies.held_bytes, admission.bodies.arriving_bodies) == (0, 0)


def _send_pieces(pieces: list[bytes]) -> Callable[[], Awaitable[dict[str, Any]]]:
    left = [*pieces]

    async def receive() -> dict[str, Any]:
        if left:
            return {"type": "http.request", "body": left.pop(0), "more_body": True}
        return {"type": "http.request", "body": b"", "more_body": False}

    return receive


def read_options(content: bytes) -> None:
    """Read a query as the options of both kinds of requests."""
    for options_type in (DetectParameters, ClassifyParameters):
        try:
            read_query(options_type, content)
        except PhizError as error:
            assert str(error)  # noqa: PT017  not a test of pytest


def list_seeds() -> Iterator[bytes]:
    """Yield forms of every shape, cut ones, and plain bodies."""
    boundary = b"X7"
    disposition = b'Content-Disposition: form-data; name="'
    parts = (
        b'image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\xff\xe0\0\x10',
        b'image"\r\n\r\nface.jpg',
        b'model"\r\n\r\nfront',
        b'min_score"\r\n\r\n' + b"1" * 1100,
        b"image\"; filename*=UTF-8''%e2%82%ac.png\r\n\r\n--X7",
    )
    for size, chosen in product((b"\0", b"\7", b"\x3f"), (1, 2, 3, 5)):
        body = b"".join(
            b"--%b\r\n%b%b\r\n" % (boundary, disposition, part) for part in parts[:chosen]
        )
        form = size + b"multipart/form-data; boundary=X7\n" + body + b"--X7--\r\n"
        yield form
        yield form[: len(form) * 2 // 3]
    yield b'\1multipart/form-data; boundary="a=b"\n--a=b--\r\n'
    text = b"/9j/4AAQ" * 200
    for image in (text, rb"data:image\/jpeg;base64,\u002B" + text[:-1], b"/9j/\n4A==", b"face.jpg"):
        for size in (b"\0", b"\7", b"\x3f"):
            yield size + b'application/json\n{"image":"%b","model":"back","x":[1,"y"]}' % image
            yield size + b'application/json\n{"max_faces":1e2,"images":["%b", "QUJD"]}' % image
    yield b"\1image/jpeg\n\xff\xd8\xff\xe0\0\x10"
    yield b"\1application/x-www-form-urlencoded\nimage=face.jpg"


def list_queries() -> Iterator[bytes]:
    """Yield queries with each option, and wrong ones."""
    yield b"model=auto&min_score=0.5&min_face=20&max_faces=7&overlap=nms&rotate=auto"
    yield b"model=front&details=quality&passes=2&budget_ms=50"
    yield b"max_faces=1e999&min_score=nan&min_face=-inf"
    yield b"model=front&model=back"
    yield b"%ff=%00&+=&=&&"
