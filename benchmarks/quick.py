"""Two checkouts side by side, in less than three minutes: is this change faster, or slower?

    python -m benchmarks.quick [BEFORE]

BEFORE is the folder of another checkout, or a commit. By default it is the commit at which this
branch has left main: on main the last commit, so that changes since then are compared. Both run
with the packages of this Python, on one core, the load on another.

Everything is processor time: of a call of each model in process, from the bytes of a JPEG of
640 × 480 to the answer, and of a request to the service and to its worker, with 8 clients and
``front``. Neighbours on the machine hardly change it. Both checkouts start anew for each pair,
because the addresses of code and data change the speed of a process by a percent or two for as long
as it runs. Within a pair they take turns.

The ratio is the median of the pairs, after to before. Its interval is that of the sign test and
assumes nothing about the noise. "No difference shown" means that 1 is in it: a change within the
interval may still be there.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

import click

from benchmarks.kit.checkouts import choose_variables, open_checkout, to_command
from benchmarks.kit.cores import Cores, choose_cores, pin_to
from benchmarks.kit.environments import PEERS, ROOT
from benchmarks.kit.options import MODELS
from benchmarks.kit.pairs import compute_interval
from benchmarks.kit.report import build_table, print_tables
from benchmarks.kit.requests import encode_test_image
from benchmarks.kit.workers import Worker, open_workers
from benchmarks.load.closed import ClosedLoopResult, run_closed_loop
from benchmarks.load.contenders import make_phiz
from benchmarks.load.rounds import CLIENTS
from benchmarks.load.servers import start_server
from phiz.lab.commands.progress import track_items
from phiz.lab.study.machine import describe_machine
from phiz.lab.study.timing import rotate_order

DETECTOR: Final = PEERS / "detector.py"
SIDES: Final = ("before", "after")
# Few turns in many pairs: two processes of the same code differ by more than two turns of one do.
TURNS: Final = 2  # of a model in a pair; each checkout is first in one of them
TURN_MS: Final = 60.0
MIN_RUNS: Final = 2
LOADS: Final = 2
LOAD_S: Final = 0.4
WARM_UP_S: Final = 0.2
PATIENCE: Final = {"PHIZ_DEADLINE": "60"}  # seconds; neighbours may take a core for longer than 10
CONFIDENCE: Final = 0.99  # of each row

Times: TypeAlias = Mapping[str, Mapping[str, float]]
"""Milliseconds of processor time, by side and by what takes them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Processor time before and after, ms by pair."""

    what: str
    before_ms: Sequence[float]
    after_ms: Sequence[float]

    def to_row(self) -> list[str]:
        """Return a row of the table."""
        pairs = zip(self.before_ms, self.after_ms, strict=True)
        ratios = [after / before for before, after in pairs]
        low, high = compute_interval(ratios, CONFIDENCE)
        return [
            self.what,
            f"{median(self.before_ms):.3f}",
            f"{median(self.after_ms):.3f}",
            f"{median(ratios):.3f}",
            f"{low:.3f} to {high:.3f}",
            describe_interval(low, high, len(ratios)),
        ]


def describe_interval(low: float, high: float, pairs: int) -> str:
    """Return what a ratio within this interval of so many pairs shows."""
    if 2 / 2**pairs > 1 - CONFIDENCE:  # all on one side by chance
        return "too few pairs to tell"
    if high < 1:
        return "faster"
    return "slower" if low > 1 else "no difference shown"


@click.command()
@click.argument("before", required=False)
@click.option("--pairs", type=click.IntRange(1), default=15, show_default=True)
def main(before: str | None, pairs: int) -> None:
    """Compare the processor time of this checkout with that of BEFORE, a folder or a commit.

    BEFORE is the commit at which this branch has left main, unless it is given.
    """
    cores = choose_cores()
    image_bytes = encode_test_image()
    with open_checkout(before) as (folder, name), tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch, "picture.jpg")
        image.write_bytes(image_bytes)
        variables = {
            side: choose_variables(checkout)
            for side, checkout in zip(SIDES, (folder, ROOT), strict=True)
        }
        found = []
        for number in track_items(range(pairs), f"against {name}"):
            calls = time_calls(variables, image, cores, number)
            requests = time_requests(variables, image_bytes, cores, number)
            found.append({side: {**calls[side], **requests[side]} for side in SIDES})
    rows = [comparison.to_row() for comparison in compare_times(found)]
    headings = ("before ms", "after ms", "ratio", f"{CONFIDENCE:.0%} interval")
    table = build_table(["processor time of"], [*headings, "shown"], rows, f"against {name}")
    print_tables(
        table, f"{describe_machine().processor}, {pairs} pairs; ratios are after to before"
    )


def compare_times(pairs: Sequence[Times]) -> list[Comparison]:
    """Return a comparison of each thing that all pairs have."""
    return [
        Comparison(what, *([pair[side][what] for pair in pairs] for side in SIDES))
        for what in pairs[0]["before"]
    ]


def time_calls(
    variables: Mapping[str, Mapping[str, str]], image: Path, cores: Cores, number: int
) -> Times:
    """Return the median time of each model's call in process, from bytes to an answer."""
    commands = {
        side: [*to_command(variables[side]), sys.executable, str(DETECTOR), str(image), *MODELS]
        for side in rotate_order(SIDES, number)
    }
    with ExitStack() as ends:
        with pin_to(cores.server):
            workers = ends.enter_context(open_workers(commands)).workers
        by_side = {worker.name: worker for worker in workers}
        times: dict[str, dict[str, float]] = {side: {} for side in SIDES}
        for model in MODELS:
            first_ms = [median(time_runs(worker, model, MIN_RUNS)) for worker in workers]
            runs = max(MIN_RUNS, round(TURN_MS / min(first_ms)))
            taken: dict[str, list[float]] = {side: [] for side in SIDES}
            for turn in range(TURNS):
                for side in rotate_order(SIDES, number + turn):
                    taken[side] += time_runs(by_side[side], model, runs)
            for side in SIDES:
                times[side][f"{model}, a call"] = median(taken[side])
    return times


def time_runs(worker: Worker, model: str, runs: int) -> list[float]:
    """Return the processor time of each of some calls, ms."""
    return [run["processor"] for run in worker.run((model, "in process"), 0, runs)]


def time_requests(
    variables: Mapping[str, Mapping[str, str]], image_bytes: bytes, cores: Cores, number: int
) -> Times:
    """Return the time of a request in the service and in its worker."""
    with ExitStack() as ends:
        servers = {
            side: ends.enter_context(
                start_server(
                    make_phiz(), image_bytes, cores.server, {**variables[side], **PATIENCE}
                )
            )
            for side in rotate_order(SIDES, number)
        }
        times: dict[str, list[ClosedLoopResult]] = {side: [] for side in SIDES}
        for turn in range(LOADS):
            for side in rotate_order(SIDES, number + turn):
                load = run_closed_loop(
                    servers[side], CLIENTS, LOAD_S, cores.load, warm_up_s=WARM_UP_S
                )
                times[side].append(load)
    return {
        side: {
            "service, a request": median(each.service_ms for each in loads),
            "its worker, a request": median(each.workers_ms for each in loads),
        }
        for side, loads in times.items()
    }


if __name__ == "__main__":
    main()
