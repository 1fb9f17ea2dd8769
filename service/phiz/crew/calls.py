"""What a service and its workers say to each other: objects and pictures, over a socket.

Both ends are ours and nobody else can reach them, as with the pipes of ``multiprocessing``; so
objects go as pickles, and a picture beside them as it is. Messages are named tuples, which are
pickled several times as fast as frozen dataclasses.
"""

import pickle
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

_HEAD: Final = struct.Struct("<IQ")  # bytes of the pickle, bytes of the picture


class Call(NamedTuple):
    """What a worker is asked to do.

    Attributes:
        number: Of the call, to withdraw it by.
        name: Of the work.
        arguments: Of the work, after the picture.
        alone: Whether it must not be done side by side with others.
    """

    number: int
    name: str
    arguments: tuple[object, ...]
    alone: bool = False


class Withdrawal(NamedTuple):
    """That nobody waits for a call any more; if it has not begun, it need not."""

    number: int


class Outcome(NamedTuple):
    """What became of a call, in the order of the calls.

    Attributes:
        number: Of the call.
        value: What the work returned.
        error: What it raised, or None.
        seconds: That it took; its share of them where several were done side by side.
    """

    number: int
    value: object = None
    error: Exception | None = None
    seconds: float = 0.0


def encode(message: object, picture: bytes = b"") -> list[bytes]:
    """Return a message as bytes, in pieces, the picture as it is."""
    pickled = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    head = _HEAD.pack(len(pickled), len(picture)) + pickled
    return [head, picture] if picture else [head]


class Decoder:
    """Puts messages together from what a socket gives."""

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, received: bytes) -> Iterator[tuple[object, bytes]]:
        """Yield each message that is complete, with its picture (empty if there is none)."""
        self._bytes += received
        while len(self._bytes) >= _HEAD.size:
            pickled, picture = _HEAD.unpack_from(self._bytes)
            start = _HEAD.size + pickled
            end = start + picture
            if len(self._bytes) < end:
                return
            with memoryview(self._bytes) as view:
                message: object = pickle.loads(view[_HEAD.size : start])  # noqa: S301  our own, see above
                content = bytes(view[start:end])
            del self._bytes[:end]
            yield message, content
