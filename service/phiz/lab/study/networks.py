"""The networks that are measured, in every precision that is built."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from phiz.models.catalog import read_network
from phiz.models.specs import ModelSpec, NetworkSpec, Precision
from phiz.runtime import Session
from phiz.runtime.variants import Variant, find_installed_variants, open_runtime


@dataclass(frozen=True, slots=True)
class BuiltNetwork:
    """A network whose float32 file is built.

    Attributes:
        model: The model of the network.
        spec: The spec in float32.
        specs: The spec of each precision that is built.
        folder: Folder of the built models.
    """

    model: ModelSpec
    spec: NetworkSpec
    specs: Mapping[Precision, NetworkSpec]
    folder: Path

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants that this machine can run; the reference is the first."""
        return tuple(
            variant for precision in self.specs for variant in find_installed_variants(precision)
        )

    def read(self, precision: Precision = "float32") -> bytes:
        """Return the content of its file in a precision.

        Raises:
            ModelError: It is missing, or is not the one that the catalogue names.
        """
        return read_network(self.specs[precision], self.folder)

    def open(self, variant: Variant, threads: int = 1) -> Session:
        """Return a session in a variant, each inference on so many threads.

        Raises:
            ModelError: The file is missing, or is not the one that the catalogue names.
        """
        graph = self.read(variant.network_precision)
        return open_runtime(variant, threads).open(self.spec, graph)


def find_networks(models: Iterable[ModelSpec], folder: Path) -> list[BuiltNetwork]:
    """Return all networks whose float32 file is there, in the order of the models."""
    return [
        BuiltNetwork(model, spec, specs, folder)
        for model in models
        for spec in model.networks
        if "float32" in (specs := _find_specs(spec, folder))
    ]


def keep_offered(model: ModelSpec) -> ModelSpec:
    """Return a model without the precisions that are not worth offering."""
    return _replace_variants(
        model, lambda spec: (each for each in spec.variants if each.is_offered)
    )


def offer_all_precisions(model: ModelSpec) -> ModelSpec:
    """Return a model that is offered in 8 bits even where it is not worth it.

    A model that is offered in part stays as it is, because only that part is worth running.
    """
    if any(variant.is_offered for spec in model.networks for variant in spec.variants):
        return model
    return _replace_variants(
        model, lambda spec: (replace(each, is_offered=True) for each in spec.variants)
    )


def list_complete_models(networks: Sequence[BuiltNetwork]) -> list[ModelSpec]:
    """Return the models that answer something and of which every network is there."""
    there = {network.spec.name for network in networks}
    models = {network.model.name: network.model for network in networks}
    return [
        model
        for model in models.values()
        if model.group != "study" and all(spec.name in there for spec in model.networks)
    ]


def _find_specs(spec: NetworkSpec, folder: Path) -> dict[Precision, NetworkSpec]:
    specs = (spec, *spec.variants)
    return {each.precision: each for each in specs if (folder / each.file_name).exists()}


def _replace_variants(
    model: ModelSpec, choose: Callable[[NetworkSpec], Iterable[NetworkSpec]]
) -> ModelSpec:
    networks = (replace(spec, variants=tuple(choose(spec))) for spec in model.networks)
    return replace(model, networks=tuple(networks))
