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
from benchmarks.kit.environments import python_of
from benchmarks.kit.workers import WorkerError
from benchmarks.load import chart, contenders, cores
from benchmarks.load.closed import find_wrk
from benchmarks.load.contenders import MAKERS, PHIZ, ours, ours_raw
from benchmarks.load.errors import LoadError
from benchmarks.load.goals import goals
from benchmarks.load.report import (
    Report,
    batch_table,
    goal_table,
    heading,
    peer_table,
    plain,
    rows,
)
from benchmarks.load.requests import read_picture
from benchmarks.load.rounds import PARTS, Round, Trial, in_process
from benchmarks.load.versions import versions_of, wrk_version
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
        environments = {name: named.get(name) or python_of(name, folder) for name in names}
        parts = [part for part in PARTS if part in (wanted or PARTS)]
        report = measure(environments, parts, count, seconds)
    except (PhizError, LoadError, WorkerError, subprocess.CalledProcessError) as error:
        raise click.ClickException(str(error)) from error
    show(report)
    if document:
        document.write_text(json.dumps(plain(report), indent=1) + "\n")
    if picture:
        title = "phiz under load, beside its peers"
        picture.write_text(chart.draw([*rows(report)], report.goals, title, heading(report)))


def read_pythons(pairs: Sequence[str]) -> dict[str, str]:
    """Return interpreters by peer."""
    named = dict(pair.partition("=")[::2] for pair in pairs)
    for name, python in named.items():
        if name not in MAKERS or not python:
            raise click.BadParameter(
                f"{name}={python} must be NAME=PYTHON, with NAME one of {', '.join(MAKERS)}"
            )
    return named


def measure(
    environments: Mapping[str, str | Path], parts: Sequence[str], count: int, seconds: int
) -> Report:
    """Return all figures."""
    chosen, picture = cores.choose(), read_picture()
    taking_part = [ours(), ours_raw(), *contenders.peers(environments)]
    with tempfile.TemporaryDirectory(prefix="phiz-load-") as name:
        file = Path(name) / "picture.jpg"
        file.write_bytes(picture)
        with in_process(file, chosen) as alone:
            trial = Trial(taking_part, parts, picture, seconds, chosen, alone, [])
            rounds = hold(trial, count)
            versions = {PHIZ: alone.workers[0].versions, "load": {"wrk": wrk_version()}}
    runs = trial.runs
    return Report(
        machine=machine.describe(None),
        cores=chosen,
        versions={**versions, **versions_of(environments)},
        seconds=seconds,
        disturbed=max(0.0, 1 - sum(r["processor"] for r in runs) / sum(r["wall"] for r in runs)),
        contenders=taking_part,
        rounds=rounds,
        goals=[*goals(rounds)],
    )


def hold(trial: Trial, count: int) -> list[Round]:
    """Return what so many rounds give, and tell how far it is."""
    with Console(stderr=True).status("") as status:

        def tell(number: int, what: str) -> None:
            status.update(f"round {number + 1} of {count}: {what}")

        return [trial.hold(number, partial(tell, number)) for number in range(count)]


def show(report: Report) -> None:
    """Print all tables."""
    console = Console(width=None if sys.stdout.isatty() else FILE_COLUMNS)
    console.print(peer_table(report))
    if report.rounds[0].batching:
        console.print(batch_table(report.rounds))
    console.print(goal_table(report.goals), heading(report))


if __name__ == "__main__":
    main()
