"""Messages between the service and its workers.

Only these processes reach the socket, so foreign bytes are no input of the decoder. Any content of
messages is, and so is any place at which the stream is cut.
"""

from collections.abc import Iterator

from phiz.errors import OverloadedError
from phiz.workers.protocol import (
    Message,
    MessageDecoder,
    WorkCancel,
    WorkPing,
    WorkRequest,
    WorkResult,
    encode_message,
)

_KINDS = 5


def exchange(content: bytes) -> None:
    """Send messages that are made of the bytes, cut by the bytes: they arrive as they were."""
    sent = list(_make_messages(content))
    stream = b"".join(piece for parcel in sent for piece in encode_message(*parcel))
    decoder = MessageDecoder()
    received = [parcel for piece in _cut(stream, content) for parcel in decoder.feed(piece)]
    assert [_describe(*parcel) for parcel in received] == [_describe(*parcel) for parcel in sent]


def _make_messages(content: bytes) -> Iterator[tuple[Message, bytes]]:
    """Yield a message for each piece of the input: its kind, a length, and as many bytes."""
    at = 0
    while at + 2 <= len(content):
        kind, length = content[at], content[at + 1]
        part = content[at + 2 : at + 2 + length]
        number = int.from_bytes(part[:9], "little")
        text = part.decode("latin-1")
        match kind % _KINDS:
            case 0:
                arguments = (text, len(part), part[:3], bool(kind & 4))
                yield WorkRequest(number, text[:9], arguments, bool(kind & 8)), part
            case 1:
                yield WorkCancel(number), b""
            case 2:
                yield WorkPing(number), b""
            case 3:
                yield WorkResult(number, part, None, length / 7), part[::-1]
            case _:
                yield WorkResult(number, None, OverloadedError(text, length)), b""
        at += 2 + length


def _cut(stream: bytes, content: bytes) -> Iterator[bytes]:
    """Yield a stream in pieces as long as the bytes of the input say."""
    at = 0
    for size in content:
        yield stream[at : at + size]
        at += size
    yield stream[at:]


def _describe(message: Message, image_bytes: bytes) -> tuple[object, ...]:
    """Return the values of a message. Errors are equal by their class and text."""
    values = [(type(each), str(each)) if isinstance(each, Exception) else each for each in message]
    return type(message), values, image_bytes


def list_seeds() -> Iterator[bytes]:
    """Yield one message of each kind, and a stream of all of them."""
    kinds = [bytes([kind, 12]) + bytes(range(12)) for kind in (*range(_KINDS), 10, 20)]
    yield from kinds
    yield b"".join(kinds)
    yield b"\2\xff" + bytes(255) + b"\1\1\1"
