"""``phiz bench``: what is fastest on this machine, and as good."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from phiz.cli.files import check_writable, write_json
from phiz.lab.report.bench_tables import model_table, network_table, report

if TYPE_CHECKING:
    from phiz.image.lazy import Picture
    from phiz.lab.accuracy.labels import Labelled
    from phiz.lab.timing.bench import ModelFigures, NetworkFigures, Way
    from phiz.lab.timing.networks import Network
    from phiz.models.specs import Catalog, ModelCard
    from phiz.runtime.profile import Choice
    from phiz.runtime.variants import Variant

T = TypeVar("T")

DRAWN = 8  # pictures, where no photographs are given
DRAWN_SIZE_WH = (960, 720)
COMPARED = 8  # photographs that networks are compared on
FILE_COLUMNS = 120  # of the tables where there is no terminal to ask


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
    help="Folder with labelled photographs in wider/: only with them can less than float32 be"
    " chosen.",
)
@click.option(
    "--runs", type=click.IntRange(1), default=30, show_default=True, help="Rounds of each network."
)
@click.option(
    "--json",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for all the figures.",
)
@click.option(
    "--profile",
    envvar="PHIZ_PROFILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the choice that PHIZ_RUNTIME=auto follows.  [default: beside the models]",
)
def bench(
    *,
    folder: Path | None,
    data: Path | None,
    runs: int,
    target: Path | None,
    profile: Path | None,
) -> None:
    """Measure every runtime, precision and number of threads, and choose.

    All take turns, and times are medians. Float32 is chosen if its numbers are the
    reference's, anything less only if it finds the same faces on labelled photographs.
    8 bits take part where they are built: phiz models build --variants int8.
    """
    # Not at the top: they take a while to import, and --help should not wait for them.
    from phiz.models import catalog  # noqa: PLC0415
    from phiz.runtime.profile import FILE, processor_name, update_profile  # noqa: PLC0415

    place = folder or catalog.default_folder()
    if profile or place.is_dir():  # a folder of models that is missing is told by the models
        # It is replaced, not written over, and that is up to its folder.
        named = profile or place / FILE
        check_writable(named, named.absolute().parent, "--profile")
    if target:
        check_writable(target, target if target.exists() else target.absolute().parent, "--json")
    measured = _Bench(catalog.load(), place, data, runs).run()
    _show(measured)
    _tell_unbuilt(catalog.load(), place)
    profile = profile or place / FILE
    update_profile(processor_name(), measured.choices, profile)
    if target:
        write_json(target, report(processor_name(), measured.networks, measured.models))
    click.echo(f"wrote {profile}; to follow it: PHIZ_RUNTIME=auto phiz serve")


@dataclass(frozen=True, slots=True)
class _Measured:
    networks: "list[NetworkFigures]"
    models: "dict[str, dict[Variant, ModelFigures]]"
    choices: "dict[str, Choice]"


@dataclass(frozen=True, slots=True)
class _Bench:
    """What is measured, and with what."""

    catalog: "Catalog"
    folder: Path
    data: Path | None
    runs: int

    def run(self) -> _Measured:
        """Return all figures and the choices among them."""
        from phiz.lab.timing.bench import choose  # noqa: PLC0415  see bench

        cards = self.catalog.group("face")
        labels = self._labels()
        networks = self._networks(cards, labels[:COMPARED])
        models = {card.name: self._model(card, labels) for card in cards}
        choices = {each.card.name: choose(each, models[each.model]) for each in networks}
        return _Measured(networks, models, choices)

    def _labels(self) -> "list[Labelled]":
        from phiz.lab.accuracy.labels import LIMITS, check_photographs, read_labels  # noqa: PLC0415

        labels = read_labels(self.data) if self.data else []
        check_photographs(labels, LIMITS)
        return labels

    def _networks(
        self, cards: "Sequence[ModelCard]", labels: "Sequence[Labelled]"
    ) -> "list[NetworkFigures]":
        from phiz.image.pixels import rgb  # noqa: PLC0415
        from phiz.lab.timing.bench import measure_network, thread_counts  # noqa: PLC0415  see bench
        from phiz.lab.timing.networks import read_networks  # noqa: PLC0415
        from phiz.system.cgroups import available_processors  # noqa: PLC0415

        networks = read_networks(cards, self.folder)
        counts = tuple(thread_counts(available_processors()))
        pictures = [rgb(picture.whole()) for picture, _ in _pictures(labels)]
        return [
            measure_network(network, _ways(network, counts), self.runs, pictures)
            for network in _shown(networks, "networks")
        ]

    def _model(
        self, card: "ModelCard", labels: "Sequence[Labelled]"
    ) -> "dict[Variant, ModelFigures]":
        from phiz.lab.timing.bench import measure_model  # noqa: PLC0415  see bench
        from phiz.lab.timing.networks import built_forms, variants_of  # noqa: PLC0415

        variants = variants_of(built_forms(card, self.folder))
        pictures = _shown(_pictures(labels), card.name, len(labels) or DRAWN)
        return measure_model(self.catalog, self.folder, card.name, variants, pictures)


def _ways(network: "Network", counts: "Sequence[int]") -> "list[Way]":
    """Return every variant that a network can be run in, on so many threads each."""
    from phiz.lab.timing.networks import variants_of  # noqa: PLC0415  see bench

    variants = variants_of(network.graphs)
    return [(variant, threads) for variant in variants for threads in counts]


def _pictures(labels: "Sequence[Labelled]") -> "Iterator[tuple[Picture, Labelled | None]]":
    """Yield the photographs, or drawn pictures where there are none."""
    from phiz.image.lazy import Picture  # noqa: PLC0415
    from phiz.image.synthetic import draw_crowd  # noqa: PLC0415
    from phiz.lab.accuracy.labels import LIMITS, open_photograph  # noqa: PLC0415  see bench

    for label in labels:
        yield open_photograph(label, LIMITS), label
    for seed in range(0 if labels else DRAWN):
        yield Picture.of(draw_crowd(*DRAWN_SIZE_WH, seed)), None


def _shown(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield the items, with a bar that moves if standard error is a terminal."""
    from rich.console import Console  # noqa: PLC0415  slow to load, and seldom needed
    from rich.progress import track  # noqa: PLC0415

    console = Console(stderr=True)
    yield from track(
        items, what, total=total, console=console, transient=True, disable=not sys.stderr.isatty()
    )


def _show(measured: _Measured) -> None:
    from rich.console import Console  # noqa: PLC0415  see above

    console = Console(width=None if sys.stdout.isatty() else FILE_COLUMNS)
    console.print(network_table(measured.networks, measured.models, measured.choices))
    console.print(model_table(measured.models))


def _tell_unbuilt(known: "Catalog", folder: Path) -> None:
    """Say on standard error which forms took no part, if any."""
    from phiz.lab.commands.missing_models import tell  # noqa: PLC0415
    from phiz.lab.timing.networks import unbuilt  # noqa: PLC0415
    from phiz.models.specs import VARIANTS  # noqa: PLC0415  see bench

    for form in VARIANTS:
        if files := unbuilt(known.group("face"), form, folder):
            tell(", ".join(files), f"phiz models build --variants {form}")
