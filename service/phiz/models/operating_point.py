"""The meaning of a default score limit: precision, recall and false alarms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from phiz.models.tables import Table

RECALL_SETS: Final = ("easy", "medium", "hard", "portraits")
"""The sets of faces that recall is given for: WIDER FACE's levels, and portraits."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The measured figures of a model at its default limit.

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


def read_operating_point(parent: Table) -> OperatingPoint:
    """Return the ``operating_point`` of a table.

    Raises:
        CatalogError: An entry is missing, unknown or out of range.
    """
    keys = {"measured_on", "precision", "alarms", *RECALL_SETS}
    table = parent.read_table("operating_point", keys)
    return OperatingPoint(
        measured_on=table.read_text("measured_on"),
        precision=table.read_score("precision"),
        recall={name: table.read_score(name) for name in RECALL_SETS},
        alarms=table.read_score("alarms"),
    )
