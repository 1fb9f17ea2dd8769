"""What is written of a request: never its query, its picture or who sent it."""

import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self

from starlette.types import Scope

from phiz.api.metrics import OK_CODE, DetectionRecord
from phiz.errors import WorkerFaultError
from phiz.system.logs import LogFields

# As the proxy in front has it: what is named otherwise gets a name of ours.
_REQUEST_ID_PATTERN: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# W3C Trace Context, section 3.2.2: version, trace, parent, flags. There is no version ff, no trace
# and no parent of zeros alone, and nothing more in version 00; in others it follows a dash.
_TRACEPARENT_PATTERN: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)
_FIRST_VERSION: Final = b"00"
RECORD_KEY: Final = "phiz.record"
"""Where the record of a request is in its scope."""


@dataclass(slots=True)
class RequestRecord:
    """What becomes known of a request while it is answered.

    Attributes:
        request_id: What it is called, by its caller or by us.
        method: HTTP's.
        path: Of the route that it asks for; ``-`` for none, because callers may put names into it.
        trace_id: That it belongs to, 32 hexadecimal digits; empty if it belongs to none.
        started_at_s: When it came, by ``time.perf_counter``.
        status: Of its answer; 0 as long as there is none.
        bytes_in: Of its body, as far as it has been read.
        bytes_out: Of the answer's body.
        total_s: Until the last byte of the answer was given to the server.
        error_code: The code that it was answered with; empty after success, or if unknown.
        detection: What is counted of it, if it asks something of pictures.
    """

    request_id: str
    method: str
    path: str
    trace_id: str
    started_at_s: float = field(default_factory=time.perf_counter)
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    total_s: float = 0.0
    error_code: str = ""
    detection: DetectionRecord | None = None

    @classmethod
    def from_headers(cls, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Self:
        """Return the record of a request that has come."""
        name, parents = "", []
        for header, value in headers:
            if header == b"x-request-id" and _REQUEST_ID_PATTERN.fullmatch(value):
                name = value.decode()
            elif header == b"traceparent":
                parents.append(value)
        # Of several none counts, section 3.2.1 there.
        trace = _parse_traceparent(parents[0]) if len(parents) == 1 else ""
        return cls(name or secrets.token_hex(16), method, path, trace)

    @property
    def code(self) -> str:
        """``ok``, or the code of the error that it ended with, as far as it is known."""
        if self.detection is not None:
            return self.detection.code
        return OK_CODE if 0 < self.status < 400 else self.error_code or WorkerFaultError.code  # noqa: PLR2004

    def to_log_fields(self) -> LogFields:
        """Return the fields of its line in the log."""
        fields = {
            "request": self.request_id,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "code": self.code,
        }
        detection = self.detection
        if detection is not None:
            fields["model"] = detection.model
        fields["bytes_in"] = self.bytes_in
        fields["bytes_out"] = self.bytes_out
        fields["total_ms"] = round(1000 * self.total_s, 3)
        if detection is not None and detection.timings:
            fields["queue_ms"] = round(1000 * detection.queue_s, 3)
        if self.trace_id:
            fields["trace"] = self.trace_id
        return fields


def record_error_code(scope: Scope, code: str) -> None:
    """Let a request's record, if there is one, know the code that it is answered with."""
    record = scope.get(RECORD_KEY)
    if isinstance(record, RequestRecord):
        record.error_code = code


def attach_detection(scope: Scope, detection: DetectionRecord) -> None:
    """Let a request's record, if there is one, and what is counted of it know each other."""
    record = scope.get(RECORD_KEY)
    if isinstance(record, RequestRecord):
        record.detection = detection
        detection.request_id = record.request_id


def _parse_traceparent(traceparent: bytes) -> str:
    """Return the trace that a header names; nothing if it is not as it has to be."""
    found = _TRACEPARENT_PATTERN.fullmatch(traceparent)
    if found is None or (found[1] == _FIRST_VERSION and found[3]):
        return ""
    return found[2].decode()


def get_request_id(scope: Scope) -> str:
    """Return what a request is called; nothing if it has no record."""
    record = scope.get(RECORD_KEY)
    return record.request_id if isinstance(record, RequestRecord) else ""
