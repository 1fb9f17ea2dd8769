"""The log: lines of text for people or of JSON for programs, all on standard error."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO, TypeAlias

LogFormat: TypeAlias = Literal["text", "json"]
LogFields: TypeAlias = Mapping[str, Any]
"""The fields of a line beside its message: names, and values of JSON."""

_FIELDS_KEY: Final = "fields"
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), default=str)


def make_extra(fields: LogFields) -> dict[str, LogFields]:
    """Return the ``extra`` of a logger for a line with these fields."""
    return {_FIELDS_KEY: fields}


def configure_logging(log_format: LogFormat, stream: TextIO | None = None) -> None:
    """Write the log of this process in one format.

    It has warnings and errors of all packages, and also infos of this one. Warnings of Python are
    lines of it. The stream is standard error unless given.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    logging.getLogger("phiz").setLevel(logging.INFO)
    # No line shows these, and they cost time for each line.
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
        # Encoded, so that no value from the network starts a line of its own.
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
