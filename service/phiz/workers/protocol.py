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

_HEADER: Final = struct.Struct("<IQ")  # bytes of the message, bytes of the picture
_PROTOCOL: Final = pickle.HIGHEST_PROTOCOL
_CACHED_ARGUMENTS: Final = 256  # arguments


class WorkRequest(NamedTuple):
    """What a worker is asked to do.

    Attributes:
        number: Of the call, to cancel it by.
        handler: Of the work.
        arguments: Of the handler, after the image and ``received_at_s``; hashable, and not
            changed by it.
        exclusive: Whether it must not be done side by side with others.
        received_at_s: When the body was complete, by ``time.perf_counter``, which is the same
            clock in all processes of a machine.
        request_id: What the log calls who asks for it.
    """

    number: int
    handler: str
    arguments: tuple[object, ...]
    exclusive: bool = False
    received_at_s: float = 0.0
    request_id: str = ""


class WorkCancel(NamedTuple):
    """That nobody waits for a call any more; if it has not begun, it need not."""

    number: int


class WorkResult(NamedTuple):
    """What became of a call, in the order of the calls.

    Attributes:
        number: Of the call.
        value: What the work returned. A named tuple arrives as a plain one, because pickling its
            class takes several times as long.
        error: What it raised, or None.
        work_s: That it took; its share of them where several were done side by side.
    """

    number: int
    value: object = None
    error: Exception | None = None
    work_s: float = 0.0


Message: TypeAlias = WorkRequest | WorkCancel | WorkResult


def encode_message(message: Message, image_bytes: bytes = b"") -> list[bytes]:
    """Return a message as bytes, in pieces, the picture as it is."""
    match message:
        case WorkRequest(number, handler, arguments, exclusive, received_at_s, request_id):
            content: tuple[str | float | bytes, ...] = (
                "request",
                number,
                handler,
                _pickle_arguments(arguments),
                exclusive,
                received_at_s,
                request_id,
            )
        case WorkResult(number, value, error, work_s):
            plain = tuple(value) if isinstance(value, tuple) else value
            content = ("result", number, pickle.dumps((plain, error), _PROTOCOL), work_s)
        case WorkCancel(number):
            content = ("cancel", number)
    encoded = marshal.dumps(content)
    head = _HEADER.pack(len(encoded), len(image_bytes)) + encoded
    return [head, image_bytes] if image_bytes else [head]


class MessageDecoder:
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
        while len(stream) - start >= _HEADER.size:
            message_length, image_length = _HEADER.unpack_from(stream, start)
            middle = start + _HEADER.size + message_length
            end = middle + image_length
            if len(stream) < end:
                break
            message = _decode_message(stream[start + _HEADER.size : middle])
            complete.append((message, bytes(memoryview(stream)[middle:end])))
            start = end
        if stream is self._bytes:
            del self._bytes[:start]
        else:
            self._bytes += memoryview(received)[start:]
        return complete


def _decode_message(encoded: bytes | bytearray) -> Message:
    kind, number, *rest = marshal.loads(encoded)  # noqa: S302  our own, see above
    if kind == "request":
        handler, pickled, *others = rest
        return WorkRequest(number, handler, _unpickle_arguments(pickled), *others)
    if kind == "result":
        pickled, work_s = rest
        value, error = pickle.loads(pickled)  # noqa: S301
        return WorkResult(number, value, error, work_s)
    return WorkCancel(number)


@lru_cache(_CACHED_ARGUMENTS)
def _pickle_arguments(arguments: tuple[object, ...]) -> bytes:
    return pickle.dumps(arguments, _PROTOCOL)


@lru_cache(_CACHED_ARGUMENTS)
def _unpickle_arguments(pickled: bytes) -> tuple[object, ...]:
    arguments: tuple[object, ...] = pickle.loads(pickled)  # noqa: S301
    return arguments
