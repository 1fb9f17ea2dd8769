"""The messages between the service and its workers: objects and images over a socket.

Only the service and its workers reach the socket, as with the pipes of ``multiprocessing``. Values
that change from call to call are sent by ``marshal``, in a tenth of the time of ``pickle``; both
ends are the same Python. Arguments are mostly the same, so both ends cache their pickles. An image
is sent beside the message as it is, in a request and in a result.
"""

import marshal
import math
import pickle
import struct
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

_HEADER: Final = struct.Struct("<IQ")  # bytes of the message, bytes of the image
_PROTOCOL: Final = pickle.HIGHEST_PROTOCOL
_REQUEST, _RESULT, _CANCEL, _PING = range(4)  # the kind of a message, its first item
_CACHED_ARGUMENTS: Final = 256
# A result that begins with more bytes has them beside the message. Each way into it copies them.
_BESIDE_BYTES: Final = 1 << 16


class WorkRequest(NamedTuple):
    """A request to a worker.

    Attributes:
        number: Its number, for its cancellation.
        handler: Name of the handler.
        arguments: Arguments of the handler after the image and ``received_at_s``; hashable, and
            not changed by it.
        exclusive: Whether it must not run interleaved with others.
        received_at_s: When the body was complete, by ``time.perf_counter``. The clock is the same
            in all processes of a machine.
        request_id: The id of the HTTP request in the log.
        deadline_s: Seconds from ``received_at_s`` after which nobody waits for the result.
    """

    number: int
    handler: str
    arguments: tuple[object, ...]
    exclusive: bool = False
    received_at_s: float = 0.0
    request_id: str = ""
    deadline_s: float = math.inf


class WorkCancel(NamedTuple):
    """The cancellation of a request: it does not begin, or ends at its next checkpoint."""

    number: int


class WorkPing(NamedTuple):
    """The question whether a worker runs, and its answer."""

    number: int = 0


class WorkResult(NamedTuple):
    """The result of a request. Results have the order of the requests.

    Attributes:
        number: Number of the request.
        value: The return value of the handler. A named tuple arrives as a plain one, because
            pickling its class takes several times as long.
        error: The error of the handler, or None.
        work_s: Its time; a share of the time of interleaved requests.
    """

    number: int
    value: object = None
    error: Exception | None = None
    work_s: float = 0.0


Message: TypeAlias = WorkRequest | WorkCancel | WorkResult | WorkPing


def encode_message(message: Message, image_bytes: bytes = b"") -> list[bytes]:
    """Return the pieces of an encoded message; the image is a piece of its own."""
    content: tuple[str | float | bytes, ...]
    match message:
        case WorkRequest(number, handler, arguments):
            content = (_REQUEST, number, handler, _pickle_arguments(arguments), *message[3:])
        case WorkResult(number, value, error, work_s):
            plain = tuple(value) if isinstance(value, tuple) else value
            if isinstance(plain, tuple) and plain and _is_large(plain[0]):
                image_bytes, plain = plain[0], plain[1:]
            content = (_RESULT, number, pickle.dumps((plain, error), _PROTOCOL), work_s)
        case WorkCancel(number):
            content = (_CANCEL, number)
        case WorkPing(number):
            content = (_PING, number)
    encoded = marshal.dumps(content)
    head = _HEADER.pack(len(encoded), len(image_bytes)) + encoded
    return [head, image_bytes] if image_bytes else [head]


class MessageDecoder:
    """Decodes messages from the bytes of a socket."""

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, received: bytes) -> list[tuple[Message, bytes]]:
        """Return each complete message with its image, which may be empty."""
        # Most received bytes are whole messages, which need no buffer.
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
            image_bytes = bytes(memoryview(stream)[middle:end])
            if isinstance(message, WorkResult) and image_bytes and type(message.value) is tuple:
                message = message._replace(value=(image_bytes, *message.value))
                image_bytes = b""
            complete.append((message, image_bytes))
            start = end
        if stream is self._bytes:
            del self._bytes[:start]
        else:
            self._bytes += memoryview(received)[start:]
        return complete


def _is_large(value: object) -> bool:
    return isinstance(value, bytes) and len(value) > _BESIDE_BYTES


def _decode_message(encoded: bytes | bytearray) -> Message:
    kind, number, *rest = marshal.loads(encoded)  # noqa: S302  our own, see above
    if kind == _REQUEST:
        handler, pickled, *others = rest
        return WorkRequest(number, handler, _unpickle_arguments(pickled), *others)
    if kind == _RESULT:
        pickled, work_s = rest
        value, error = pickle.loads(pickled)  # noqa: S301
        return WorkResult(number, value, error, work_s)
    return WorkPing(number) if kind == _PING else WorkCancel(number)


@lru_cache(_CACHED_ARGUMENTS)
def _pickle_arguments(arguments: tuple[object, ...]) -> bytes:
    return pickle.dumps(arguments, _PROTOCOL)


@lru_cache(_CACHED_ARGUMENTS)
def _unpickle_arguments(pickled: bytes) -> tuple[object, ...]:
    arguments: tuple[object, ...] = pickle.loads(pickled)  # noqa: S301
    return arguments
