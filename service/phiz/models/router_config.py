"""What the router goes by: its numbers, as records that ``models/router.toml`` is read into."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from phiz.errors import CatalogError
from phiz.models.operating_point import OperatingPoint, read_operating_point
from phiz.models.tables import read_number, read_numbers, read_score, read_table

CASCADE_FEATURES: Final = ("pnet", "rnet", "onet", "first_pass_score", "missed_size")
FIRST_PASS_FEATURES: Final = ("score", "relative_size")
EDGES: Final = ("left", "top", "right", "bottom")
WEIGHT_TABLES: Final = ("standalone", "unconfirmed", "cascade")

_PACKAGED_CONFIG: Final = Path(__file__).with_name("router.toml")
_CHECKOUT_ROOT: Final = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class LogisticWeights:
    """A logistic model: the log odds of a face are ``bias`` and so much for each feature.

    Attributes:
        bias: Log odds where all features are 0.
        coefficients: (E,), in the order of ``CASCADE_FEATURES`` or ``FIRST_PASS_FEATURES``.
    """

    bias: float
    coefficients: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BoxCalibration:
    """How far a model's box edges lie from those of people's boxes.

    Attributes:
        edge_offsets: Left, top, right and bottom edge, shares of the box's width or height.
        first_px: Of the first pixel, as the model counts: 1 where boxes count from 1.
    """

    edge_offsets: tuple[float, float, float, float]
    first_px: float


@dataclass(frozen=True, slots=True)
class FirstPassConfig:
    """What is known of a network that looks at the whole picture once.

    Attributes:
        standalone: Its detections where nothing else has looked.
        unconfirmed: Those that the cascade has not found.
        cascade: The cascade's detections beside it.
    """

    standalone: LogisticWeights
    unconfirmed: LogisticWeights
    cascade: LogisticWeights


@dataclass(frozen=True, slots=True)
class PyramidStageConfig:
    """A group of levels of the pyramid, searched together.

    Attributes:
        min_face_px: Side of the smallest faces that it finds.
        min_expected_gain: Small faces that must be there already for the search to be worth it.
    """

    min_face_px: float
    min_expected_gain: float


@dataclass(frozen=True, slots=True)
class CloseUpRule:
    """When the first pass is all that is needed: every face is a close-up.

    Attributes:
        min_side_share: Of the picture's shorter side that each face takes at least.
        min_best_score: What the best of them scores at least.
        min_score: Score from which on a detection counts.
        min_onet_score: What O-Net scores each that counts at least.
    """

    min_side_share: float
    min_best_score: float
    min_score: float
    min_onet_score: float


@dataclass(frozen=True, slots=True)
class CrowdPrior:
    """How much less a face must score by default where there are others: they come in numbers.

    Attributes:
        slope: By so much the log odds of the limit fall with the logarithm of the number of faces.
        max_others: So many others count.
    """

    slope: float
    max_others: float


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """Everything that the router goes by.

    Attributes:
        min_score: Default limit, on the common scale, of a face without others.
        crowd_prior: By how much that is less where there are others.
        operating_point: What both mean.
        cascade_min_scores: Limits of P-, R- and O-Net, lower than where each is used alone.
        factor: From one level of the pyramid to the next.
        close_up: When the first pass is enough.
        pyramid_stages: From the largest faces to the smallest.
        first_pass: By model, the strongest first.
        box_calibration: By model.
    """

    min_score: float
    crowd_prior: CrowdPrior
    operating_point: OperatingPoint
    cascade_min_scores: tuple[float, float, float]
    factor: float
    close_up: CloseUpRule
    pyramid_stages: tuple[PyramidStageConfig, ...]
    first_pass: Mapping[str, FirstPassConfig]
    box_calibration: Mapping[str, BoxCalibration]


def load_router_config(path: Path | None = None) -> RouterConfig:
    """Return the router's numbers from a file, or those that belong to this phiz.

    Raises:
        CatalogError: They cannot be read, or one is missing, unknown or out of range.
    """
    if path is None:
        path = (
            _PACKAGED_CONFIG
            if _PACKAGED_CONFIG.exists()
            else _CHECKOUT_ROOT / "models" / "router.toml"
        )
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogError(f"the router's numbers {path} cannot be read: {error}") from error
    return parse_router_config(document)


def parse_router_config(document: Mapping[str, Any]) -> RouterConfig:
    """Return the numbers of a file that has been read as TOML.

    Raises:
        CatalogError: One is missing, unknown or out of range.
    """
    keys = {"min_score", "crowd_prior", "operating_point", "cascade", "close_up"}
    keys |= {"pyramid_stages", "first_pass", "box_calibration"}
    top = read_table(dict(document), "the router", keys)
    cascade = {"factor", "pnet_score", "rnet_score", "onet_score"}
    numbers = read_numbers(top["cascade"], "cascade", cascade)
    close_up = {"min_side_share", "min_best_score", "min_score", "min_onet_score"}
    crowd_prior = {"slope", "max_others"}
    return RouterConfig(
        min_score=read_score(top["min_score"], "min_score"),
        crowd_prior=CrowdPrior(**read_numbers(top["crowd_prior"], "crowd_prior", crowd_prior)),
        operating_point=read_operating_point(top["operating_point"], "operating_point"),
        cascade_min_scores=(numbers["pnet_score"], numbers["rnet_score"], numbers["onet_score"]),
        factor=read_score(numbers["factor"], "cascade.factor"),
        close_up=CloseUpRule(**read_numbers(top["close_up"], "close_up", close_up)),
        pyramid_stages=tuple(
            _parse_pyramid_stage(each, f"pyramid_stages.{n}")
            for n, each in enumerate(top["pyramid_stages"])
        ),
        first_pass={
            name: _parse_first_pass(each, f"first_pass.{name}")
            for name, each in top["first_pass"].items()
        },
        box_calibration={
            name: _parse_box_calibration(each, f"box_calibration.{name}")
            for name, each in top["box_calibration"].items()
        },
    )


def _parse_pyramid_stage(value: object, where: str) -> PyramidStageConfig:
    return PyramidStageConfig(**read_numbers(value, where, {"min_face_px", "min_expected_gain"}))


def _parse_first_pass(value: object, where: str) -> FirstPassConfig:
    table = read_table(value, where, WEIGHT_TABLES)
    features = FIRST_PASS_FEATURES, FIRST_PASS_FEATURES, CASCADE_FEATURES
    standalone, unconfirmed, cascade = (
        _parse_weights(table[name], f"{where}.{name}", names)
        for name, names in zip(WEIGHT_TABLES, features, strict=True)
    )
    return FirstPassConfig(standalone, unconfirmed, cascade)


def _parse_weights(value: object, where: str, names: tuple[str, ...]) -> LogisticWeights:
    table = read_numbers(value, where, {"bias", *names})
    # A higher score must never mean less of a face: the order within a model is the model's own.
    for name in {"pnet", "rnet", "onet", "score"} & table.keys():
        if table[name] <= 0:
            raise CatalogError(f"{where}.{name} is {table[name]:g}; it must be above 0")
    return LogisticWeights(table["bias"], tuple(table[name] for name in names))


def _parse_box_calibration(value: object, where: str) -> BoxCalibration:
    table = read_table(value, where, EDGES, {"first_px"})
    left, top, right, bottom = (read_number(table[edge], f"{where}.{edge}") for edge in EDGES)
    first = read_number(table.get("first_px", 0), f"{where}.first_px")
    return BoxCalibration((left, top, right, bottom), first)
