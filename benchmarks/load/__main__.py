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
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import click
from rich.console import Console

from benchmarks.kit import cores
from benchmarks.kit.charts import draw_bars, goals_to_bars
from benchmarks.kit.environments import make_environment
from benchmarks.kit.errors import LoadError
from benchmarks.kit.options import (
    json_option,
    peers_option,
    picture_option,
    pythons_option,
    read_pythons,
)
from benchmarks.kit.report import build_goal_table, compute_disturbance, print_tables
from benchmarks.kit.requests import encode_test_image
from benchmarks.kit.workers import WorkerError
from benchmarks.load.closed import find_wrk
from benchmarks.load.contenders import PEER_SERVERS, PHIZ, make_peers, make_phiz, make_phiz_raw
from benchmarks.load.goals import build_goals
from benchmarks.load.report import (
    LoadReport,
    build_batch_table,
    build_peer_table,
    build_rows,
    format_heading,
    rows_to_bars,
    to_document,
)
from benchmarks.load.rounds import PARTS, Round, Trial, open_in_process
from benchmarks.load.versions import read_versions, read_wrk_version
from phiz.errors import PhizError
from phiz.lab.study.machine import describe_machine


@click.command()
@click.option(
    "--only",
    "wanted",
    multiple=True,
    type=click.Choice((*PEER_SERVERS, *PARTS)),
    help="A peer or a part; phiz itself is always there.  [default: all]",
)
@click.option("--rounds", "count", type=click.IntRange(1), default=3, show_default=True)
@click.option("--seconds", type=click.IntRange(1), default=4, show_default=True, help="A load's.")
@peers_option
@pythons_option
@json_option
@picture_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    wanted: Sequence[str],
    count: int,
    seconds: int,
    peers: Path,
    pythons: Sequence[str],
    document: Path | None,
    picture: Path | None,
) -> None:
    """Put phiz and its peers under load, and tell which goals are reached."""
    # Servers have sessions of their own: whatever ends this must come by where they are ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        find_wrk()
        named = read_pythons(pythons, PEER_SERVERS)
        names = [name for name in PEER_SERVERS if name in (wanted or PEER_SERVERS)]
        environments = {name: named.get(name) or make_environment(name, peers) for name in names}
        parts = [part for part in PARTS if part in (wanted or PARTS)]
        report = measure_all(environments, parts, count, seconds)
    except (PhizError, LoadError, WorkerError, subprocess.CalledProcessError) as error:
        raise click.ClickException(str(error)) from error
    batching = [build_batch_table(report.rounds)] if report.rounds[0].batching else []
    goals = build_goal_table(report.goals)
    print_tables(build_peer_table(report), *batching, goals, format_heading(report))
    if document:
        document.write_text(json.dumps(to_document(report), indent=1) + "\n")
    if picture:
        bars = [*rows_to_bars(build_rows(report)), *goals_to_bars(report.goals)]
        title, subtitle = "phiz under load, beside its peers", "bars: requests answered in a second"
        picture.write_text(draw_bars(title, subtitle, bars, format_heading(report)))


def measure_all(
    environments: Mapping[str, str | Path], parts: Sequence[str], count: int, seconds: int
) -> LoadReport:
    """Return all figures."""
    chosen, image_bytes = cores.choose_cores(), encode_test_image()
    taking_part = [make_phiz(), make_phiz_raw(), *make_peers(environments)]
    with tempfile.TemporaryDirectory(prefix="phiz-load-") as name:
        file = Path(name) / "picture.jpg"
        file.write_bytes(image_bytes)
        with open_in_process(file, chosen) as in_process:
            trial = Trial(taking_part, parts, image_bytes, seconds, chosen, in_process, [])
            rounds = run_rounds(trial, count)
            versions = {PHIZ: in_process.workers[0].versions, "load": {"wrk": read_wrk_version()}}
    return LoadReport(
        machine=describe_machine(),
        cores=chosen,
        versions={**versions, **read_versions(environments)},
        seconds=seconds,
        disturbed=compute_disturbance(trial.runs),
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


if __name__ == "__main__":
    main()
