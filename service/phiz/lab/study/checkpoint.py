"""The finished tasks of a study, so that it can be interrupted and resumed."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import ConfigDict, TypeAdapter, with_config

from phiz.errors import SettingError
from phiz.lab.study.plan import StudyTask
from phiz.lab.study.quality import VariantQuality
from phiz.lab.study.timing import RunTimes

TaskResult: TypeAlias = dict[str, RunTimes] | dict[str, list[float]] | list[VariantQuality] | int
"""Of a task of times, of pace, of quality, or of memory."""

_DIGEST_DIGITS: Final = 8  # few studies are interrupted in one folder
_LINE_CONFIG: Final = ConfigDict(strict=True, extra="forbid")


# The names of the entries are those of the file.
@with_config(_LINE_CONFIG)
@dataclass(frozen=True, slots=True)
class _HeaderLine:
    subject: dict[str, Any]
    begun: str


@with_config(_LINE_CONFIG)
@dataclass(frozen=True, slots=True)
class _TaskLine:
    lot: str
    seconds: float
    stolen_s: float | None
    answer: TaskResult


_HEADER_LINE: Final = TypeAdapter(_HeaderLine)
_TASK_LINE: Final = TypeAdapter(_TaskLine)


class Checkpoint:
    """A file with a line for the study, and one for each finished task.

    Lines are added and never changed, so a crash loses at most the running task. The name of the
    file depends on the study, so each interrupted study has its own.
    """

    def __init__(
        self, folder: Path, fingerprint: Mapping[str, Any], *, fresh: bool = False
    ) -> None:
        """Resume the file of a study, or begin one.

        Args:
            folder: Folder of the file.
            fingerprint: The properties of the study, as JSON has them.
            fresh: Whether to begin anew in any case.

        Raises:
            SettingError: The file cannot be written.
        """
        digest = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()
        self._path = folder / f"study-{digest[:_DIGEST_DIGITS]}.unfinished"
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._header = _HeaderLine({**fingerprint}, now)
        self._lines: dict[str, _TaskLine] = {}
        if not fresh:
            self._read_lines()
        self._rewrite()

    @property
    def begun(self) -> str:
        """The time at which the study first began, in UTC (ISO 8601)."""
        return self._header.begun

    @property
    def results(self) -> dict[str, TaskResult]:
        """The answers of the finished tasks."""
        return {task: line.answer for task, line in self._lines.items()}

    @property
    def seconds(self) -> dict[str, float]:
        """The seconds that each finished task took."""
        return {task: line.seconds for task, line in self._lines.items()}

    @property
    def stolen(self) -> float | None:
        """The share of the tasks' time that the host gave to others; None if it is unknown."""
        stolen_s = [line.stolen_s for line in self._lines.values() if line.stolen_s is not None]
        if not stolen_s or len(stolen_s) < len(self._lines):
            return None
        return sum(stolen_s) / sum(self.seconds.values())

    def add(
        self, task: StudyTask, result: TaskResult, seconds: float, stolen_s: float | None = None
    ) -> None:
        """Keep the answer of a task, its seconds, and those that the host gave to others.

        Raises:
            SettingError: The file cannot be written.
        """
        text = _format_line(_TaskLine(str(task), seconds, stolen_s, result))
        # As it will be read, so that a study that was interrupted is the same as one that was not.
        self._lines[str(task)] = _TASK_LINE.validate_json(text)
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise self._make_write_error(error) from error

    def remove(self) -> None:
        """Remove the file: everything is measured."""
        self._path.unlink(missing_ok=True)

    def _read_lines(self) -> None:
        """Read the lines before the first that is broken."""
        try:
            header, *lines = self._path.read_bytes().splitlines()
            found = _HEADER_LINE.validate_json(header)
            if found.subject != self._header.subject:
                return
            self._header = found
            for text in lines:
                line = _TASK_LINE.validate_json(text)
                self._lines[line.lot] = line
        except (OSError, ValueError):
            return

    def _rewrite(self) -> None:
        """Write the file anew, so that it is there as it was or as it will be."""
        # Without a last line that was half written, to which the next would be added.
        tasks = map(_format_line, self._lines.values())
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            beside.write_text("".join([_format_line(self._header), *tasks]), "utf-8")
            beside.replace(self._path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise self._make_write_error(error) from error

    def _make_write_error(self, error: OSError) -> SettingError:
        return SettingError(f"{self._path} cannot be written: {error.strerror}")


def _format_line(line: _HeaderLine | _TaskLine) -> str:
    # Not by pydantic, which writes null for an infinite excess and for a precision that is NaN.
    return json.dumps(asdict(line)) + "\n"
