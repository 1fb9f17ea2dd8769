"""The networks of a study, in every form that is built."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from phiz.errors import ModelNotBuiltError
from phiz.lab.timing.networks import Network, variants_of
from phiz.models import catalog
from phiz.models.catalog import read_network
from phiz.models.specs import Catalog, Form, ModelCard, NetworkCard
from phiz.runtime.variants import Variant


@dataclass(frozen=True, slots=True)
class Subject:
    """A network whose float32 file is built.

    Attributes:
        model: That it belongs to.
        card: In float32.
        files: The card of each form that is built, offered or not.
    """

    model: ModelCard
    card: NetworkCard
    files: dict[Form, NetworkCard]

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What this machine can run it in; the reference is the first."""
        return variants_of(self.files)

    def read(self, folder: Path, form: Form | None = None) -> Network:
        """Return it with the bytes of its files.

        Args:
            folder: Of the built models.
            form: That is read alone; None for all that are there.

        Raises:
            ModelError: One is missing, or is not the one that the catalogue names.
        """
        forms = self.files if form is None else [form]
        graphs = {each: read_network(self.files[each], folder) for each in forms}
        return Network(self.model, self.card, graphs)


def find_subjects(known: Catalog, folder: Path) -> list[Subject]:
    """Return all networks whose float32 file is there, in the order of the catalogue."""
    return [
        Subject(model, card, files)
        for model in known.models
        for card in model.networks
        if "float32" in (files := _files(card, folder))
    ]


def offer_all(known: Catalog) -> Catalog:
    """Return a catalogue in which a model is offered in 8 bits even where it is not worth it.

    What is offered in part stays as it is: that part is what one would run.
    """
    return Catalog(tuple(_offer(model) for model in known.models))


def subject_of(name: str, folder: Path) -> Subject:
    """Return the network of a name.

    Raises:
        ModelNotBuiltError: It is not there.
    """
    for subject in find_subjects(catalog.load(), folder):
        if subject.card.name == name:
            return subject
    raise ModelNotBuiltError(f"{name}.onnx is not in {folder} any more")


def whole_models(subjects: Sequence[Subject]) -> list[ModelCard]:
    """Return the models that answer something and of which every network is there."""
    there = {subject.card.name for subject in subjects}
    models = dict.fromkeys(subject.model.name for subject in subjects)
    by_name = {subject.model.name: subject.model for subject in subjects}
    return [
        by_name[name]
        for name in models
        if all(card.name in there for card in by_name[name].networks)
        and by_name[name].group != "study"
    ]


def _files(card: NetworkCard, folder: Path) -> dict[Form, NetworkCard]:
    forms = (card, *card.variants)
    return {each.form: each for each in forms if (folder / each.file).exists()}


def _offer(model: ModelCard) -> ModelCard:
    if any(variant.is_offered for card in model.networks for variant in card.variants):
        return model
    networks = (
        replace(card, variants=tuple(replace(each, is_offered=True) for each in card.variants))
        for card in model.networks
    )
    return replace(model, networks=tuple(networks))
