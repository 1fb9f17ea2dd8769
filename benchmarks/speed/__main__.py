r"""How fast phiz is beside others, and what it should be: a table, a document and a picture.

::

    python -m benchmarks.speed --data DIR
    python -m benchmarks.speed --data DIR \
        --json docs/measured/speed.json --picture docs/measured/speed.svg

Everything runs on one thread, pinned to one core where the system can do that. Each library
is a worker: a process in an environment of its own, which is made at first in a folder beside
this file. All who do the same take turns, round after round, so that they meet the same
noise; a ratio is taken within each round, and the median of the rounds is told.

``DIR`` has labelled photographs in ``wider/``, as ``phiz evaluate`` reads them.
"""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from benchmarks.kit import figures
from benchmarks.kit.charts import draw_bars, goals_to_bars
from benchmarks.kit.cores import pin_to_core
from benchmarks.kit.environments import OUR_WORKER, PEERS, make_environment
from benchmarks.kit.options import (
    data_option,
    json_option,
    peers_option,
    picture_option,
    pythons_option,
    read_pythons,
    sources_option,
)
from benchmarks.kit.report import build_goal_table, print_tables
from benchmarks.kit.workers import WorkerError, open_workers
from benchmarks.speed.contests import CLOCKS, Clock, Plan, run_contest
from benchmarks.speed.goals import build_goals
from benchmarks.speed.inputs import CASCADE_IMAGES, JPEGS_PER_SIZE, write_inputs
from benchmarks.speed.report import SpeedReport, build_stage_table, format_heading, to_document
from phiz.errors import PhizError
from phiz.lab.study.machine import describe_machine
from phiz.runtime.profile import read_profile

WORKERS = (OUR_WORKER, "litert", "facenet")
PLANS = {
    "call front": Plan(items=1, repeats=60),
    "call back": Plan(items=1, repeats=15),
    "call full": Plan(items=1, repeats=20),
    "640x480": Plan(items=JPEGS_PER_SIZE, repeats=9),
    "641x481": Plan(items=JPEGS_PER_SIZE, repeats=9),
    "4000x3000": Plan(items=JPEGS_PER_SIZE, repeats=3),
    "cascade": Plan(items=CASCADE_IMAGES, repeats=1),
}


@click.command()
@data_option
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True)
@click.option(
    "--clock",
    type=click.Choice(CLOCKS),
    default="wall",
    show_default=True,
    help="On a machine that is not quiet, the processor's own tells more.",
)
@sources_option
@peers_option
@pythons_option
@click.option(
    "--profile",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What phiz bench chose here; without it, that is measured first.",
)
@json_option
@picture_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    data: Path,
    rounds: int,
    clock: Clock,
    sources: Path | None,
    peers: Path,
    pythons: Sequence[str],
    profile: Path | None,
    document: Path | None,
    picture: Path | None,
) -> None:
    """Measure how fast phiz is, and tell which goals are reached."""
    named = read_pythons(pythons, WORKERS)
    try:
        environments = {name: named.get(name) or make_environment(name, peers) for name in WORKERS}
        with tempfile.TemporaryDirectory(prefix="phiz-speed-") as name:
            inputs = Path(name)
            write_inputs(list_photographs(data), sources, inputs)
            chosen = profile or choose_profile(
                environments[OUR_WORKER], data, inputs / "profile.json"
            )
            report = measure_all(environments, inputs, chosen, rounds, clock)
    except (PhizError, WorkerError, subprocess.CalledProcessError) as error:
        raise click.ClickException(str(error)) from error
    heading = format_heading(report)
    print_tables(build_goal_table(report.goals), build_stage_table(report.results), heading)
    if document:
        figures.update_json(document, to_document(report))
    if picture:
        subtitle = "bars: time as a share of the reference below each name"
        bars = [*goals_to_bars(report.goals)]
        picture.write_text(draw_bars("phiz: measured against the goals", subtitle, bars, heading))


def list_photographs(data: Path) -> list[Path]:
    """Return the first pictures of ``wider/``, in the order of its annotations."""
    labels = json.loads((data / "wider" / "annotations.json").read_text())[:CASCADE_IMAGES]
    return [data / "wider" / "images" / label["image"] for label in labels]


def choose_profile(python: str | Path, data: Path, profile: Path) -> Path:
    """Return the file where ``phiz bench`` wrote which runtimes are best here, by its gates."""
    command = [python, "-m", "phiz", "bench", "--data", data, "--profile", profile]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)  # noqa: S603  our own arguments
    return profile


def measure_all(
    environments: Mapping[str, str | Path], inputs: Path, profile: Path, rounds: int, clock: Clock
) -> SpeedReport:
    """Return all figures, measured on the core that this process is then kept to."""
    core = pin_to_core()
    commands: dict[str, list[str | Path]] = {
        name: [python, PEERS / f"{name}.py", inputs] for name, python in environments.items()
    }
    commands[OUR_WORKER].append(profile)
    with open_workers(commands) as workers:
        scores = {
            contest: run_contest(workers, contest, plan, rounds, clock)
            for contest, plan in PLANS.items()
        }
        versions = {worker.name: worker.versions for worker in workers.workers}
    choices = read_profile(profile).networks
    return SpeedReport(
        machine=describe_machine(),
        pinned_to=core,
        versions=versions,
        variants={network: str(choice.variant) for network, choice in choices.items()},
        rounds=rounds,
        clock=clock,
        results=scores,
        goals=[*build_goals(scores)],
    )


if __name__ == "__main__":
    main()
