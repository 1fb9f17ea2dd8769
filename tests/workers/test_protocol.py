from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.errors import OptionError, OverloadedError
from phiz.faces import DetectOptions
from phiz.workers.protocol import (
    MessageDecoder,
    WorkCancel,
    WorkPing,
    WorkRequest,
    WorkResult,
    encode_message,
)

numbers = st.integers(0, 2**70)
messages = st.one_of(
    st.builds(
        WorkRequest,
        numbers,
        st.text(max_size=9),
        st.tuples(st.text(max_size=9), st.floats(0, 1)),
        st.booleans(),
        st.floats(0, 9),
        st.text(max_size=9),
        st.floats(0, allow_nan=False),
    ),
    st.builds(WorkCancel, numbers),
    st.builds(WorkPing, numbers),
    st.builds(WorkResult, numbers, st.binary(max_size=300), st.none(), st.floats(0, 9)),
)
parcels = st.lists(st.tuples(messages, st.binary(max_size=300)), max_size=5)


def fed(pieces: list[bytes]) -> list[tuple[Any, bytes]]:
    decoder = MessageDecoder()
    return [found for piece in pieces for found in decoder.feed(piece)]


@given(parcels)
def test_messages_come_out_as_they_went_in_byte_by_byte(sent: list[tuple[Any, bytes]]) -> None:
    stream = b"".join(part for parcel in sent for part in encode_message(*parcel))
    assert fed([bytes([byte]) for byte in stream]) == sent
    assert fed([stream]) == sent


@given(parcels, st.data())
def test_messages_come_out_wherever_the_stream_was_cut(
    sent: list[tuple[Any, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(part for parcel in sent for part in encode_message(*parcel))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert fed(pieces) == sent


def test_a_message_is_there_with_its_last_byte_and_not_before() -> None:
    stream = b"".join(encode_message(WorkCancel(7), b"picture"))
    decoder = MessageDecoder()
    assert list(decoder.feed(stream[:-1])) == []
    assert list(decoder.feed(stream[-1:])) == [(WorkCancel(7), b"picture")]


def test_a_picture_is_not_copied_on_its_way_out() -> None:
    image_bytes = bytes(1000)
    assert any(part is image_bytes for part in encode_message(WorkRequest(1, "x", ()), image_bytes))


@pytest.mark.parametrize("error", [OptionError("min_face is 0"), OverloadedError("full", 2.5)])
def test_an_error_keeps_its_class_and_what_it_says(error: Exception) -> None:
    ((result, _),) = fed(encode_message(WorkResult(3, error=error)))
    assert (type(result.error), str(result.error)) == (type(error), str(error))
    assert vars(result.error) == vars(error)


def test_named_tuple_arrives_as_plain_one() -> None:
    ((result, _),) = fed(encode_message(WorkResult(3, WorkCancel(7))))
    assert (type(result.value), result.value) == (tuple, (7,))


@pytest.mark.parametrize("options", [DetectOptions(), DetectOptions(0.25, 30.5, 7, "size", "nms")])
def test_options_arrive_as_they_were_chosen(options: DetectOptions) -> None:
    ((request, _),) = fed(encode_message(WorkRequest(1, "detect", ("back", options, 1.5))))
    assert request.arguments == ("back", options, 1.5)
