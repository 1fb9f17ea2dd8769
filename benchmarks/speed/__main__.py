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
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.console import Console

from benchmarks.kit import figures, machine
from benchmarks.kit.bars import draw_goals
from benchmarks.kit.environments import OUR_WORKER, PEERS, make_environment
from benchmarks.kit.workers import WorkerError, open_workers
from benchmarks.speed.contests import CLOCKS, Clock, Plan, run_contest
from benchmarks.speed.goals import build_goals
from benchmarks.speed.inputs import CASCADE_IMAGES, JPEGS_PER_SIZE, write_inputs
from benchmarks.speed.report import (
    SpeedReport,
    build_goal_table,
    build_stage_table,
    format_heading,
    to_document,
)
from phiz.errors import PhizError
from phiz.runtime.profile import read_profile

FOLDER = Path(__file__).parents[1]
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
FILE_COLUMNS = 150  # of the tables where there is no terminal to ask


@click.command()
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True)
@click.option(
    "--clock",
    type=click.Choice(CLOCKS),
    default="wall",
    show_default=True,
    help="On a machine that is not quiet, the processor's own tells more.",
)
@click.option(
    "--from",
    "sources",
    envvar="PHIZ_MODEL_FILES",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the published networks' packages, instead of a download.",
)
@click.option(
    "--peers",
    type=click.Path(file_okay=False, path_type=Path),
    default=FOLDER / ".peers",
    help="Folder of the workers' environments.  [default: benchmarks/.peers]",
)
@click.option(
    "--python",
    "pythons",
    metavar="NAME=PYTHON",
    multiple=True,
    help="A worker's interpreter, which has what it needs: ours, litert or facenet.",
)
@click.option(
    "--profile",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What phiz bench chose here; without it, that is measured first.",
)
@click.option(
    "--json",
    "document",
    type=click.Path(path_type=Path),
    help="File for all figures; what other benchmarks wrote into it stays.",
)
@click.option("--picture", type=click.Path(path_type=Path), help="File for the goals, as SVG.")
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
    named = read_pythons(pythons)
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
    console = Console(width=None if sys.stdout.isatty() else FILE_COLUMNS)
    console.print(
        build_goal_table(report.goals), build_stage_table(report.results), format_heading(report)
    )
    if document:
        figures.update_json(document, to_document(report))
    if picture:
        picture.write_text(
            draw_goals(report.goals, "phiz: measured against the aims", format_heading(report))
        )


def read_pythons(pairs: Sequence[str]) -> dict[str, str]:
    """Return interpreters by worker."""
    named = dict(pair.partition("=")[::2] for pair in pairs)
    for name, python in named.items():
        if name not in WORKERS or not python:
            raise click.BadParameter(
                f"{name}={python} must be NAME=PYTHON, with NAME one of {', '.join(WORKERS)}"
            )
    return named


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
    place = machine.describe_machine(machine.pin_to_core())
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
        machine=place,
        versions=versions,
        variants={network: str(choice.variant) for network, choice in choices.items()},
        rounds=rounds,
        clock=clock,
        results=scores,
        goals=[*build_goals(scores)],
    )


if __name__ == "__main__":
    main()
