from io import BytesIO

import pytest
from multipart import MultipartParser
from PIL import Image as Pillow

from benchmarks.kit import requests
from benchmarks.kit.errors import BenchmarkError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-LENGTH: 3"


def test_the_picture_is_a_jpeg_of_640_by_480() -> None:
    with Pillow.open(BytesIO(requests.encode_test_image())) as opened:
        assert (opened.format, opened.size) == ("JPEG", (640, 480))


def test_a_form_holds_the_picture_as_its_image() -> None:
    request = requests.encode_form("/detect", b"\xff\xd8picture")
    boundary = request.content_type.partition("boundary=")[2]
    (part,) = MultipartParser(BytesIO(request.body), boundary)
    assert (part.name, part.raw) == ("image", b"\xff\xd8picture")


def test_form_holds_fields_before_its_images() -> None:
    request = requests.encode_form("/detect/batch", b"one", b"two", fields={"model": "front"})
    parts = MultipartParser(BytesIO(request.body), request.content_type.partition("boundary=")[2])
    expected = [("model", b"front"), ("image", b"one"), ("image", b"two")]
    assert [(part.name, part.raw) for part in parts] == expected


def test_message_in_chunks_has_the_same_body() -> None:
    message = requests.encode_raw("/detect", b"picture").to_message(80, chunked=True)
    head, _, body = message.partition(b"\r\n\r\n")
    assert head.endswith(b"transfer-encoding: chunked")
    sizes, pieces = body.split(b"\r\n")[0:-2:2], body.split(b"\r\n")[1:-2:2]
    assert b"".join(pieces) == b"picture"
    assert [int(size, 16) for size in sizes] == [2, 2, 2, 1, 0]


def test_a_message_is_a_head_and_the_body() -> None:
    message = requests.encode_raw("/detect?model=front", b"picture").to_message(8000)
    head, _, body = message.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /detect?model=front HTTP/1.1",
        b"host: 127.0.0.1:8000",
        b"content-type: image/jpeg",
        b"content-length: 7",
    ]
    assert body == b"picture"


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        pytest.param(b"", False, id="nothing"),
        pytest.param(HEAD, False, id="a head that may go on"),
        pytest.param(HEAD + b"\r\n\r\n", False, id="a head"),
        pytest.param(HEAD + b"\r\n\r\nab", False, id="some of the body"),
        pytest.param(HEAD + b"\r\n\r\nabc", True, id="all of it"),
    ],
)
def test_answer_is_complete_once_its_body_has_the_length_in_its_head(
    received: bytes,
    expected: bool,  # noqa: FBT001
) -> None:
    assert requests.is_complete(received) is expected


def test_answer_without_a_length_is_an_error() -> None:
    with pytest.raises(BenchmarkError, match="has no length"):
        requests.parse_content_length(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked")
