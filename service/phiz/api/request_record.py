"""What is written of a request: never its query, its picture or who sent it."""

import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self

from starlette.types import Scope

from phiz.api.metrics import OK, Observation
from phiz.errors import WorkerFaultError
from phiz.system.logs import Fields

# As the proxy in front has it: what is named otherwise gets a name of ours.
_NAME: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# W3C Trace Context, section 3.2.2: version, trace, parent, flags. There is no version ff, no trace
# and no parent of zeros alone, and nothing more in version 00; in others it follows a dash.
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)
_FIRST_VERSION: Final = b"00"
RECORD: Final = "phiz.record"
"""Where the record of a request is in its scope."""


@dataclass(slots=True)
class Record:
    """What becomes known of a request while it is answered.

    Attributes:
        name: What it is called, by its caller or by us.
        method: HTTP's.
        path: Of the route that it asks for; ``-`` for none, because callers may put names into it.
        trace: That it belongs to, 32 hexadecimal digits; empty if it belongs to none.
        started: When it came, by ``time.perf_counter``.
        status: Of its answer; 0 as long as there is none.
        bytes_in: Of its body, as far as it has been read.
        bytes_out: Of the answer's body.
        total_s: Until the last byte of the answer was given to the server.
        error: The code that it was answered with; nothing if with success, or if it is not known.
        observation: What is counted of it, if it asks something of pictures.
    """

    name: str
    method: str
    path: str
    trace: str
    started: float = field(default_factory=time.perf_counter)
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    total_s: float = 0.0
    error: str = ""
    observation: Observation | None = None

    @classmethod
    def of(cls, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Self:
        """Return the record of a request that has come."""
        name, parents = "", []
        for header, value in headers:
            if header == b"x-request-id" and _NAME.fullmatch(value):
                name = value.decode()
            elif header == b"traceparent":
                parents.append(value)
        # Of several none counts, section 3.2.1 there.
        trace = _trace_of(parents[0]) if len(parents) == 1 else ""
        return cls(name or secrets.token_hex(16), method, path, trace)

    @property
    def code(self) -> str:
        """``ok``, or the code of the error that it ended with, as far as it is known."""
        if self.observation is not None:
            return self.observation.code
        return OK if 0 < self.status < 400 else self.error or WorkerFaultError.code  # noqa: PLR2004

    def fields(self) -> Fields:
        """Return the fields of its line in the log."""
        fields = {
            "request": self.name,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "code": self.code,
        }
        observed = self.observation
        if observed is not None:
            fields["model"] = observed.model
        fields["bytes_in"] = self.bytes_in
        fields["bytes_out"] = self.bytes_out
        fields["total_ms"] = round(1000 * self.total_s, 3)
        if observed is not None and observed.timings:
            fields["queue_ms"] = round(1000 * observed.queue_s, 3)
        if self.trace:
            fields["trace"] = self.trace
        return fields


def failed(scope: Scope, code: str) -> None:
    """Let a request's record, if there is one, know the code that it is answered with."""
    record = scope.get(RECORD)
    if isinstance(record, Record):
        record.error = code


def observed(scope: Scope, observation: Observation) -> None:
    """Let a request's record, if there is one, and what is counted of it know each other."""
    record = scope.get(RECORD)
    if isinstance(record, Record):
        record.observation = observation
        observation.name = record.name


def _trace_of(traceparent: bytes) -> str:
    """Return the trace that a header names; nothing if it is not as it has to be."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found[1] == _FIRST_VERSION and found[3]):
        return ""
    return found[2].decode()


def name_of(scope: Scope) -> str:
    """Return what a request is called; nothing if it has no record."""
    record = scope.get(RECORD)
    return record.name if isinstance(record, Record) else ""
