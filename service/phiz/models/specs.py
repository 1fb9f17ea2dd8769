"""The records of the catalogue: models, networks and sources."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

from phiz.errors import CatalogError
from phiz.models.operating_point import OperatingPoint

ModelGroup: TypeAlias = Literal["face", "classify", "study"]
ModelKind: TypeAlias = Literal[
    "blazeface", "mtcnn", "yunet", "centerface", "mobilenet", "efficientnet", "ssd"
]
Architecture: TypeAlias = Literal[
    "blazeface", "pnet", "rnet", "onet", "yunet", "centerface", "mobilenet", "efficientnet", "ssd"
]
Precision: TypeAlias = Literal["float32", "int8"]
"""The precision of a network's weights and of most of its layers."""

AUTO: Final = "auto"
"""The router's name beside those of the models."""
MODEL_GROUPS: Final[tuple[ModelGroup, ...]] = get_args(ModelGroup)
SERVICE_GROUP: Final[ModelGroup] = "face"
"""The group that the service needs; the others are optional."""
ARCHITECTURES: Final[tuple[Architecture, ...]] = get_args(Architecture)
CLASSIFIER_ARCHITECTURES: Final[frozenset[Architecture]] = frozenset({"mobilenet", "efficientnet"})
DYNAMIC_ARCHITECTURES: Final[frozenset[Architecture]] = frozenset({"pnet", "yunet", "centerface"})
"""The networks whose input has the size of the image."""
CASCADE_ARCHITECTURES: Final[frozenset[Architecture]] = frozenset({"pnet", "rnet", "onet"})
CLASS_COUNT: Final = 1000
"""The classes of ImageNet's challenge of 2012."""
VARIANT_PRECISIONS: Final[tuple[Precision, ...]] = ("int8",)
"""The precisions that a network may have beside float32."""
MODEL_KINDS: Final[tuple[ModelKind, ...]] = get_args(ModelKind)

ARCHITECTURES_BY_KIND: Final[Mapping[ModelKind, tuple[Architecture, ...]]] = {
    "blazeface": ("blazeface",),
    "mtcnn": ("pnet", "rnet", "onet"),
    "yunet": ("yunet",),
    "centerface": ("centerface",),
    "mobilenet": ("mobilenet",),
    "efficientnet": ("efficientnet",),
    "ssd": ("ssd",),
}
"""The networks that a model of each kind consists of, in the order in which they run."""

THRESHOLD_NAMES: Final[Mapping[ModelKind, frozenset[str]]] = {
    **dict.fromkeys(MODEL_KINDS, frozenset()),
    "blazeface": frozenset({"overlap_limit"}),
    "mtcnn": frozenset(
        {"min_face", "factor", "pnet_score", "rnet_score"}
        | {"level_overlap", "cross_overlap", "onet_overlap_limit"}
    ),
    **dict.fromkeys(
        ("yunet", "centerface"),
        frozenset({"input_size", "max_input_pixels", "min_face", "overlap_limit"}),
    ),
}
"""The numbers that a model of each kind has beside ``min_score``; the catalogue explains them."""

SELECTABLE_PRECISIONS: Final[Mapping[ModelGroup, tuple[Precision, ...]]] = {
    "face": (),
    "classify": ("int8",),
    "study": (),
}
"""The precisions beside float32 that a caller may ask for; they are built with the group."""

