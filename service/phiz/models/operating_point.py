"""What a default score limit means: how much of what is answered is a face, and how many are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from phiz.models.tables import read_score, read_table, read_text

RECALL_SETS: Final = ("easy", "medium", "hard", "portraits")
"""What the share of faces that are found is given of: WIDER FACE's levels, and portraits."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What was measured of a model at its default limit.

    Attributes:
        measured_on: Photographs.
        precision: Share of the detections that are faces, where all faces are labelled.
        recall: Share of the faces that are found, by the names in ``RECALL_SETS``.
        alarms: Share of the photographs without a face that have a detection.
    """

    measured_on: str
    precision: float
    recall: Mapping[str, float]
    alarms: float


def read_operating_point(value: object, where: str) -> OperatingPoint:
    """Return the operating point of a TOML document.

    Raises:
        CatalogError: An entry is missing, unknown or out of range.
    """
    table = read_table(value, where, {"measured_on", "precision", "alarms", *RECALL_SETS})
    return OperatingPoint(
        measured_on=read_text(table["measured_on"], f"{where}.measured_on"),
        precision=read_score(table["precision"], f"{where}.precision"),
        recall={name: read_score(table[name], f"{where}.{name}") for name in RECALL_SETS},
        alarms=read_score(table["alarms"], f"{where}.alarms"),
    )
