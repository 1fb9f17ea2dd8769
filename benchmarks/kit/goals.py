"""A figure, and what it should be."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Measure: TypeAlias = Literal["ratio", "ms more", "IoU"]


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure.

    Attributes:
        what: Is measured.
        against: What it is held against.
        measure: What the figure is.
        figure: A ratio is that of times, ours to the other's.
        limit: It may have at most, of an IoU at least; None where nothing was aimed for.
        ours_ms: Median time; None where the figure is not one of times.
        other_ms: Likewise.
    """

    what: str
    against: str
    measure: Measure
    figure: float
    limit: float | None = None
    ours_ms: float | None = None
    other_ms: float | None = None

    @property
    def is_reached(self) -> bool | None:
        """Whether the figure is what it should be; None where nothing was aimed for."""
        if self.limit is None:
            return None
        return self.figure >= self.limit if self.measure == "IoU" else self.figure <= self.limit
