"""What a service and its workers say to each other: objects and pictures, over a socket.

Both ends are ours and nobody else can reach them, as with the pipes of ``multiprocessing``. What
differs from call to call goes by ``marshal``, which takes a tenth of what ``pickle`` takes and is
the same at both ends, since both are one Python; the arguments, which are the same in most calls,
as pickles that both ends remember; and a picture beside them as it is.
"""

import marshal
import pickle
import struct
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

_HEAD: Final = struct.Struct("<IQ")  # bytes of the message, bytes of the picture
_PROTOCOL: Final = pickle.HIGHEST_PROTOCOL
_REMEMBERED: Final = 256  # arguments


class Call(NamedTuple):
    """What a worker is asked to do.

    Attributes:
        number: Of the call, to withdraw it by.
        name: Of the work.
        arguments: Of the work, after the picture and ``since``; hashable, and not changed by it.
        alone: Whether it must not be done side by side with others.
        since: Since when it has waited, by ``time.perf_counter``, which is the same clock in all
            processes of a machine.
        request: What the log calls who asks for it.
    """

    number: int
    name: str
    arguments: tuple[object, ...]
    alone: bool = False
    since: float = 0.0
    request: str = ""


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


Message: TypeAlias = Call | Withdrawal | Outcome


def encode(message: Message, picture: bytes = b"") -> list[bytes]:
    """Return a message as bytes, in pieces, the picture as it is."""
    match message:
        case Call(number, name, arguments, alone, since, request):
            content: tuple[str | float | bytes, ...] = (
                "call",
                number,
                name,
                _pickled(arguments),
                alone,
                since,
                request,
            )
        case Outcome(number, value, error, seconds):
            content = ("outcome", number, pickle.dumps((value, error), _PROTOCOL), seconds)
        case Withdrawal(number):
            content = ("withdrawal", number)
    encoded = marshal.dumps(content)
    head = _HEAD.pack(len(encoded), len(picture)) + encoded
    return [head, picture] if picture else [head]


class Decoder:
    """Puts messages together from what a socket gives."""

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, received: bytes) -> list[tuple[Message, bytes]]:
        """Return each message that is complete, with its picture (empty if there is none)."""
        # Mostly whole messages come, which then need not be gathered first.
        stream: bytes | bytearray = received
        if self._bytes:
            self._bytes += received
            stream = self._bytes
        complete: list[tuple[Message, bytes]] = []
        start = 0
        while len(stream) - start >= _HEAD.size:
            encoded, picture = _HEAD.unpack_from(stream, start)
            middle = start + _HEAD.size + encoded
            end = middle + picture
            if len(stream) < end:
                break
            message = _decoded(stream[start + _HEAD.size : middle])
            complete.append((message, bytes(memoryview(stream)[middle:end])))
            start = end
        if stream is self._bytes:
            del self._bytes[:start]
        else:
            self._bytes += memoryview(received)[start:]
        return complete


def _decoded(encoded: bytes | bytearray) -> Message:
    kind, number, *rest = marshal.loads(encoded)  # noqa: S302  our own, see above
    if kind == "call":
        name, pickled, *others = rest
        return Call(number, name, _unpickled(pickled), *others)
    if kind == "outcome":
        pickled, seconds = rest
        value, error = pickle.loads(pickled)  # noqa: S301
        return Outcome(number, value, error, seconds)
    return Withdrawal(number)


@lru_cache(_REMEMBERED)
def _pickled(arguments: tuple[object, ...]) -> bytes:
    return pickle.dumps(arguments, _PROTOCOL)


@lru_cache(_REMEMBERED)
def _unpickled(pickled: bytes) -> tuple[object, ...]:
    arguments: tuple[object, ...] = pickle.loads(pickled)  # noqa: S301
    return arguments
