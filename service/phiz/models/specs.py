"""What is known of every model: records that the catalogue is read into."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

from phiz.errors import CatalogError
from phiz.models.operating_point import OperatingPoint

Group: TypeAlias = Literal["face", "classify", "study"]
Kind: TypeAlias = Literal["blazeface", "mtcnn", "mobilenet", "efficientnet", "ssd"]
Architecture: TypeAlias = Literal[
    "blazeface", "pnet", "rnet", "onet", "mobilenet", "efficientnet", "ssd"
]
Form: TypeAlias = Literal["float32", "int8"]
"""What a network's weights are kept in, and most of its layers computed in."""

GROUPS: Final[tuple[Group, ...]] = get_args(Group)
SERVICE: Final[Group] = "face"
"""What the service cannot do without; the rest is built by whoever wants it."""
ARCHITECTURES: Final[tuple[Architecture, ...]] = get_args(Architecture)
CLASSIFIERS: Final[frozenset[Architecture]] = frozenset({"mobilenet", "efficientnet"})
CLASSES: Final = 1000
"""What each of them tells apart: the classes of ImageNet's challenge of 2012."""
VARIANTS: Final[tuple[Form, ...]] = ("int8",)
"""The forms that a network may have beside float32."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

NETWORKS: Final[Mapping[Kind, tuple[Architecture, ...]]] = {
    "blazeface": ("blazeface",),
    "mtcnn": ("pnet", "rnet", "onet"),
    "mobilenet": ("mobilenet",),
    "efficientnet": ("efficientnet",),
    "ssd": ("ssd",),
}
"""The networks that a model of each kind consists of, in the order in which they run."""

THRESHOLDS: Final[Mapping[Kind, frozenset[str]]] = {
    "blazeface": frozenset({"overlap_limit"}),
    "mtcnn": frozenset(
        {
            "min_face",
            "factor",
            "pnet_score",
            "rnet_score",
            "level_overlap",
            "cross_overlap",
            "min_overlap",
        }
    ),
    "mobilenet": frozenset(),
    "efficientnet": frozenset(),
    "ssd": frozenset(),
}
"""The numbers that a model of each kind has beside ``min_score``; the catalogue explains them."""

CHOSEN: Final[Mapping[Group, tuple[Form, ...]]] = {
    "face": (),
    "classify": ("int8",),
    "study": (),
}
"""The forms beside float32 that a caller may ask for, so that they are built with the group."""


JOINING: Final = frozenset({"front", "back", "full"})
"""The models that a worker runs on several pictures side by side: they are short."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package of a fixed version, to be read as an archive.

    Attributes:
        name: As the package registry knows it.
        version: Exactly this one.
        sha256: Of the whole wheel.
        size_bytes: Of the whole wheel.
    """

    name: str
    version: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file that a network is converted from.

    Attributes:
        source: The package that it comes from.
        path: Inside the package, with forward slashes.
        sha256: Of the file itself.
        size_bytes: Of the file itself.
    """

    source: Wheel
    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What a network wants of a pixel p from 0 to 255: ``scale * p + offset``.

    Each is one number for all channels, or three: for red, green and blue.
    """

    scale: float | tuple[float, float, float]
    offset: float | tuple[float, float, float]

    def to_numbers(self) -> tuple[float, float]:
        """Return scale and offset, one number each.

        Raises:
            CatalogError: The channels have their own.
        """
        if isinstance(self.scale, tuple) or isinstance(self.offset, tuple):
            raise CatalogError(
                f"the normalisation has scale {self.scale} and offset {self.offset}; "
                f"this kind of model takes one number for all channels"
            )
        return self.scale, self.offset


@dataclass(frozen=True, slots=True)
class NetworkCard:
    """One ONNX file.

    Attributes:
        name: Within the whole catalogue.
        architecture: How it is converted.
        sha256: Of the ONNX file.
        size_bytes: Of the ONNX file.
        normalisation: Part of the graph: a caller gives pixels as they are.
        made_from: The file that it is converted from.
        form: Of the ONNX file.
        is_offered: Whether it was measured to be worth using.
        variants: The same network in other forms, which nothing needs; they have its name.
    """

    name: str
    architecture: Architecture
    sha256: str
    size_bytes: int
    normalisation: Normalisation
    made_from: SourceFile
    form: Form = "float32"
    is_offered: bool = True
    variants: "tuple[NetworkCard, ...]" = ()

    @property
    def group(self) -> Group:
        """What the network is for."""
        if self.architecture == "ssd":
            return "study"
        return "classify" if self.architecture in CLASSIFIERS else "face"

    @property
    def file(self) -> str:
        """The name of the ONNX file."""
        return f"{self.name}.onnx" if self.form == "float32" else f"{self.name}.{self.form}.onnx"

    def in_form(self, form: Form) -> "NetworkCard":
        """Return the variant of a form, or the network as it is if none is offered."""
        offered = (card for card in self.variants if card.form == form and card.is_offered)
        return next(offered, self)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model and the numbers that belong to it.

    Attributes:
        name: What a caller asks for.
        title: One line for people.
        group: What it is for.
        kind: Which detector runs it.
        licence: Of the weights, an SPDX expression.
        input_size: Side of the square input, pixels; None where any size will do.
        min_score: The default limit, 0 to 1; 0 where scores decide nothing.
        thresholds: The kind's other numbers, by the names in ``THRESHOLDS``.
        references: Where these numbers are written.
        networks: In the order in which they run.
        operating_point: What the default limit means; None where scores decide nothing.
    """

    name: str
    title: str
    group: Group
    kind: Kind
    licence: str
    input_size: int | None
    min_score: float
    thresholds: Mapping[str, float]
    references: tuple[str, ...]
    networks: tuple[NetworkCard, ...]
    operating_point: OperatingPoint | None

    def network(self, name: str) -> NetworkCard:
        """Return the network of that name.

        Raises:
            CatalogError: The model has no such network.
        """
        for network in self.networks:
            if network.name == name:
                return network
        names = ", ".join(network.name for network in self.networks)
        raise CatalogError(f"{self.name} has no network {name!r}; it has {names}")

    def in_form(self, form: Form) -> "ModelCard":
        """Return the model with every network in a form, where one is offered."""
        return self.in_forms({card.name: form for card in self.networks})

    def in_forms(self, forms: Mapping[str, Form]) -> "ModelCard":
        """Return the model with each network in the form that is named for it, if any."""
        networks = (card.in_form(forms.get(card.name, card.form)) for card in self.networks)
        return replace(self, networks=tuple(networks))


@dataclass(frozen=True, slots=True)
class Catalog:
    """All models, in the order of the file."""

    models: tuple[ModelCard, ...]

    def model(self, name: str) -> ModelCard:
        """Return the model of that name.

        Raises:
            CatalogError: There is no such model.
        """
        for model in self.models:
            if model.name == name:
                return model
        names = ", ".join(model.name for model in self.models)
        raise CatalogError(f"there is no model {name!r}; there are {names}")

    def group(self, group: str | None) -> tuple[ModelCard, ...]:
        """Return the models of a group, or all of them for None.

        Raises:
            CatalogError: There is no such group.
        """
        if group is None:
            return self.models
        if group not in get_args(Group):
            raise CatalogError(
                f"there is no group {group!r}; there is {', '.join(get_args(Group))}"
            )
        return tuple(model for model in self.models if model.group == group)

    def in_form(self, form: Form) -> "Catalog":
        """Return the catalogue with every network in a form, where one is offered."""
        return Catalog(tuple(model.in_form(form) for model in self.models))

    def in_forms(self, forms: Mapping[str, Form]) -> "Catalog":
        """Return the catalogue with each network in the form that is named for it, if any."""
        return Catalog(tuple(model.in_forms(forms) for model in self.models))
