"""``phiz bench``: what is fastest on this machine, and as good."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phiz.cli.files import check_writable, write_json
from phiz.lab.commands.progress import track_items
from phiz.lab.report.bench_tables import build_model_table, build_network_table, build_report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phiz.image.lazy import LazyImage
    from phiz.lab.accuracy.labels import LabelledImage
    from phiz.lab.timing.bench import Configuration, ModelMeasurement, NetworkMeasurement
    from phiz.lab.timing.networks import LoadedNetwork
    from phiz.models.specs import Catalog, ModelSpec
    from phiz.runtime.profile import ProfileEntry
    from phiz.runtime.variants import Variant

BENCH_SCENES = 8  # pictures, where no photographs are given
BENCH_SCENE_SIZE_WH = (960, 720)
BENCH_PHOTOGRAPHS = 8  # photographs that networks are compared on
BENCH_COLUMNS = 120  # of the tables where there is no terminal to ask


@click.command()
@click.option(
    "--models",
    "folder",
    envvar="PHIZ_MODELS",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the built models.  [default: where they are built]",
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of labelled photographs in wider/. Without them only float32 can be chosen.",
)
@click.option(
    "--runs",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="Number of runs of each network.",
)
@click.option(
    "--json",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file for all figures.",
)
@click.option(
    "--profile",
    envvar="PHIZ_PROFILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the choice that PHIZ_RUNTIME=auto follows.  [default: profile.json beside the"
    " models]",
)
def bench(
    *,
    folder: Path | None,
    data: Path | None,
    runs: int,
    target: Path | None,
    profile: Path | None,
) -> None:
    """Measure every runtime, precision and number of threads, and choose the best.

    Runs are interleaved, and times are medians. Float32 is chosen only if its outputs equal the
    reference. A lower precision is chosen only if it finds the same faces on labelled
    photographs. Build int8 networks with: phiz models build --variants int8.
    """
    # Not at the top: they take a while to import, and --help should not wait for them.
    from phiz.models import catalog  # noqa: PLC0415
    from phiz.runtime.profile import PROFILE_FILE, get_processor_name, update_profile  # noqa: PLC0415

    place = folder or catalog.get_default_folder()
    if profile or place.is_dir():  # a folder of models that is missing is told by the models
        # It is replaced, not written over, and that is up to its folder.
        named = profile or place / PROFILE_FILE
        check_writable(named, named.absolute().parent, "--profile")
    if target:
        check_writable(target, target if target.exists() else target.absolute().parent, "--json")
    measured = _BenchRun(catalog.load_catalog(), place, data, runs).run()
    _print_tables(measured)
    _report_missing(catalog.load_catalog(), place)
    profile = profile or place / PROFILE_FILE
    update_profile(get_processor_name(), measured.choices, profile)
    if target:
        write_json(target, build_report(get_processor_name(), measured.networks, measured.models))
    click.echo(f"wrote {profile}; to use it: PHIZ_RUNTIME=auto phiz serve")


@dataclass(frozen=True, slots=True)
class _BenchFigures:
    networks: "list[NetworkMeasurement]"
    models: "dict[str, dict[Variant, ModelMeasurement]]"
    choices: "dict[str, ProfileEntry]"


@dataclass(frozen=True, slots=True)
class _BenchRun:
    """What is measured, and with what."""

    catalog: "Catalog"
    folder: Path
    data: Path | None
    runs: int

    def run(self) -> _BenchFigures:
        """Return all figures and the choices among them."""
        from phiz.lab.timing.bench import choose_variant  # noqa: PLC0415  see bench

        specs = self.catalog.get_models("face")
        labels = self._read_labels()
        networks = self._measure_networks(specs, labels[:BENCH_PHOTOGRAPHS])
        models = {spec.name: self._measure_model(spec, labels) for spec in specs}
        choices = {each.spec.name: choose_variant(each, models[each.model]) for each in networks}
        return _BenchFigures(networks, models, choices)

    def _read_labels(self) -> "list[LabelledImage]":
        from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS, check_photographs, read_wider_labels  # noqa: PLC0415

        labels = read_wider_labels(self.data) if self.data else []
        check_photographs(labels, PHOTOGRAPH_LIMITS)
        return labels

    def _measure_networks(
        self, specs: "Sequence[ModelSpec]", labels: "Sequence[LabelledImage]"
    ) -> "list[NetworkMeasurement]":
        from phiz.image.pixels import unpack_rgb  # noqa: PLC0415
        from phiz.lab.timing.bench import iterate_thread_counts, measure_network  # noqa: PLC0415  see bench
        from phiz.lab.timing.networks import read_networks  # noqa: PLC0415
        from phiz.system.cgroups import count_processors  # noqa: PLC0415

        networks = read_networks(specs, self.folder)
        counts = tuple(iterate_thread_counts(count_processors()))
        images = [unpack_rgb(image.decode_full()) for image, _ in _iter_images(labels)]
        return [
            measure_network(network, _list_ways(network, counts), self.runs, images)
            for network in track_items(networks, "networks")
        ]

    def _measure_model(
        self, spec: "ModelSpec", labels: "Sequence[LabelledImage]"
    ) -> "dict[Variant, ModelMeasurement]":
        from phiz.lab.timing.bench import measure_model  # noqa: PLC0415  see bench
        from phiz.lab.timing.networks import list_built_precisions, list_variants  # noqa: PLC0415

        variants = list_variants(list_built_precisions(spec, self.folder))
        images = track_items(_iter_images(labels), spec.name, len(labels) or BENCH_SCENES)
        return measure_model(self.catalog, self.folder, spec.name, variants, images)


def _list_ways(network: "LoadedNetwork", counts: "Sequence[int]") -> "list[Configuration]":
    """Return every variant that a network can be run in, on so many threads each."""
    from phiz.lab.timing.networks import list_variants  # noqa: PLC0415  see bench

    variants = list_variants(network.graphs)
    return [(variant, threads) for variant in variants for threads in counts]


def _iter_images(
    labels: "Sequence[LabelledImage]",
) -> "Iterator[tuple[LazyImage, LabelledImage | None]]":
    """Yield the photographs, or drawn pictures where there are none."""
    from phiz.image.lazy import LazyImage  # noqa: PLC0415
    from phiz.image.synthetic import draw_crowd  # noqa: PLC0415
    from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS, open_photograph  # noqa: PLC0415  see bench

    for label in labels:
        yield open_photograph(label, PHOTOGRAPH_LIMITS), label
    for seed in range(0 if labels else BENCH_SCENES):
        yield LazyImage.from_array(draw_crowd(*BENCH_SCENE_SIZE_WH, seed)), None


def _print_tables(measured: _BenchFigures) -> None:
    from rich.console import Console  # noqa: PLC0415  slow to load, and seldom needed

    console = Console(width=None if sys.stdout.isatty() else BENCH_COLUMNS)
    console.print(build_network_table(measured.networks, measured.models, measured.choices))
    console.print(build_model_table(measured.models))


def _report_missing(known: "Catalog", folder: Path) -> None:
    """Say on standard error which precisions took no part, if any."""
    from phiz.lab.commands.missing_models import print_missing  # noqa: PLC0415
    from phiz.lab.timing.networks import find_missing_files  # noqa: PLC0415
    from phiz.models.specs import VARIANT_PRECISIONS  # noqa: PLC0415  see bench

    for precision in VARIANT_PRECISIONS:
        if files := find_missing_files(known.get_models("face"), precision, folder):
            print_missing(", ".join(files), f"phiz models build --variants {precision}")
