"""The networks that are measured, in every form of theirs that is built."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from phiz.models.catalog import read_network
from phiz.models.specs import VARIANTS, Form, ModelCard, NetworkCard
from phiz.runtime.variants import Variant, installed_variants


@dataclass(frozen=True, slots=True)
class Network:
    """A network, the model that it belongs to, and the bytes of its ONNX files by form."""

    model: ModelCard
    card: NetworkCard
    graphs: Mapping[Form, bytes]


def read_networks(models: Sequence[ModelCard], folder: Path) -> list[Network]:
    """Return all networks of some models, verified, in the forms that ``built_forms`` tells.

    Raises:
        ModelError: One is missing, or is not the one that the catalogue names.
    """
    return [
        Network(model, card, _graphs(card, built_forms(model, folder), folder))
        for model in models
        for card in model.networks
    ]


def built_forms(model: ModelCard, folder: Path) -> tuple[Form, ...]:
    """Return the forms that a model can be run in: float32, and those offered that are built."""
    offered = _offered_forms(model)
    return ("float32", *(form for form in offered if not _missing(model, form, folder)))


def unbuilt(models: Iterable[ModelCard], form: Form, folder: Path) -> list[str]:
    """Return the names of the files that are offered in a form and not built."""
    return [
        file
        for model in models
        if form in _offered_forms(model)
        for file in _missing(model, form, folder)
    ]


def variants_of(forms: Iterable[Form]) -> tuple[Variant, ...]:
    """Return what this machine can run a network in that has those forms."""
    return tuple(variant for form in forms for variant in installed_variants(form))


def _graphs(card: NetworkCard, forms: Sequence[Form], folder: Path) -> dict[Form, bytes]:
    cards = {each.form: each for each in map(card.in_form, forms)}
    return {form: read_network(each, folder) for form, each in cards.items()}


def _offered_forms(model: ModelCard) -> list[Form]:
    return [form for form in VARIANTS if model.in_form(form) != model]


def _missing(model: ModelCard, form: Form, folder: Path) -> list[str]:
    files = (card.file for card in model.in_form(form).networks if card.form == form)
    return [file for file in files if not (folder / file).exists()]
