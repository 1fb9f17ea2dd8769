"""What of a study is finished, so that it can be interrupted and taken up again."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from phiz.errors import SettingError
from phiz.lab.study.plan import StudyTask
from phiz.lab.study.quality import VariantQuality
from phiz.lab.study.timing import RunTimes

TaskResult: TypeAlias = dict[str, RunTimes] | dict[str, list[float]] | list[VariantQuality] | int
"""Of a task of times, of pace, of quality, or of memory."""

_DIGEST_DIGITS: Final = 8  # few studies are interrupted in one folder


# An excess may be infinite. The names of the entries are those of the file.
@with_config(ConfigDict(strict=True, extra="forbid", ser_json_inf_nan="constants"))
@dataclass(frozen=True, slots=True)
class _TaskLine:
    lot: str
    seconds: float
    stolen_s: float | None
    answer: TaskResult


_TASK_LINE: Final = TypeAdapter(_TaskLine)


class Checkpoint:
    """A file with a line for what is measured, and one for each task that is finished.

    Lines are added and never changed: whatever ends the program, the tasks before stay. What is
    measured is in the file's name too, so that each study that was interrupted has its own.
    """

    def __init__(
        self, folder: Path, fingerprint: Mapping[str, Any], *, fresh: bool = False
    ) -> None:
        """Take up the file about a study, or begin one.

        Args:
            folder: Where it is.
            fingerprint: What is measured, as JSON has it.
            fresh: Begin it anew even if it is there.

        Raises:
            SettingError: It cannot be written.
        """
        digest = hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()
        self._path = folder / f"study-{digest[:_DIGEST_DIGITS]}.unfinished"
        self.results: dict[str, TaskResult] = {}
        self.seconds: dict[str, float] = {}
        self._stolen_s: dict[str, float | None] = {}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        first: dict[str, Any] = {"subject": fingerprint, "begun": now}
        lines = [] if fresh else self._read_lines()
        texts: list[str] = []
        if lines and (found := _parse_first(lines[0], fingerprint)):
            first = found
            texts = list(self._load_lines(lines[1:]))
        self.begun: str = first["begun"]
        # Without a last line that was half written, to which the next would be added.
        self._rewrite("".join([json.dumps(first) + "\n", *texts]))

    @property
    def stolen(self) -> float | None:
        """The share of the time of all tasks that the host gave to others; None if not known."""
        known = [(each, self.seconds[task]) for task, each in self._stolen_s.items()]
        if not known or any(each is None for each, _ in known):
            return None
        return sum(each or 0.0 for each, _ in known) / sum(seconds for _, seconds in known)

    def add(
        self, task: StudyTask, result: TaskResult, seconds: float, stolen_s: float | None = None
    ) -> None:
        """Keep the answer of a task, how long it took, and what the host took of that.

        Raises:
            SettingError: It cannot be written.
        """
        text = _format_line(_TaskLine(str(task), seconds, stolen_s, result))
        # As it will be read, so that a study that was interrupted is the same as one that was not.
        self._load_line(_TASK_LINE.validate_json(text))
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise self._make_write_error(error) from error

    def remove(self) -> None:
        """Remove the file: everything is measured."""
        self._path.unlink(missing_ok=True)

    def _load_line(self, line: _TaskLine) -> None:
        self.results[line.lot] = line.answer
        self.seconds[line.lot] = line.seconds
        self._stolen_s[line.lot] = line.stolen_s

    def _load_lines(self, texts: Iterable[bytes]) -> Iterator[str]:
        """Yield the lines before the first that is half written, or no line of a task."""
        for text in texts:
            try:
                self._load_line(_TASK_LINE.validate_json(text))
            except ValidationError:
                return
            yield text.decode() + "\n"

    def _read_lines(self) -> list[bytes]:
        try:
            return self._path.read_bytes().splitlines()
        except OSError:
            return []

    def _rewrite(self, text: str) -> None:
        """Write all of the file anew, so that it is there as it was or as it will be."""
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            beside.write_text(text, "utf-8")
            beside.replace(self._path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise self._make_write_error(error) from error

    def _make_write_error(self, error: OSError) -> SettingError:
        return SettingError(f"{self._path} cannot be written: {error.strerror}")


def _parse_first(line: bytes, fingerprint: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the first line of a file about what is measured, or None if it is no such line."""
    try:
        first = json.loads(line)
    except ValueError:
        return None
    is_same = isinstance(first, dict) and first.get("subject") == fingerprint and "begun" in first
    return first if is_same else None


def _format_line(line: _TaskLine) -> str:
    return _TASK_LINE.dump_json(line).decode() + "\n"
