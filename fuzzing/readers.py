"""Runs the targets one after another, each in a process of its own, and reports what they did."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

INPUT_TIMEOUT_S: Final = 10
MAX_RESIDENT_MB: Final = 1024
_LAST_LINES: Final = 25


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a run of one target.

    Attributes:
        name: The target.
        inputs: Number of inputs that were read.
        edges: Branches of the code that they reached.
        resident_mb: The most memory of the process.
        failure: The end of the output if an input failed, else empty.
    """

    name: str
    inputs: int
    edges: int
    resident_mb: int
    failure: str

    def __str__(self) -> str:
        result = f"FAILED\n{self.failure}" if self.failure else "no failure"
        return (
            f"{self.name}: {self.inputs} inputs, {self.edges} edges, {self.resident_mb} MB,"
            f" {result}"
        )


def fuzz_reader(name: str, folder: Path, *, limit: str, seed: int) -> Report:
    """Return the report of a run of one target.

    Args:
        name: The target.
        folder: Holds the inputs that reach new code, below the name of the target, and the input
            that failed.
        limit: libFuzzer's option for the end of the run: ``-max_total_time=60``, ``-runs=1000``.
        seed: Of the random numbers; 0 for other ones in each run.
    """
    options = (
        *(limit, f"-seed={seed}", f"-timeout={INPUT_TIMEOUT_S}"),
        *(f"-rss_limit_mb={MAX_RESIDENT_MB}", "-print_final_stats=1"),
    )
    ran = subprocess.run(  # noqa: S603  this Python, with arguments of our own
        [sys.executable, "-m", "fuzzing.engine", name, str(folder), *options],
        cwd=Path(__file__).parents[1],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    inputs, resident = (
        max(map(int, re.findall(rf"^stat::{stat}: +(\d+)$", ran.stdout, re.MULTILINE)), default=0)
        for stat in ("number_of_executed_units", "peak_rss_mb")
    )
    edges = max(map(int, re.findall(r" cov: (\d+)", ran.stdout)), default=0)
    failure = "\n".join(ran.stdout.splitlines()[-_LAST_LINES:]) if ran.returncode else ""
    return Report(name, inputs, edges, resident, failure)
