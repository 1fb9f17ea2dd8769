"""The numbers of the router, read from ``models/router.toml``."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from phiz.errors import CatalogError
from phiz.models.operating_point import OperatingPoint, read_operating_point
from phiz.models.tables import Table, check_keys, find_data_file, read_toml

CASCADE_FEATURES: Final = ("pnet", "rnet", "onet", "first_pass_score", "missed_size")
FIRST_PASS_FEATURES: Final = ("score", "relative_size")
CASCADE_SCORES: Final = ("pnet_score", "rnet_score", "onet_score")
EDGES: Final = ("left", "top", "right", "bottom")
WEIGHT_TABLES: Final = ("standalone", "unconfirmed", "cascade")


@dataclass(frozen=True, slots=True)
class LogisticWeights:
    """A logistic model: the log odds of a face are ``bias`` plus the weighted features.

    Attributes:
        bias: Log odds where all features are 0.
        coefficients: (E,), in the order of ``CASCADE_FEATURES`` or ``FIRST_PASS_FEATURES``.
    """

    bias: float
    coefficients: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class BoxCalibration:
    """The offsets of a model's box edges from those of people's boxes.

    Attributes:
        edge_offsets: Left, top, right and bottom edge, shares of the box's width or height.
        first_px: Of the first pixel, as the model counts: 1 where boxes count from 1.
    """

    edge_offsets: tuple[float, float, float, float]
    first_px: float


@dataclass(frozen=True, slots=True)
class FirstPassConfig:
    """The weights of a network of the first pass.

    Attributes:
        standalone: For its detections without the cascade.
        unconfirmed: For its detections that the cascade did not find.
        cascade: For the cascade's detections.
    """

    standalone: LogisticWeights
    unconfirmed: LogisticWeights
    cascade: LogisticWeights


@dataclass(frozen=True, slots=True)
class PyramidStageConfig:
    """A group of levels of the pyramid, searched together.

    Attributes:
        min_face_px: Side of the smallest faces that it finds.
        min_expected_gain: Small faces that must have been found before.
    """

    min_face_px: float
    min_expected_gain: float


@dataclass(frozen=True, slots=True)
class CloseUpRule:
    """The conditions of an image whose faces are all close-ups, so that the first pass suffices.

    Attributes:
        min_side_share: Least share of each face in the shorter side of the image.
        min_best_score: Least score of the best face.
        min_score: Least score of a detection that counts.
        min_onet_score: Least score of O-Net for each of these.
    """

    min_side_share: float
    min_best_score: float
    min_score: float
    min_onet_score: float


@dataclass(frozen=True, slots=True)
class CrowdPrior:
    """The reduction of the default limit by other faces, because faces appear in groups.

    Attributes:
        slope: Fall of the limit's log odds by the logarithm of the number of faces.
        max_others: Maximum number of others.
    """

    slope: float
    max_others: float


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """All numbers of the router.

    Attributes:
        min_score: Default limit, on the common scale, of a face without others.
        crowd_prior: The reduction of this limit by other faces.
        operating_point: The figures at this limit.
        cascade_min_scores: Limits of P-, R- and O-Net, lower than those of the cascade alone.
        factor: Ratio of the scales of successive pyramid levels.
        close_up: The conditions under which the first pass suffices.
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
    """Return the numbers of a file, or those of this phiz.

    Raises:
        CatalogError: The file cannot be read, or a number is missing, unknown or out of range.
    """
    document = read_toml(path or find_data_file("router.toml"), "the router's numbers")
    return parse_router_config(document)


def parse_router_config(document: Mapping[str, Any]) -> RouterConfig:
    """Return the numbers of a TOML document.

    Raises:
        CatalogError: A number is missing, unknown or out of range.
    """
    keys = {"min_score", "crowd_prior", "operating_point", "cascade", "close_up"}
    keys |= {"pyramid_stages", "first_pass", "box_calibration"}
    top = Table(check_keys(dict(document), "the router", keys))
    cascade = top.read_table("cascade", {"factor", *CASCADE_SCORES})
    pnet, rnet, onet = map(cascade.read_number, CASCADE_SCORES)
    stages = Table(
        {str(n): stage for n, stage in enumerate(top.values["pyramid_stages"])}, "pyramid_stages"
    )
    first_pass, boxes = top.read_entries("first_pass"), top.read_entries("box_calibration")
    return RouterConfig(
        min_score=top.read_score("min_score"),
        crowd_prior=CrowdPrior(**top.read_numbers("crowd_prior", _list_names(CrowdPrior))),
        operating_point=read_operating_point(top),
        cascade_min_scores=(pnet, rnet, onet),
        factor=cascade.read_score("factor"),
        close_up=CloseUpRule(**top.read_numbers("close_up", _list_names(CloseUpRule))),
        pyramid_stages=tuple(
            PyramidStageConfig(**stages.read_numbers(n, _list_names(PyramidStageConfig)))
            for n in stages.values
        ),
        first_pass={name: _parse_first_pass(first_pass, name) for name in first_pass.values},
        box_calibration={name: _parse_box_calibration(boxes, name) for name in boxes.values},
    )


def _list_names(record: type) -> list[str]:
    return [field.name for field in fields(record)]


def _parse_first_pass(models: Table, name: str) -> FirstPassConfig:
    table = models.read_table(name, WEIGHT_TABLES)
    return FirstPassConfig(
        standalone=_parse_weights(table, "standalone", FIRST_PASS_FEATURES),
        unconfirmed=_parse_weights(table, "unconfirmed", FIRST_PASS_FEATURES),
        cascade=_parse_weights(table, "cascade", CASCADE_FEATURES),
    )


def _parse_weights(model: Table, key: str, names: tuple[str, ...]) -> LogisticWeights:
    weights = model.read_numbers(key, {"bias", *names})
    # A higher score must never lower the odds of a face, to keep the order within a model.
    for name in {"pnet", "rnet", "onet", "score"} & weights.keys():
        if weights[name] <= 0:
            place = f"{model.locate(key)}.{name}"
            raise CatalogError(f"{place} is {weights[name]:g}; it must be above 0")
    return LogisticWeights(weights["bias"], tuple(weights[name] for name in names))


def _parse_box_calibration(models: Table, name: str) -> BoxCalibration:
    table = models.read_table(name, EDGES, {"first_px"})
    left, top, right, bottom = map(table.read_number, EDGES)
    first_px = table.read_number("first_px") if "first_px" in table.values else 0.0
    return BoxCalibration((left, top, right, bottom), first_px)
