"""The record of a request: everything known of it, but never its query, its image or its sender."""

import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Self

from starlette.types import Scope

from phiz.errors import PhizError, WorkerFaultError
from phiz.system.logs import LogFields
from phiz.wire.messages import EncodedAnswer

# As the proxy in front has it: what is named otherwise gets a name of ours.
_REQUEST_ID_PATTERN: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# W3C Trace Context, section 3.2.2: version, trace, parent, flags. There is no version ff, no trace
# and no parent of zeros alone, and nothing more in version 00; in others it follows a dash.
_TRACEPARENT_PATTERN: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)
_FIRST_VERSION: Final = b"00"
RECORD_KEY: Final = "phiz.record"
"""Key of a request's record in its scope (ASGI)."""
STREAM_METHOD: Final = "GET"
"""The method of a request for a stream, whose scope (ASGI) has none."""
REQUEST_TYPES: Final = frozenset({"http", "websocket"})
"""The types of scopes (ASGI) that are requests."""
OK_CODE: Final = "ok"
UNKNOWN_MODEL: Final = "unknown"


@dataclass(slots=True)
class RequestRecord:
    """One request, from its headers to its answer. Moments are read from ``time.perf_counter``.

    Attributes:
        request_id: The id given by the caller, or a random one.
        method: HTTP method.
        path: Path of the route; ``-`` for any other path, because callers may put names into it.
        trace_id: 32 hexadecimal digits; empty if the request belongs to no trace.
        started_at_s: The moment when the headers were complete.
        received_at_s: The moment when the body was complete; 0 before that.
        deadline_s: Seconds that the answer may take once the body is complete; 0 until known.
        model: The requested model; ``unknown`` until the options are valid, and empty if the
            request has nothing to do with images.
        outcomes: The answer or the error of each image, in their order; empty before they are
            complete.
        status: HTTP status of the answer; 0 before the answer.
        bytes_in: Bytes of the body that have been read.
        bytes_out: Bytes of the answer's body.
        total_s: Seconds from the headers to the last byte of the answer; 0 before that.
        error_code: Code of the error in the answer; empty if there is none.
        client: Name of the API key; empty without one.
        is_rendered: Whether the answer is an image, or has images.
        charge: Counts more images towards the rate of the client; None without a rate.
        admit_frame: Counts a frame of a stream towards that rate, or returns the seconds until one
            is allowed. It raises an AccessError if the key is no longer valid. None without rules.
        frames: Frames of a stream that were answered.
    """

    request_id: str
    method: str
    path: str
    trace_id: str
    started_at_s: float = field(default_factory=time.perf_counter)
    received_at_s: float = 0.0
    deadline_s: float = 0.0
    model: str = ""
    outcomes: Sequence[EncodedAnswer | PhizError] = ()
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    total_s: float = 0.0
    error_code: str = ""
    client: str = ""
    is_rendered: bool = False
    charge: Callable[[int], None] | None = None
    admit_frame: Callable[[], float] | None = None
    frames: int = 0

    @classmethod
    def from_headers(cls, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Self:
        """Return the record of a request whose headers are complete."""
        name, parents = "", []
        for header, value in headers:
            if header == b"x-request-id" and _REQUEST_ID_PATTERN.fullmatch(value):
                name = value.decode()
            elif header == b"traceparent":
                parents.append(value)
        # Of several none counts, section 3.2.1 there.
        trace = _parse_traceparent(parents[0]) if len(parents) == 1 else ""
        return cls(name or os.urandom(16).hex(), method, path, trace)

    @property
    def code(self) -> str:
        """``ok``, or the code of the error that the request ended with."""
        is_stream = self.status == HTTPStatus.SWITCHING_PROTOCOLS
        if 0 < self.status < HTTPStatus.BAD_REQUEST and not (is_stream and self.error_code):
            return OK_CODE
        return self.error_code or WorkerFaultError.code

    @property
    def answers(self) -> list[EncodedAnswer]:
        """The answers of those images that have no error, in their order."""
        return [outcome for outcome in self.outcomes if isinstance(outcome, EncodedAnswer)]

    def to_log_fields(self) -> LogFields:
        """Return the fields of its line in the log."""
        fields = {
            "request": self.request_id,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "code": self.code,
        }
        if self.client:
            fields["client"] = self.client
        if self.model:
            fields["model"] = self.model
        if self.frames:
            fields["frames"] = self.frames
        fields["bytes_in"] = self.bytes_in
        fields["bytes_out"] = self.bytes_out
        fields["total_ms"] = round(1000 * self.total_s, 3)
        if answers := self.answers:
            longest_s = max(answer.stages["queue"] for answer in answers)
            fields["queue_ms"] = round(1000 * longest_s, 3)
        if self.trace_id:
            fields["trace"] = self.trace_id
        return fields


def get_record(scope: Scope) -> RequestRecord:
    """Return the record of a request; it begins here where there is no access log."""
    record = scope.get(RECORD_KEY)
    if not isinstance(record, RequestRecord):
        method = scope.get("method", STREAM_METHOD)
        record = RequestRecord.from_headers(method, scope["path"], scope["headers"])
        scope[RECORD_KEY] = record
    return record


def _parse_traceparent(traceparent: bytes) -> str:
    """Return the trace that a header names; nothing if it is not as it has to be."""
    found = _TRACEPARENT_PATTERN.fullmatch(traceparent)
    if found is None or (found[1] == _FIRST_VERSION and found[3]):
        return ""
    return found[2].decode()
