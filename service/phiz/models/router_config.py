"""What the router goes by: its numbers, as records that ``models/router.toml`` is read into."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from phiz.errors import CatalogError
from phiz.models.operating_point import OperatingPoint, read_point
from phiz.models.tables import read_number, read_numbers, read_score, read_table

CASCADE_EVIDENCE: Final = ("pnet", "rnet", "onet", "seen", "unseen")
GLANCE_EVIDENCE: Final = ("score", "share")
EDGES: Final = ("left", "top", "right", "bottom")
LEARNT: Final = ("alone", "unconfirmed", "cascade")

_PACKAGED: Final = Path(__file__).with_name("router.toml")
_CHECKOUT: Final = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic model: the log odds of a face are ``bias`` and so much for each evidence.

    Attributes:
        bias: Log odds without any evidence.
        evidence: (E,), in the order of ``CASCADE_EVIDENCE`` or ``GLANCE_EVIDENCE``.
    """

    bias: float
    evidence: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Convention:
    """How far a model's box edges lie from those of people's boxes.

    Attributes:
        shares: Left, top, right and bottom edge, shares of the box's width or height.
        first_px: Of the first pixel, as the model counts: 1 where boxes count from 1.
    """

    shares: tuple[float, float, float, float]
    first_px: float


@dataclass(frozen=True, slots=True)
class GlanceCard:
    """What is known of a network that looks at the whole picture once.

    Attributes:
        alone: Its detections where nothing else has looked.
        unconfirmed: Those that the cascade has not found.
        cascade: The cascade's detections beside it.
    """

    alone: Weights
    unconfirmed: Weights
    cascade: Weights


@dataclass(frozen=True, slots=True)
class FlightCard:
    """One flight of the pyramid's steps, to be climbed together.

    Attributes:
        faces_px: Side of the smallest faces that it finds.
        promise: So many small faces must be there already for the climb to be worth it.
    """

    faces_px: float
    promise: float


@dataclass(frozen=True, slots=True)
class NearRule:
    """When the first glance is all that is needed: every face is near.

    Attributes:
        share: Of the picture's shorter side that each face takes at least.
        best: What the best of them scores at least.
        hint: Score from which on a detection counts.
        confirmed: What O-Net scores each that counts at least.
    """

    share: float
    best: float
    hint: float
    confirmed: float


@dataclass(frozen=True, slots=True)
class CompanyRule:
    """How much less a face must score by default where there are others: they come in numbers.

    Attributes:
        slope: By so much the log odds of the limit fall with the logarithm of the number of faces.
        most: So many others count.
    """

    slope: float
    most: float


@dataclass(frozen=True, slots=True)
class RouterCard:
    """Everything that the router goes by.

    Attributes:
        min_score: Default limit, on the common scale, of a face without others.
        company: By how much that is less where there are others.
        operating_point: What both mean.
        min_scores: Limits of P-, R- and O-Net, lower than where each is used alone.
        factor: From one level of the pyramid to the next.
        near: When a glance is enough.
        flights: From the largest faces to the smallest.
        glances: By model, the strongest first.
        conventions: By model.
    """

    min_score: float
    company: CompanyRule
    operating_point: OperatingPoint
    min_scores: tuple[float, float, float]
    factor: float
    near: NearRule
    flights: tuple[FlightCard, ...]
    glances: Mapping[str, GlanceCard]
    conventions: Mapping[str, Convention]


def load(path: Path | None = None) -> RouterCard:
    """Return the router's numbers from a file, or those that belong to this phiz.

    Raises:
        CatalogError: They cannot be read, or one is missing, unknown or out of range.
    """
    if path is None:
        path = _PACKAGED if _PACKAGED.exists() else _CHECKOUT / "models" / "router.toml"
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogError(f"the router's numbers {path} cannot be read: {error}") from error
    return parse_router(document)


def parse_router(document: Mapping[str, Any]) -> RouterCard:
    """Return the numbers of a file that has been read as TOML.

    Raises:
        CatalogError: One is missing, unknown or out of range.
    """
    keys = {"min_score", "company", "operating_point", "cascade", "near", "flights"}
    keys |= {"glances", "conventions"}
    top = read_table(dict(document), "the router", keys)
    cascade = {"factor", "pnet_score", "rnet_score", "onet_score"}
    numbers = read_numbers(top["cascade"], "cascade", cascade)
    near = read_numbers(top["near"], "near", {"share", "best", "hint", "confirmed"})
    return RouterCard(
        min_score=read_score(top["min_score"], "min_score"),
        company=CompanyRule(**read_numbers(top["company"], "company", {"slope", "most"})),
        operating_point=read_point(top["operating_point"], "operating_point"),
        min_scores=(numbers["pnet_score"], numbers["rnet_score"], numbers["onet_score"]),
        factor=read_score(numbers["factor"], "cascade.factor"),
        near=NearRule(**near),
        flights=tuple(_flight(each, f"flights.{n}") for n, each in enumerate(top["flights"])),
        glances={name: _glance(each, f"glances.{name}") for name, each in top["glances"].items()},
        conventions={
            name: _convention(each, f"conventions.{name}")
            for name, each in top["conventions"].items()
        },
    )


def _flight(value: object, where: str) -> FlightCard:
    return FlightCard(**read_numbers(value, where, {"faces_px", "promise"}))


def _glance(value: object, where: str) -> GlanceCard:
    table = read_table(value, where, LEARNT)
    evidence = GLANCE_EVIDENCE, GLANCE_EVIDENCE, CASCADE_EVIDENCE
    alone, unconfirmed, cascade = (
        _weights(table[name], f"{where}.{name}", names)
        for name, names in zip(LEARNT, evidence, strict=True)
    )
    return GlanceCard(alone, unconfirmed, cascade)


def _weights(value: object, where: str, names: tuple[str, ...]) -> Weights:
    table = read_numbers(value, where, {"bias", *names})
    # A higher score must never mean less of a face: the order within a model is the model's own.
    for name in {"pnet", "rnet", "onet", "score"} & table.keys():
        if table[name] <= 0:
            raise CatalogError(f"{where}.{name} is {table[name]:g}; it must be above 0")
    return Weights(table["bias"], tuple(table[name] for name in names))


def _convention(value: object, where: str) -> Convention:
    table = read_table(value, where, EDGES, {"first_px"})
    left, top, right, bottom = (read_number(table[edge], f"{where}.{edge}") for edge in EDGES)
    first = read_number(table.get("first_px", 0), f"{where}.first_px")
    return Convention((left, top, right, bottom), first)
