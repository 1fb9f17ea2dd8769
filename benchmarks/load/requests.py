"""What every client sends: one picture, in a form or as it is."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image as Pillow

HOST = "127.0.0.1"
IMAGE_FILE = Path(__file__).parents[2] / "tests" / "pictures" / "group_640x480.png"
JPEG_QUALITY = 90
BOUNDARY = "7a1e5c0f9d3b"


@dataclass(frozen=True, slots=True)
class Request:
    """A POST.

    Attributes:
        path: With the query.
        content_type: Of the body.
        body: All of it.
    """

    path: str
    content_type: str
    body: bytes

    def to_message(self, port: int) -> bytes:
        """Return it as it goes over a connection that is kept."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
            f"Content-Type: {self.content_type}\r\nContent-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


def encode_test_image() -> bytes:
    """Return the picture as a JPEG of 640 × 480."""
    file = BytesIO()
    with Pillow.open(IMAGE_FILE) as opened:
        opened.convert("RGB").save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def encode_form(path: str, image_bytes: bytes) -> Request:
    """Return the picture as the field ``image`` of a form."""
    head = (
        f"--{BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="image"; filename="picture.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = head.encode() + image_bytes + f"\r\n--{BOUNDARY}--\r\n".encode()
    return Request(path, f"multipart/form-data; boundary={BOUNDARY}", body)


def encode_raw(path: str, image_bytes: bytes) -> Request:
    """Return the picture as the whole body."""
    return Request(path, "image/jpeg", image_bytes)
