"""The body of ``phiz bench``: the study of the face models in their offered precisions."""

import sys
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console

from phiz.cli.files import check_writable, write_json
from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS, check_photographs, read_wider_labels
from phiz.lab.commands.missing_models import report_missing
from phiz.lab.commands.study_run import measure_tasks
from phiz.lab.report.bench_tables import build_model_table, build_network_table, build_report
from phiz.lab.study.checkpoint import Checkpoint
from phiz.lab.study.networks import BuiltNetwork, find_networks, keep_offered
from phiz.lab.study.plan import Preset
from phiz.lab.study.run import StudyRun
from phiz.lab.study.selection import select_variants
from phiz.models import catalog
from phiz.models.specs import ModelSpec
from phiz.runtime.profile import PROFILE_FILE, get_processor_name, update_profile

BENCH_COLUMNS = 120  # of the tables where there is no terminal to ask


def run_bench(
    *,
    folder: Path | None,
    data: Path | None,
    runs: int,
    target: Path | None,
    profile: Path | None,
) -> None:
    """Measure, show the figures and write the choice; the arguments are the options."""
    place = folder or catalog.get_default_folder()
    named = profile or place / PROFILE_FILE
    if profile or place.is_dir():  # a folder of models that is missing is told by the models
        # It is replaced, not written over, and that is up to its folder.
        check_writable(named, named.absolute().parent, "--profile")
    if target:
        check_writable(target, target if target.exists() else target.absolute().parent, "--json")
    if data:
        check_photographs(read_wider_labels(data), PHOTOGRAPH_LIMITS)
    models = [keep_offered(model) for model in catalog.load_catalog().get_models("face")]
    networks = _find_all_networks(models, place)
    report_missing(models, folder)
    preset = Preset(1, every=1, runs=runs, plain_s=inf, other_s=inf, batches=(1,), has_memory=False)
    # Beside the profile, which is a place that can be written to.
    with TemporaryDirectory(prefix=".bench-", dir=named.absolute().parent) as kept:
        checkpoint = Checkpoint(Path(kept), {})
        figures, qualities = measure_tasks(StudyRun(networks, data, preset), checkpoint)
    choices = select_variants(networks, figures, qualities)
    console = Console(width=None if sys.stdout.isatty() else BENCH_COLUMNS)
    console.print(build_network_table(figures, qualities, choices))
    console.print(build_model_table(qualities))
    update_profile(get_processor_name(), choices, named)
    if target:
        write_json(target, build_report(get_processor_name(), figures, qualities))
    click.echo(f"wrote {named}; to use it: PHIZ_RUNTIME=auto phiz serve")


def _find_all_networks(models: list[ModelSpec], folder: Path) -> list[BuiltNetwork]:
    """Return all networks of some models, verified in every precision that is built.

    Raises:
        ModelError: One is missing, or is not the one that the catalogue names.
    """
    for spec in (spec for model in models for spec in model.networks):
        catalog.read_network(spec, folder)
    networks = find_networks(models, folder)
    for network in networks:
        for precision in network.specs:
            network.read(precision)
    return networks
