"""phiz under load beside its peers, and what it should bear: a table and a picture.

::

    python -m benchmarks.load
    python -m benchmarks.load --json docs/measured/load.json --picture docs/measured/load.svg
    python -m benchmarks.load --only mosec --only batching --rounds 1

Each server is kept to one core and the load to another. Each peer has an environment of its
own, which is made at first in a folder beside this one. In every round each server is started,
loaded and ended in turn, and between two of them the same answers are made in process on the
same core; a ratio is taken within each round, and the median of the rounds is told.

``docs/measured/load.md`` says what is measured.
"""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from benchmarks.kit import machine
from benchmarks.kit.environments import make_environment
from benchmarks.kit.workers import WorkerError
from benchmarks.load import chart, contenders, cores
from benchmarks.load.closed import find_wrk
from benchmarks.load.contenders import MAKERS, PHIZ, make_phiz, make_phiz_raw
from benchmarks.load.errors import LoadError
from benchmarks.load.goals import build_goals
from benchmarks.load.report import (
    LoadReport,
    build_batch_table,
    build_goal_table,
    build_peer_table,
    build_rows,
    format_heading,
    to_document,
)
from benchmarks.load.requests import encode_test_image
from benchmarks.load.rounds import PARTS, Round, Trial, open_in_process
from benchmarks.load.versions import read_versions, read_wrk_version
from phiz.errors import PhizError

PEERS_FOLDER = Path(__file__).parents[1] / ".peers"
FILE_COLUMNS = 150  # of the tables where there is no terminal to ask


@click.command()
@click.option(
    "--only",
    "wanted",
    multiple=True,
    type=click.Choice((*MAKERS, *PARTS)),
    help="A peer or a part; phiz itself is always there.  [default: all]",
)
@click.option("--rounds", "count", type=click.IntRange(1), default=3, show_default=True)
@click.option("--seconds", type=click.IntRange(1), default=4, show_default=True, help="A load's.")
@click.option(
    "--peers",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=PEERS_FOLDER,
    help="Folder of the peers' environments.  [default: benchmarks/.peers]",
)
@click.option(
    "--python",
    "pythons",
    metavar="NAME=PYTHON",
    multiple=True,
    help="A peer's interpreter, which has what it needs.",
)
@click.option("--json", "document", type=click.Path(path_type=Path), help="File for all figures.")
@click.option("--picture", type=click.Path(path_type=Path), help="File for the servers, as SVG.")
def main(  # noqa: PLR0913 (one for each option)
    *,
    wanted: Sequence[str],
    count: int,
    seconds: int,
    folder: Path,
    pythons: Sequence[str],
    document: Path | None,
    picture: Path | None,
) -> None:
    """Put phiz and its peers under load, and tell which goals are reached."""
    # Servers have sessions of their own: whatever ends this must come by where they are ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        find_wrk()
        named = read_pythons(pythons)
        names = [name for name in MAKERS if name in (wanted or MAKERS)]
        environments = {name: named.get(name) or make_environment(name, folder) for name in names}
        parts = [part for part in PARTS if part in (wanted or PARTS)]
        report = measure_all(environments, parts, count, seconds)
    except (PhizError, LoadError, WorkerError, subprocess.CalledProcessError) as error:
        raise click.ClickException(str(error)) from error
    print_tables(report)
    if document:
        document.write_text(json.dumps(to_document(report), indent=1) + "\n")
    if picture:
        title = "phiz under load, beside its peers"
        picture.write_text(
            chart.draw_servers([*build_rows(report)], report.goals, title, format_heading(report))
        )


def read_pythons(pairs: Sequence[str]) -> dict[str, str]:
    """Return interpreters by peer."""
    named = dict(pair.partition("=")[::2] for pair in pairs)
    for name, python in named.items():
        if name not in MAKERS or not python:
            raise click.BadParameter(
                f"{name}={python} must be NAME=PYTHON, with NAME one of {', '.join(MAKERS)}"
            )
    return named


def measure_all(
    environments: Mapping[str, str | Path], parts: Sequence[str], count: int, seconds: int
) -> LoadReport:
    """Return all figures."""
    chosen, image_bytes = cores.choose_cores(), encode_test_image()
    taking_part = [make_phiz(), make_phiz_raw(), *contenders.make_peers(environments)]
    with tempfile.TemporaryDirectory(prefix="phiz-load-") as name:
        file = Path(name) / "picture.jpg"
        file.write_bytes(image_bytes)
        with open_in_process(file, chosen) as in_process:
            trial = Trial(taking_part, parts, image_bytes, seconds, chosen, in_process, [])
            rounds = run_rounds(trial, count)
            versions = {PHIZ: in_process.workers[0].versions, "load": {"wrk": read_wrk_version()}}
    runs = trial.runs
    return LoadReport(
        machine=machine.describe_machine(None),
        cores=chosen,
        versions={**versions, **read_versions(environments)},
        seconds=seconds,
        disturbed=max(0.0, 1 - sum(r["processor"] for r in runs) / sum(r["wall"] for r in runs)),
        contenders=taking_part,
        rounds=rounds,
        goals=[*build_goals(rounds)],
    )


def run_rounds(trial: Trial, count: int) -> list[Round]:
    """Return what so many rounds give, and tell how far it is."""
    with Console(stderr=True).status("") as status:

        def report_step(number: int, what: str) -> None:
            status.update(f"round {number + 1} of {count}: {what}")

        return [trial.run_round(number, partial(report_step, number)) for number in range(count)]


def print_tables(report: LoadReport) -> None:
    """Print all tables."""
    console = Console(width=None if sys.stdout.isatty() else FILE_COLUMNS)
    console.print(build_peer_table(report))
    if report.rounds[0].batching:
        console.print(build_batch_table(report.rounds))
    console.print(build_goal_table(report.goals), format_heading(report))


if __name__ == "__main__":
    main()
