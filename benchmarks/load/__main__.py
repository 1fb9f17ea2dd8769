"""phiz under load beside its peers, and the limit of each figure: tables and a chart.

::

    python -m benchmarks.load
    python -m benchmarks.load --json docs/measured/load.json --picture docs/measured/load.svg
    python -m benchmarks.load --only mosec --only batching --rounds 1

Each server is kept to one core and the load to another. Each peer has an environment of its own,
which the first run makes in a folder beside this one. A peer, phiz and the same answers in process
take turns of a second. A ratio is taken within each round, and the median of the rounds is
reported. The status is 1 if a goal is missed by processor time.

``docs/measured/load.md`` describes the measurements.
"""

import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.console import Console

from benchmarks.kit import cores, options
from benchmarks.kit.charts import draw_bars, goals_to_bars
from benchmarks.kit.environments import make_environment, read_versions
from benchmarks.kit.instructions import can_count
from benchmarks.kit.report import (
    build_goal_table,
    build_table,
    compute_disturbance,
    end_if_missed,
    print_tables,
    update_json,
)
from benchmarks.kit.requests import encode_test_image
from benchmarks.load import report
from benchmarks.load.contenders import PEER_SERVERS, PHIZ, make_peers, make_phiz, make_phiz_raw
from benchmarks.load.goals import build_goals
from benchmarks.load.rounds import PARTS, Trial, open_in_process
from phiz.lab.study.machine import describe_machine


@click.command()
@click.option(
    "--only",
    "wanted",
    multiple=True,
    type=click.Choice((*PEER_SERVERS, *PARTS)),
    help="A peer or a part; phiz itself is always there.  [default: all]",
)
@click.option("--rounds", "count", type=click.IntRange(1), default=9, show_default=True)
@click.option("--seconds", type=click.IntRange(1), default=1, show_default=True, help="A turn's.")
@options.peers_option
@options.pythons_option
@options.json_option
@options.table_option
@options.picture_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    wanted: Sequence[str],
    count: int,
    seconds: int,
    peers: Path,
    pythons: Sequence[str],
    document: Path | None,
    page: Path | None,
    picture: Path | None,
) -> None:
    """Put phiz and its peers under load, and report which goals are reached."""
    # Servers have sessions of their own, so that a signal has to pass where they are ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    named = options.read_pythons(pythons, PEER_SERVERS)
    names = [name for name in PEER_SERVERS if name in (wanted or PEER_SERVERS)]
    environments = {name: named.get(name) or make_environment(name, peers) for name in names}
    parts = [part for part in PARTS if part in (wanted or PARTS)]
    found = measure_all(environments, parts, count, seconds)
    heading = report.format_heading(found)
    batching = [report.build_batch_table(found.rounds)] if found.rounds[0].batching else []
    goals = build_goal_table(found.goals)
    note = "" if can_count() else "\ninstructions cannot be counted here"
    headings, rows = report.list_servers(found)
    servers = build_table(headings[:1], headings[1:], rows)
    print_tables(servers, *batching, goals, heading + note)
    update_json(document, report.to_document(found))
    if page:
        report.write_tables(page, found)
    if picture:
        bars = [*report.rows_to_bars(report.build_rows(found)), *goals_to_bars(found.goals)]
        title, subtitle = "phiz under load, beside its peers", "bars: requests answered in a second"
        picture.write_text(draw_bars(title, subtitle, bars, heading))
    end_if_missed(found.goals)


def measure_all(
    environments: Mapping[str, str | Path], parts: Sequence[str], count: int, seconds: int
) -> report.LoadReport:
    """Return all figures."""
    chosen, image_bytes = cores.choose_cores(), encode_test_image()
    contenders = [make_phiz(), make_phiz_raw(), *make_peers(environments)]
    with tempfile.TemporaryDirectory(prefix="phiz-load-") as name:
        file = Path(name) / "picture.jpg"
        file.write_bytes(image_bytes)
        with open_in_process(file, chosen) as in_process:
            trial = Trial(contenders, parts, image_bytes, seconds, chosen, in_process, [])
            with Console(stderr=True).status("") as status:
                rounds = trial.run_rounds(count, status.update)
            versions = {PHIZ: in_process.workers[0].versions}
    for name, python in environments.items():
        versions[name] = read_versions(python, PEER_SERVERS[name].packages)
    return report.LoadReport(
        machine=describe_machine(),
        cores=chosen,
        versions=versions,
        seconds=seconds,
        disturbed=compute_disturbance(trial.runs),
        contenders=contenders,
        rounds=rounds,
        goals=[*build_goals(rounds)],
    )


if __name__ == "__main__":
    main()
