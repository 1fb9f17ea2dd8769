"""What of a study is finished, so that it can be interrupted and taken up again."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from phiz.errors import SettingError
from phiz.lab.study.plan import StudyTask
from phiz.lab.study.quality import VariantQuality
from phiz.lab.study.timing import RunTimes
from phiz.runtime.variants import Variant

TaskResult: TypeAlias = dict[str, RunTimes] | dict[str, list[float]] | list[VariantQuality] | int
"""Of a task of times, of pace, of quality, or of memory."""


_DIGEST_DIGITS: Final = 8  # few studies are interrupted in one folder


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
        if lines and _has_fingerprint(fingerprint, lines[0]):
            first, *lines = lines
        else:
            lines = []
        self.begun: str = first["begun"]
        for line in lines:
            self._load_line(line)
        # Without a last line that was half written, to which the next would be added.
        self._rewrite("".join(json.dumps(line) + "\n" for line in [first, *lines]))

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
        plain: Any = result
        if isinstance(result, dict):
            plain = {
                name: asdict(taken) if isinstance(taken, RunTimes) else taken
                for name, taken in result.items()
            }
        elif isinstance(result, list):
            plain = [asdict(quality) for quality in result]
        line = {"lot": str(task), "seconds": seconds, "stolen_s": stolen_s, "answer": plain}
        # As it will be read, so that a study that was interrupted is the same as one that was not.
        self._load_line(json.loads(json.dumps(line)))
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise self._make_write_error(error) from error

    def remove(self) -> None:
        """Remove the file: everything is measured."""
        self._path.unlink(missing_ok=True)

    def _load_line(self, line: dict[str, Any]) -> None:
        self.results[line["lot"]] = _parse_result(line["answer"])
        self.seconds[line["lot"]] = line["seconds"]
        self._stolen_s[line["lot"]] = line["stolen_s"]

    def _read_lines(self) -> list[Any]:
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return []
        read: list[Any] = []
        for line in lines:
            try:
                found = json.loads(line)
            except ValueError:  # half written, or no text at all
                break
            if read and not _is_task_line(found):
                break
            read.append(found)
        return read

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


def _has_fingerprint(fingerprint: Mapping[str, Any], line: Any) -> bool:  # noqa: ANN401  JSON's
    return isinstance(line, dict) and line.get("subject") == fingerprint and "begun" in line


def _is_task_line(line: Any) -> bool:  # noqa: ANN401  JSON's
    return isinstance(line, dict) and {"lot", "seconds", "stolen_s", "answer"} <= line.keys()


def _parse_result(plain: Any) -> TaskResult:  # noqa: ANN401  JSON's
    if isinstance(plain, dict):
        return {name: _parse_times(each) for name, each in plain.items()}
    if isinstance(plain, list):
        return [_parse_quality(each) for each in plain]
    return int(plain)


def _parse_times(plain: Any) -> Any:  # noqa: ANN401  of times or of pace
    if isinstance(plain, dict):
        return RunTimes(tuple(plain["run_us"]), plain["processor_s"])
    return plain


def _parse_quality(plain: dict[str, Any]) -> VariantQuality:
    variant, visits_ms = Variant(**plain["variant"]), tuple(plain["visits_ms"])
    return VariantQuality(**{**plain, "variant": variant, "visits_ms": visits_ms})
