"""The networks that are measured, in every precision of theirs that is built."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from phiz.models.catalog import read_network
from phiz.models.specs import VARIANT_PRECISIONS, ModelSpec, NetworkSpec, Precision
from phiz.runtime.variants import Variant, find_installed_variants


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A network, the model that it belongs to, and the bytes of its ONNX files by precision."""

    model: ModelSpec
    spec: NetworkSpec
    graphs: Mapping[Precision, bytes]


def read_networks(models: Sequence[ModelSpec], folder: Path) -> list[LoadedNetwork]:
    """Return all networks of some models, verified; see ``list_built_precisions``.

    Raises:
        ModelError: One is missing, or is not the one that the catalogue names.
    """
    return [
        LoadedNetwork(model, spec, _read_graphs(spec, list_built_precisions(model, folder), folder))
        for model in models
        for spec in model.networks
    ]


def list_built_precisions(model: ModelSpec, folder: Path) -> tuple[Precision, ...]:
    """Return the precisions that a model can be run in: float32, and those offered and built."""
    offered = _list_offered_precisions(model)
    return (
        "float32",
        *(precision for precision in offered if not _list_missing(model, precision, folder)),
    )


def find_missing_files(
    models: Iterable[ModelSpec], precision: Precision, folder: Path
) -> list[str]:
    """Return the names of the files that are offered at a precision and not built."""
    return [
        file
        for model in models
        if precision in _list_offered_precisions(model)
        for file in _list_missing(model, precision, folder)
    ]


def list_variants(precisions: Iterable[Precision]) -> tuple[Variant, ...]:
    """Return what this machine can run a network in that has those precisions."""
    return tuple(
        variant for precision in precisions for variant in find_installed_variants(precision)
    )


def _read_graphs(
    spec: NetworkSpec, precisions: Sequence[Precision], folder: Path
) -> dict[Precision, bytes]:
    specs = {each.precision: each for each in map(spec.with_precision, precisions)}
    return {precision: read_network(each, folder) for precision, each in specs.items()}


def _list_offered_precisions(model: ModelSpec) -> list[Precision]:
    return [
        precision for precision in VARIANT_PRECISIONS if model.with_precision(precision) != model
    ]


def _list_missing(model: ModelSpec, precision: Precision, folder: Path) -> list[str]:
    files = (
        spec.file_name
        for spec in model.with_precision(precision).networks
        if spec.precision == precision
    )
    return [file for file in files if not (folder / file).exists()]
