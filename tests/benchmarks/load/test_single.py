import pytest

from benchmarks.kit.errors import LoadError
from benchmarks.load.single import is_complete, parse_content_length

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-LENGTH: 3"


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
def test_an_answer_is_complete_when_as_much_is_there_as_its_head_tells(
    received: bytes,
    expected: bool,  # noqa: FBT001
) -> None:
    assert is_complete(received) is expected


def test_an_answer_without_a_length_is_no_answer_here() -> None:
    with pytest.raises(LoadError, match="does not tell its length"):
        parse_content_length(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked")
