"""A figure, and the limit that it is held against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Measure: TypeAlias = Literal["ratio", "ms more", "IoU", ""]
Sense: TypeAlias = Literal["≥", "≤"]
FORMATS = {"ratio": "{:.3f} ×", "ms more": "{:+.2f} ms", "IoU": "{:.4f}", "": "{:.3g}"}


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, the median of the rounds, and its limit; None is no limit.

    ``what`` names the figure, with its unit unless ``measure`` has the quantity. ``against`` is the
    reference of a comparison, and ``other_ms`` its median time.
    """

    what: str
    figure: float
    sense: Sense = "≤"
    limit: float | None = None
    rounds: Sequence[float] = ()
    measure: Measure = ""
    against: str = ""
    ours_ms: float | None = None
    other_ms: float | None = None

    @property
    def is_reached(self) -> bool | None:
        """Whether the figure is within its limit; None if there is no goal."""
        if self.limit is None:
            return None
        return self.figure >= self.limit if self.sense == "≥" else self.figure <= self.limit

    def format_figure(self) -> str:
        """Return the figure with its unit."""
        return FORMATS[self.measure].format(self.figure)

    def format_limit(self) -> str:
        """Return the limit with its sense, or an empty text if there is no goal."""
        return "" if self.limit is None else f"{self.sense} {self.limit:g}"
