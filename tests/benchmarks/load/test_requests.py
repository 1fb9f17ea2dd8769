from io import BytesIO

from multipart import MultipartParser
from PIL import Image as Pillow

from benchmarks.load.requests import encode_form, encode_raw, encode_test_image


def test_the_picture_is_a_jpeg_of_640_by_480() -> None:
    with Pillow.open(BytesIO(encode_test_image())) as opened:
        assert (opened.format, opened.size) == ("JPEG", (640, 480))


def test_a_form_holds_the_picture_as_its_image() -> None:
    request = encode_form("/detect", b"\xff\xd8picture")
    boundary = request.content_type.partition("boundary=")[2]
    (part,) = MultipartParser(BytesIO(request.body), boundary)
    assert (part.name, part.raw) == ("image", b"\xff\xd8picture")


def test_a_message_is_a_head_and_the_body() -> None:
    message = encode_raw("/detect?model=front", b"picture").to_message(8000)
    head, _, body = message.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /detect?model=front HTTP/1.1",
        b"Host: 127.0.0.1:8000",
        b"Content-Type: image/jpeg",
        b"Content-Length: 7",
    ]
    assert body == b"picture"
