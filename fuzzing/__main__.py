"""The command ``python -m fuzzing``."""

import sys
from pathlib import Path

import click

from fuzzing.http import fuzz_http
from fuzzing.readers import fuzz_reader
from fuzzing.targets import TARGETS

FOLDER = Path(__file__).parents[1] / "build" / "fuzzing"


@click.group()
def main() -> None:
    """Send invented inputs to readers of files and messages, or to a service."""


@main.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(TARGETS)))
@click.option("--seconds", type=click.IntRange(1), default=60, help="Time of all targets together.")
@click.option("--seed", type=click.IntRange(0), default=0, help="0 for another one in each run.")
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, help="Of the inputs.")
def readers(names: tuple[str, ...], seconds: int, seed: int, folder: Path) -> None:
    """Run all targets, or those that are named. A second run continues with the inputs it found."""
    chosen = names or tuple(TARGETS)
    whole = sum(TARGETS[name].share for name in chosen)
    failed = False
    for name in chosen:
        own_s = max(1, round(seconds * TARGETS[name].share / whole))
        report = fuzz_reader(name, folder, limit=f"-max_total_time={own_s}", seed=seed)
        click.echo(f"{own_s} s of {report}")
        failed |= bool(report.failure)
    sys.exit(failed)


@main.command()
@click.option("--examples", type=click.IntRange(1), default=100, help="For each route.")
@click.option("--seed", type=click.IntRange(0), default=1)
@click.option("--folder", type=click.Path(path_type=Path), default=FOLDER, help="Of the log.")
def http(examples: int, seed: int, folder: Path) -> None:
    """Send requests by the OpenAPI document to a service, which is started for it."""
    limit = ("--phases=examples,coverage,fuzzing", f"--max-examples={examples}")
    report = fuzz_http(folder, limit=limit, seed=seed)
    click.echo(f"{report.output}\n{report.cases} requests, {folder}/service.log")
    sys.exit(report.failed)


if __name__ == "__main__":
    main()
