import base64
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.api.content.base64_text import Base64Decoder
from phiz.errors import MalformedBodyError

# Bytes whose base64 has every character of the alphabet, and needs padding.
CONTENT = bytes(range(256)) * 3 + b"!"
PLAIN = base64.b64encode(CONTENT)


def decode(*pieces: bytes) -> bytes:
    decoder = Base64Decoder()
    for piece in pieces:
        decoder.add(piece)
    decoded = decoder.finish()
    assert len(decoded) == decoder.size_bytes
    return decoded


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param(PLAIN.rstrip(b"="), id="without-padding"),
        pytest.param(PLAIN[:-1], id="half-the-padding"),
        pytest.param(base64.urlsafe_b64encode(CONTENT), id="of-addresses"),
        pytest.param(base64.encodebytes(CONTENT), id="raw-lines"),
        pytest.param(base64.encodebytes(CONTENT).replace(b"\n", rb"\r\n"), id="escaped-lines"),
        pytest.param(b" \t" + PLAIN + b"\r\n ", id="spaces"),
        pytest.param(PLAIN.replace(b"/", rb"\/"), id="php"),
        pytest.param(PLAIN.replace(b"+", rb"\u002B"), id="dotnet"),
        pytest.param(PLAIN.replace(b"=", rb"\u003d"), id="escaped-padding"),
        pytest.param(b"data:image/jpeg;base64," + PLAIN, id="data-url"),
        pytest.param(rb"data:image\/png;charset=x;BASE64," + PLAIN, id="escaped-data-url"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 5, 64, 10_000])
def test_each_way_to_write_base64_is_read_in_any_pieces(text: bytes, size: int) -> None:
    head = text[:60]  # the beginning of a data URL comes at once
    pieces = [text[at : at + size] for at in range(len(head), len(text), size)]
    assert decode(head, *pieces) == CONTENT


@given(
    content=st.binary(max_size=300),
    cuts=st.lists(st.integers(0, 400), max_size=5),
    is_padded=st.booleans(),
)
def test_pieces_give_the_bytes_that_were_encoded(
    content: bytes, cuts: list[int], *, is_padded: bool
) -> None:
    text = base64.b64encode(content)
    text = text if is_padded else text.rstrip(b"=")
    places = sorted({0, *cuts, len(text)})
    pieces = [text[start:end] for start, end in pairwise(places)]
    assert decode(*pieces) == content


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(b"QUJ%", "other characters", id="character"),
        pytest.param(b"QQ==QQ==", "after its end", id="two-in-one"),
        pytest.param(b"Q", "cut short", id="one-character"),
        pytest.param(b"QUJDR", "cut short", id="one-more"),
        pytest.param(b"QUJD===", "ends with other", id="padding"),
        pytest.param(rb"QUJD\x", "ends with other", id="escape"),
        pytest.param(rb"QUJD\\n\\n", "other characters", id="escaped-twice"),
        pytest.param(rb"QUJD\u00e4QUJD", "other characters", id="letter"),
        pytest.param(rb"QUJD\"QUJD", "other characters", id="quote"),
        pytest.param(b"data:image/svg+xml,%3Csvg", "without base64", id="percent-data-url"),
    ],
)
def test_other_text_is_an_error_that_does_not_repeat_it(text: bytes, problem: str) -> None:
    with pytest.raises(MalformedBodyError, match=problem) as caught:
        decode(text)
    assert "QUJD" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_text_after_the_padding_is_an_error_in_pieces_too() -> None:
    with pytest.raises(MalformedBodyError, match="after its end"):
        decode(b"QQ==", b"QQ==")
