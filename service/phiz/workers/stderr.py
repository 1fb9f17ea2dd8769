"""The raw lines that a worker's libraries write to standard error, as lines of the log.

Decoders in C and the interpreter itself write there without the logging of Python. The service
reads them from a pipe, so the last words of a worker that crashes are logged too.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from typing import Final, TextIO

from phiz.system.logs import make_extra

MAX_LINE_BYTES: Final = 2048
# A hostile image can cause many lines. Of more in a period, only their number is logged.
MAX_LINES: Final = 100
PERIOD_S: Final = 10.0
READ_BYTES: Final = 64 * 1024

_log = logging.getLogger(__name__)


class StderrReader:
    """Reads the standard error of a worker, in the thread of the event loop.

    Attributes:
        write_fd: The end for the worker. ``start`` closes it here.
    """

    def __init__(self, index: int) -> None:
        """Open a pipe for the worker of this index."""
        self._index = index
        self._read_fd, self.write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        self._rest = b""
        self._lines = 0
        self._period_end_s = 0.0
        self._on_end: Callable[[StderrReader], None] | None = None

    def start(self, on_end: Callable[["StderrReader"], None]) -> None:
        """Read until the worker ends, and call ``on_end`` then."""
        self._on_end = on_end
        os.close(self.write_fd)
        asyncio.get_running_loop().add_reader(self._read_fd, self._read)

    def close(self) -> None:
        """Log what there is, and stop reading."""
        if self._on_end is None:
            return
        on_end, self._on_end = self._on_end, None
        asyncio.get_running_loop().remove_reader(self._read_fd)
        with contextlib.suppress(BlockingIOError):
            self._take(os.read(self._read_fd, READ_BYTES))
        os.close(self._read_fd)
        if self._rest:
            self._log_line(self._rest)
        self._report_omitted()
        on_end(self)

    def abandon(self) -> None:
        """Close the pipe of a worker that could not start."""
        os.close(self.write_fd)
        os.close(self._read_fd)

    def _read(self) -> None:
        received = os.read(self._read_fd, READ_BYTES)
        if received:
            self._take(received)
        else:
            self.close()

    def _take(self, received: bytes) -> None:
        *lines, self._rest = (self._rest + received).split(b"\n")
        for line in lines:
            self._log_line(line)
        while len(self._rest) > MAX_LINE_BYTES:
            self._log_line(self._rest[:MAX_LINE_BYTES])
            self._rest = self._rest[MAX_LINE_BYTES:]

    def _log_line(self, line: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._period_end_s:
            self._report_omitted()
            self._period_end_s = now + PERIOD_S
        self._lines += 1
        if self._lines <= MAX_LINES:
            text = line[:MAX_LINE_BYTES].decode("utf-8", "replace")
            fields = make_extra({"line": text})
            _log.warning("worker %d wrote to standard error", self._index, extra=fields)

    def _report_omitted(self) -> None:
        if self._lines > MAX_LINES:
            omitted = self._lines - MAX_LINES
            _log.warning("%d raw lines of worker %d were omitted", omitted, self._index)
        self._lines = 0


def open_log_stream() -> TextIO:
    """Return the stream for the log of a worker, whose standard error goes to a ``StderrReader``.

    The service gives its own standard error to its workers as their standard output. From now on,
    raw lines to standard output go where those to standard error go.
    """
    sys.stdout.flush()
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(2, 1)
    return stream
