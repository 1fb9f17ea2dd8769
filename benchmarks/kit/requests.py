"""Requests to a service: how they are encoded, sent and answered."""

import asyncio
import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image as Pillow

from benchmarks.kit.errors import BenchmarkError

HOST = "127.0.0.1"
TIMEOUT_S = 60.0
PICTURES = Path(__file__).parents[2] / "tests" / "pictures"
JPEG_QUALITY = 90
PORTRAIT_BOX, PORTRAIT_QUALITY = (0, 120, 360, 390), 96
BOUNDARY = "7a1e5c0f9d3b"
HEAD_END = b"\r\n\r\n"
NO_FIELDS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Request:
    """A POST request.

    Attributes:
        path: With the query.
        content_type: Of the body.
        body: All of it.
    """

    path: str
    content_type: str
    body: bytes

    def to_message(self, port: int, *, chunked: bool = False) -> bytes:
        """Return its bytes on a connection that is kept, with the body as it is or in chunks."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: {HOST}:{port}\r\n"
            f"content-type: {self.content_type}\r\n"
        ).encode()
        if not chunked:
            return head + b"content-length: %d\r\n\r\n%b" % (len(self.body), self.body)
        size = max(1, len(self.body) // 3)
        pieces = [self.body[start : start + size] for start in range(0, len(self.body), size)]
        sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        return head + b"transfer-encoding: chunked\r\n\r\n" + sent + b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a request."""

    status: int
    content_type: str
    body: bytes


def encode_form(path: str, *images: bytes, fields: Mapping[str, str] = NO_FIELDS) -> Request:
    """Return a form with fields, and with images as its field ``image``."""
    part = '--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'
    parts = [(part % (BOUNDARY, name, "")).encode() + fields[name].encode() for name in fields]
    head = (part % (BOUNDARY, "image", '; filename="picture.jpg"')).encode()
    parts += [head + image_bytes for image_bytes in images]
    body = b"".join(each + b"\r\n" for each in parts) + f"--{BOUNDARY}--\r\n".encode()
    return Request(path, f"multipart/form-data; boundary={BOUNDARY}", body)


def encode_raw(path: str, image_bytes: bytes, content_type: str = "image/jpeg") -> Request:
    """Return an image as the whole body."""
    return Request(path, content_type, image_bytes)


def encode_test_image() -> bytes:
    """Return a test picture as a JPEG of 640 × 480."""
    file = BytesIO()
    with Pillow.open(PICTURES / "group_640x480.png") as opened:
        opened.convert("RGB").save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def encode_portrait() -> bytes:
    """Return one large face as a JPEG of 640 × 480 and about 75 kB."""
    file = BytesIO()
    with Pillow.open(PICTURES / "selfie_360x640.png") as opened:
        face = opened.convert("RGB").crop(PORTRAIT_BOX)
        face.resize((640, 480)).save(file, "JPEG", quality=PORTRAIT_QUALITY)
    return file.getvalue()


def open_connection(port: int, timeout_s: float = TIMEOUT_S) -> http.client.HTTPConnection:
    """Return a connection to a service; the caller closes it."""
    return http.client.HTTPConnection(HOST, port, timeout=timeout_s)


def send_request(connection: http.client.HTTPConnection, request: Request) -> Answer:
    """Return the answer to a request.

    Raises:
        OSError: The connection fails.
        HTTPException: The answer is not HTTP.
    """
    headers = {"content-type": request.content_type}
    connection.request("POST", request.path, request.body, headers)
    response = connection.getresponse()
    return Answer(response.status, response.getheader("content-type", ""), response.read())


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Read an answer, and return its status, its body and whether the connection is kept."""
    head = await reader.readuntil(HEAD_END)
    body = await reader.readexactly(parse_content_length(head))
    return int(head.split(None, 2)[1]), body, b"connection: close" not in head.lower()


def is_complete(received: bytes) -> bool:
    """Return whether all of an answer is there; its head has its length."""
    head, end, body = received.partition(HEAD_END)
    return bool(end) and len(body) >= parse_content_length(head)


def parse_content_length(head: bytes) -> int:
    """Return the length of a body by its head.

    Raises:
        BenchmarkError: The head has no length.
    """
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    if not found:
        raise BenchmarkError(f"the answer has no length: {head!r}")
    return int(rest.split(None, 1)[0])