SCALED_MODELS: Final = ("yunet", "centerface")
"""The models that have an ``input_size``, because their input has the size of the image."""
BUDGETED_MODELS: Final = (*SCALED_MODELS, AUTO)
"""The models that keep to a ``budget_ms``."""
BATCHABLE_MODELS: Final = frozenset({"front", "back", "full"})
"""The models that a worker runs on several images side by side, because they are short."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package of a fixed version, with the hash and size of its wheel."""

    name: str
    version: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The file that a network is converted from, with its own hash and size.

    Attributes:
        source: The package of the file.
        path: Inside the package, with forward slashes.
    """

    source: Wheel
    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Normalisation:
    """The input of a network for a pixel p from 0 to 255: ``scale * p + offset``.

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
class NetworkSpec:
    """One ONNX file.

    Attributes:
        name: Unique in the catalogue.
        architecture: Decides how it is converted.
        sha256: Of the ONNX file.
        size_bytes: Of the ONNX file.
        normalisation: Part of the graph, which takes pixels from 0 to 255.
        made_from: The file that it is converted from.
        precision: Of the ONNX file.
        is_offered: Whether measurements showed that it is worth using.
        is_preferred: Whether it runs by default where a processor has instructions for it.
        variants: The same network in other precisions, under its name.
    """

    name: str
    architecture: Architecture
    sha256: str
    size_bytes: int
    normalisation: Normalisation
    made_from: SourceFile
    precision: Precision = "float32"
    is_offered: bool = True
    is_preferred: bool = False
    variants: "tuple[NetworkSpec, ...]" = ()

    @property
    def group(self) -> ModelGroup:
        """The purpose of the network."""
        if self.architecture == "ssd":
            return "study"
        return "classify" if self.architecture in CLASSIFIER_ARCHITECTURES else "face"

    @property
    def file_name(self) -> str:
        """The name of the ONNX file."""
        precision = "" if self.precision == "float32" else f".{self.precision}"
        return f"{self.name}{precision}.onnx"

    @property
    def is_built_by_default(self) -> bool:
        """Whether the service may select it without being asked to."""
        precisions = ("float32", *SELECTABLE_PRECISIONS[self.group])
        return self.is_preferred or self.precision in precisions

    def with_precision(self, precision: Precision) -> "NetworkSpec":
        """Return the variant of a precision, or the network itself if none is offered."""
        offered = {spec.precision: spec for spec in self.variants if spec.is_offered}
        return offered.get(precision, self)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model and the numbers that belong to it.

    Attributes:
        name: The name in requests.
        title: One line for people.
        group: Its purpose.
        kind: Decides which detector runs it.
        licence: Of the weights, an SPDX expression.
        input_size: Side of the square input, pixels; None for any size.
        min_score: The default limit, 0 to 1; 0 for a model without scores of faces.
        thresholds: The kind's other numbers, by the names in ``THRESHOLD_NAMES``.
        references: The sources of these numbers.
        networks: In the order in which they run.
        operating_point: The figures at the default limit, if there is one.
    """

    name: str
    title: str
    group: ModelGroup
    kind: ModelKind
    licence: str
    input_size: int | None
    min_score: float
    thresholds: Mapping[str, float]
    references: tuple[str, ...]
    networks: tuple[NetworkSpec, ...]
    operating_point: OperatingPoint | None

    def get_network(self, name: str) -> NetworkSpec:
        """Return the network of that name.

        Raises:
            CatalogError: The model has no such network.
        """
        networks = {network.name: network for network in self.networks}
        if name not in networks:
            raise CatalogError(f"{self.name} has no network {name!r}; it has {', '.join(networks)}")
        return networks[name]

    def with_precision(self, precision: Precision) -> "ModelSpec":
        """Return the model with every network in a precision, where one is offered."""
        return self.with_precisions({spec.name: precision for spec in self.networks})

    def with_precisions(self, precisions: Mapping[str, Precision]) -> "ModelSpec":
        """Return the model with each network in its precision of the mapping, if any."""
        networks = (
            spec.with_precision(precisions.get(spec.name, spec.precision)) for spec in self.networks
        )
        return replace(self, networks=tuple(networks))


@dataclass(frozen=True, slots=True)
class Catalog:
    """All models, in the order of the file."""

    models: tuple[ModelSpec, ...]

    def get_model(self, name: str) -> ModelSpec:
        """Return the model of that name.

        Raises:
            CatalogError: There is no such model.
        """
        models = {model.name: model for model in self.models}
        if name not in models:
            raise CatalogError(f"there is no model {name!r}; there are {', '.join(models)}")
        return models[name]

    def get_models(self, group: str | None) -> tuple[ModelSpec, ...]:
        """Return the models of a group, or all of them for None.

        Raises:
            CatalogError: There is no such group.
        """
        if group is None:
            return self.models
        if group not in MODEL_GROUPS:
            raise CatalogError(f"there is no group {group!r}; there is {', '.join(MODEL_GROUPS)}")
        return tuple(model for model in self.models if model.group == group)

    def with_precision(self, precision: Precision) -> "Catalog":
        """Return the catalogue with every network in a precision, where one is offered."""
        return Catalog(tuple(model.with_precision(precision) for model in self.models))

    def with_precisions(self, precisions: Mapping[str, Precision]) -> "Catalog":
        """Return the catalogue with each network in its precision of the mapping, if any."""
        return Catalog(tuple(model.with_precisions(precisions) for model in self.models))
