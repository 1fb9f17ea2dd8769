"""What of a study is finished, so that it can be interrupted and taken up again."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from phiz.errors import SettingError
from phiz.runtime.variants import Variant
from phiz.study.plan import Lot
from phiz.study.quality import Quality
from phiz.study.timing import Turns

Answer: TypeAlias = dict[str, Turns] | list[Quality] | int
"""Of a lot of times, of quality, or of memory."""


class Journal:
    """A file with a line for what is measured, and one for each lot that is finished.

    Lines are added and never changed: whatever ends the program, the lots before stay.
    """

    def __init__(self, path: Path, subject: Mapping[str, Any]) -> None:
        """Take up a file if it is about the same subject, else begin it anew.

        Raises:
            SettingError: It cannot be written.
        """
        self._path = path
        self.answers: dict[str, Answer] = {}
        self.seconds: dict[str, float] = {}
        first, *lines = self._lines() or [None]
        if first != subject:
            lines = []
        for line in lines:
            self._take(line)
        # Without a last line that was half written, to which the next would be added.
        self._write("\n".join(map(json.dumps, [subject, *lines])), "w")

    def add(self, lot: Lot, answer: Answer, seconds: float) -> None:
        """Keep the answer of a lot, and how long it took.

        Raises:
            SettingError: It cannot be written.
        """
        plain: Any = answer
        if isinstance(answer, dict):
            plain = {name: asdict(turns) for name, turns in answer.items()}
        elif isinstance(answer, list):
            plain = [asdict(quality) for quality in answer]
        line = {"lot": str(lot), "seconds": seconds, "answer": plain}
        # As it will be read, so that a study that was interrupted is the same as one that was not.
        self._take(json.loads(json.dumps(line)))
        self._write(json.dumps(line), "a")

    def remove(self) -> None:
        """Remove the file: everything is measured."""
        self._path.unlink(missing_ok=True)

    def _take(self, line: dict[str, Any]) -> None:
        self.answers[line["lot"]] = _answer(line["answer"])
        self.seconds[line["lot"]] = line["seconds"]

    def _lines(self) -> list[Any]:
        try:
            lines = self._path.read_text("utf-8").splitlines()
        except OSError:
            return []
        read = []
        for line in lines:
            try:
                read.append(json.loads(line))
            except ValueError:  # the last line, half written
                break
        return read

    def _write(self, line: str, mode: str) -> None:
        try:
            with self._path.open(mode, encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise SettingError(f"{self._path} cannot be written: {error.strerror}") from error


def _answer(plain: Any) -> Answer:  # noqa: ANN401  JSON's
    if isinstance(plain, dict):
        return {
            name: Turns(tuple(turns["run_us"]), turns["processor_s"])
            for name, turns in plain.items()
        }
    if isinstance(plain, list):
        return [Quality(**{**each, "variant": Variant(**each["variant"])}) for each in plain]
    return int(plain)
