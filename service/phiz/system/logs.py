"""The log: lines of text for people or of JSON for programs, all on standard error."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

Form: TypeAlias = Literal["text", "json"]
Fields: TypeAlias = Mapping[str, Any]
"""What a line has beside its message: names, and what JSON can hold."""

_FIELDS: Final = "fields"
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), default=str)


def extra(fields: Fields) -> dict[str, Fields]:
    """Return what a logger's ``extra`` must be for a line to have these fields."""
    return {_FIELDS: fields}


def configure(form: Form) -> None:
    """Have everything that this process logs, whoever does, written in one form.

    Warnings and errors are, and of this package what it says to inform as well.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("phiz").setLevel(logging.INFO)
    # No line tells of these, and to find them out takes time with each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


class JsonLines(logging.Formatter):
    """One object a line: time, level, message, the fields, and the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time_s": round(record.created, 3),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_fields_of(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _ENCODER.encode(line)


class TextLines(logging.Formatter):
    """Time, level and message, then the fields; a traceback has lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        # Encoded, so that nothing that came over the network begins a line of its own.
        fields = (f" {name}={_ENCODER.encode(value)}" for name, value in _fields_of(record).items())
        line = f"{time} {record.levelname.lower()} {record.getMessage()}{''.join(fields)}"
        if record.exc_info:
            return f"{line}\n{self.formatException(record.exc_info)}"
        return line


def _fields_of(record: logging.LogRecord) -> Fields:
    fields: Fields = getattr(record, _FIELDS, {})
    return fields
