r"""Times of phiz beside others, and the limit of each: tables, a document and a chart.

::

    python -m benchmarks.speed --data DIR
    python -m benchmarks.speed --data DIR \
        --json docs/measured/speed.json --picture docs/measured/speed.svg

Everything runs on one thread, pinned to one core where the system can do that. Each library is a
worker: a process in an environment of its own, which the first run makes in a folder beside this
one. All who do the same take turns, round after round, so that they meet the same noise. A ratio
is taken within each round, and the median of the rounds is reported, by processor time and by the
wall's clock. The status is 1 if a goal is missed by processor time.

``DIR`` has labelled photographs in ``wider/``, as ``phiz evaluate`` reads them.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from benchmarks.kit import options
from benchmarks.kit.charts import draw_bars, goals_to_bars
from benchmarks.kit.cores import pin_to_core
from benchmarks.kit.environments import OUR_WORKER, PEERS, make_environment, run_command
from benchmarks.kit.goals import CLOCKS
from benchmarks.kit.report import build_goal_table, end_if_missed, print_tables, update_json
from benchmarks.kit.workers import open_workers
from benchmarks.speed.contests import Plan, run_contest
from benchmarks.speed.goals import build_goals
from benchmarks.speed.inputs import CASCADE_IMAGES, JPEGS_PER_SIZE, write_inputs
from benchmarks.speed.report import SpeedReport, build_stage_table, format_heading, to_document
from phiz.errors import PhizError
from phiz.lab.accuracy.labels import read_annotations
from phiz.lab.study.machine import describe_machine
from phiz.runtime.profile import read_profile

WORKERS = (OUR_WORKER, "litert", "facenet", "opencv")
PLANS = {
    "call front": Plan(items=1, repeats=60),
    "call back": Plan(items=1, repeats=15),
    "call full": Plan(items=1, repeats=20),
    "640x480": Plan(items=JPEGS_PER_SIZE, repeats=9),
    "641x481": Plan(items=JPEGS_PER_SIZE, repeats=9),
    "4000x3000": Plan(items=JPEGS_PER_SIZE, repeats=3),
    "cascade": Plan(items=CASCADE_IMAGES, repeats=1),
    "yunet": Plan(items=JPEGS_PER_SIZE, repeats=9),
}


@click.command()
@options.data_option
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True)
@options.sources_option
@options.peers_option
@options.pythons_option
@click.option(
    "--profile",
    type=options.FILE,
    help="The profile of phiz bench.  [default: it is measured first]",
)
@options.json_option
@options.picture_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    data: Path,
    rounds: int,
    sources: Path | None,
    peers: Path,
    pythons: Sequence[str],
    profile: Path | None,
    document: Path | None,
    picture: Path | None,
) -> None:
    """Measure the times of phiz, and report which goals are reached."""
    named = options.read_pythons(pythons, WORKERS)
    environments = {name: named.get(name) or make_environment(name, peers) for name in WORKERS}
    with tempfile.TemporaryDirectory(prefix="phiz-speed-") as name:
        inputs = Path(name)
        labels = read_annotations(data / "wider")[:CASCADE_IMAGES]
        try:
            write_inputs([label.path for label in labels], sources, inputs)
        except PhizError as error:
            raise click.ClickException(str(error)) from error
        if profile is None:
            profile = inputs / "profile.json"
            command = ("-m", "phiz", "bench", "--data", str(data), "--profile", str(profile))
            run_command(str(environments[OUR_WORKER]), *command)
        report = measure_all(environments, inputs, profile, rounds)
    heading = format_heading(report)
    print_tables(build_goal_table(report.goals), build_stage_table(report.results["wall"]), heading)
    update_json(document, to_document(report))
    if picture:
        subtitle = "bars: processor time as a share of the reference below each name"
        bars = [*goals_to_bars(report.goals)]
        picture.write_text(draw_bars("phiz: measured against the goals", subtitle, bars, heading))
    end_if_missed(report.goals)


def measure_all(
    environments: Mapping[str, str | Path], inputs: Path, profile: Path, rounds: int
) -> SpeedReport:
    """Return all figures, measured on the core that this process is then kept to."""
    core = pin_to_core()
    commands: dict[str, list[str | Path]] = {
        name: [python, PEERS / f"{name}.py", inputs] for name, python in environments.items()
    }
    commands[OUR_WORKER].append(profile)
    with open_workers(commands) as workers:
        contests = {name: run_contest(workers, name, plan, rounds) for name, plan in PLANS.items()}
        versions = {worker.name: worker.versions for worker in workers.workers}
    scores = {clock: {name: each[clock] for name, each in contests.items()} for clock in CLOCKS}
    choices = read_profile(profile).networks
    return SpeedReport(
        machine=describe_machine(),
        pinned_to=core,
        versions=versions,
        variants={network: str(choice.variant) for network, choice in choices.items()},
        rounds=rounds,
        results=scores,
        goals=[*build_goals(scores)],
    )


if __name__ == "__main__":
    main()
