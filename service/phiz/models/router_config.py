"""The numbers of the router, read from ``models/router.toml``."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeAlias

from phiz.errors import CatalogError
from phiz.models.operating_point import OperatingPoint, read_operating_point
from phiz.models.tables import Table, check_keys, find_data_file, read_toml

LogisticWeights: TypeAlias = tuple[float, ...]
"""The weights of a logistic model of candidates; ``confidence.py`` has the features."""

NETWORK_WEIGHTS: Final = ("bias", "score", "seen", "seen_squared", "size")
CONFIRMED_WEIGHTS: Final = ("bias", "score", "onet", "small_onet", "seen", "seen_squared", "size")


@dataclass(frozen=True, slots=True)
class InputSizes:
    """Longer sides of the inputs of the passes, pixels.

    Attributes:
        first: Of the first pass.
        whole: Of the second pass, over the whole image.
        search: Of the third pass, over the whole image.
        region: Of the whole image at the scale of the last pass, which takes a region of it.
    """

    first: float
    whole: float
    search: float
    region: float


@dataclass(frozen=True, slots=True)
class CloseUpRule:
    """The conditions of an image whose faces are all close-ups, so that the first pass suffices.

    Attributes:
        min_side_share: Least share of each face in the shorter side of the image.
        min_best_confidence: Least confidence of the best face.
        min_confidence: Least confidence of a candidate that counts.
    """

    min_side_share: float
    min_best_confidence: float
    min_confidence: float


@dataclass(frozen=True, slots=True)
class RegionRule:
    """The region of the last pass.

    Attributes:
        min_confidence: Least confidence of a candidate in it.
        min_confidence_alone: The same in an image without any sure face.
        max_side_share: Largest share of such a candidate in the longer side of the image.
        margin: Distance of its edges from the candidates, in sides of each.
    """

    min_confidence: float
    min_confidence_alone: float
    max_side_share: float
    margin: float


@dataclass(frozen=True, slots=True)
class CrowdPrior:
    """The reduction of the default limit by other faces, because faces appear in groups.

    Attributes:
        slope: Fall of the limit's log odds by the logarithm of the number of others.
        max_others: Maximum number of others.
        min_confidence: Least confidence of another face that counts. False alarms would vouch for
            each other otherwise.
    """

    slope: float
    max_others: float
    min_confidence: float


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """All numbers of the router.

    Attributes:
        min_score: Default limit of the confidence of a face without others.
        crowd_prior: The reduction of this limit by other faces.
        operating_point: The figures at this limit.
        input_sizes: Of the passes.
        close_up: The conditions under which the first pass suffices.
        region: The region of the last pass.
        confidences: Weights of the candidates of a network, in the order of ``NETWORK_WEIGHTS``.
        confirmed: Weights of the candidates that O-Net has scored, in the order of
            ``CONFIRMED_WEIGHTS``.
    """

    min_score: float
    crowd_prior: CrowdPrior
    operating_point: OperatingPoint
    input_sizes: InputSizes
    close_up: CloseUpRule
    region: RegionRule
    confidences: Mapping[str, LogisticWeights]
    confirmed: LogisticWeights


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
    keys = {field.name for field in fields(RouterConfig)}
    top = Table(check_keys(dict(document), "the router", keys))
    networks = top.read_entries("confidences")
    return RouterConfig(
        min_score=top.read_score("min_score"),
        crowd_prior=CrowdPrior(**top.read_numbers("crowd_prior", _list_names(CrowdPrior))),
        operating_point=read_operating_point(top),
        input_sizes=InputSizes(**top.read_numbers("input_sizes", _list_names(InputSizes))),
        close_up=CloseUpRule(**top.read_numbers("close_up", _list_names(CloseUpRule))),
        region=RegionRule(**top.read_numbers("region", _list_names(RegionRule))),
        confidences={
            name: _parse_weights(networks, name, NETWORK_WEIGHTS) for name in networks.values
        },
        confirmed=_parse_weights(top, "confirmed", CONFIRMED_WEIGHTS),
    )


def _list_names(record: type) -> list[str]:
    return [field.name for field in fields(record)]


def _parse_weights(tables: Table, key: str, names: tuple[str, ...]) -> LogisticWeights:
    weights = tables.read_numbers(key, names)
    # A higher score must never lower the odds of a face, to keep the order within a network.
    if weights["score"] <= 0:
        place = f"{tables.locate(key)}.score"
        raise CatalogError(f"{place} is {weights['score']:g}; it must be above 0")
    return tuple(weights[name] for name in names)
