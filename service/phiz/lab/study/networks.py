"""The networks of a study, in every precision that is built."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from phiz.errors import ModelNotBuiltError
from phiz.lab.timing.networks import LoadedNetwork, list_variants
from phiz.models import catalog
from phiz.models.catalog import read_network
from phiz.models.specs import Catalog, ModelSpec, NetworkSpec, Precision
from phiz.runtime.variants import Variant


@dataclass(frozen=True, slots=True)
class BuiltNetwork:
    """A network whose float32 file is built.

    Attributes:
        model: That it belongs to.
        spec: In float32.
        specs: The spec of each precision that is built, offered or not.
    """

    model: ModelSpec
    spec: NetworkSpec
    specs: dict[Precision, NetworkSpec]

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What this machine can run it in; the reference is the first."""
        return list_variants(self.specs)

    def read(self, folder: Path, precision: Precision | None = None) -> LoadedNetwork:
        """Return it with the bytes of its files.

        Args:
            folder: Of the built models.
            precision: That is read alone; None for all that are there.

        Raises:
            ModelError: One is missing, or is not the one that the catalogue names.
        """
        precisions = self.specs if precision is None else [precision]
        graphs = {each: read_network(self.specs[each], folder) for each in precisions}
        return LoadedNetwork(self.model, self.spec, graphs)


def find_networks(known: Catalog, folder: Path) -> list[BuiltNetwork]:
    """Return all networks whose float32 file is there, in the order of the catalogue."""
    return [
        BuiltNetwork(model, spec, specs)
        for model in known.models
        for spec in model.networks
        if "float32" in (specs := _find_specs(spec, folder))
    ]


def offer_all_precisions(known: Catalog) -> Catalog:
    """Return a catalogue in which a model is offered in 8 bits even where it is not worth it.

    What is offered in part stays as it is: that part is what one would run.
    """
    return Catalog(tuple(_offer_model(model) for model in known.models))


def get_network(name: str, folder: Path) -> BuiltNetwork:
    """Return the network of a name.

    Raises:
        ModelNotBuiltError: It is not there.
    """
    for network in find_networks(catalog.load_catalog(), folder):
        if network.spec.name == name:
            return network
    raise ModelNotBuiltError(f"{name}.onnx is not in {folder} any more")


def list_complete_models(networks: Sequence[BuiltNetwork]) -> list[ModelSpec]:
    """Return the models that answer something and of which every network is there."""
    there = {network.spec.name for network in networks}
    models = dict.fromkeys(network.model.name for network in networks)
    by_name = {network.model.name: network.model for network in networks}
    return [
        by_name[name]
        for name in models
        if all(spec.name in there for spec in by_name[name].networks)
        and by_name[name].group != "study"
    ]


def _find_specs(spec: NetworkSpec, folder: Path) -> dict[Precision, NetworkSpec]:
    specs = (spec, *spec.variants)
    return {each.precision: each for each in specs if (folder / each.file_name).exists()}


def _offer_model(model: ModelSpec) -> ModelSpec:
    if any(variant.is_offered for spec in model.networks for variant in spec.variants):
        return model
    networks = (
        replace(spec, variants=tuple(replace(each, is_offered=True) for each in spec.variants))
        for spec in model.networks
    )
    return replace(model, networks=tuple(networks))
