"""The log: lines of text for people or of JSON for programs, all on standard error."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

LogFormat: TypeAlias = Literal["text", "json"]
LogFields: TypeAlias = Mapping[str, Any]
"""What a line has beside its message: names, and what JSON can hold."""

_FIELDS_KEY: Final = "fields"
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), default=str)


def make_extra(fields: LogFields) -> dict[str, LogFields]:
    """Return what a logger's ``extra`` must be for a line to have these fields."""
    return {_FIELDS_KEY: fields}


def configure_logging(log_format: LogFormat) -> None:
    """Have everything that this process logs, whoever does, written in one form.

    Warnings and errors are, and of this package what it says to inform as well.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("phiz").setLevel(logging.INFO)
    # No line tells of these, and to find them out takes time with each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, message, the fields, and the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time_s": round(record.created, 3),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_get_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _ENCODER.encode(line)


class TextFormatter(logging.Formatter):
    """Time, level and message, then the fields; a traceback has lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        # Encoded, so that nothing that came over the network begins a line of its own.
        fields = (
            f" {name}={_ENCODER.encode(value)}" for name, value in _get_fields(record).items()
        )
        line = f"{time} {record.levelname.lower()} {record.getMessage()}{''.join(fields)}"
        if record.exc_info:
            return f"{line}\n{self.formatException(record.exc_info)}"
        return line


def _get_fields(record: logging.LogRecord) -> LogFields:
    fields: LogFields = getattr(record, _FIELDS_KEY, {})
    return fields
