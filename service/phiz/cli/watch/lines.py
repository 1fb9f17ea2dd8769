"""The lines of JSON that ``phiz watch`` writes."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, TextIO

import orjson

from phiz.cli.formats import guard_stdout
from phiz.cli.watch.watcher import WatchedFrame
from phiz.errors import VideoError
from phiz.wire.encode import encode_result
from phiz.wire.frames import add_ids

LINE_SUFFIXES: Final = (".json", ".jsonl", ".ndjson")


def write_line(file: TextIO, watched: WatchedFrame) -> None:
    """Write a frame as a line.

    Raises:
        ClickException: The file cannot be written.
        Exit: Nobody reads it any more.
    """
    answer = add_ids(encode_result(watched.result), watched.faces)
    place = {"frame": watched.number, "time_s": round(watched.time_s, 3)}
    line = orjson.dumps({**place, **answer, "timing_ms": watched.timing_ms}).decode()
    with guard_stdout("the faces"):
        file.write(line + "\n")
        file.flush()  # others may follow it


def open_lines(output: Path | None) -> AbstractContextManager[TextIO]:
    """Open the file of the lines, or standard output.

    Raises:
        VideoError: It cannot be written.
    """
    if output is None:
        return _keep_stdout()
    try:
        return output.open("w", encoding="utf-8")
    except OSError as error:
        raise VideoError(f"cannot write {output}: {error.strerror}") from error


@contextmanager
def _keep_stdout() -> Iterator[TextIO]:
    yield sys.stdout
