"""A figure, and the limit that it is held against."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from benchmarks.kit.pairs import compute_sign_test

Clock: TypeAlias = Literal["wall", "processor"]
CLOCKS: tuple[Clock, ...] = get_args(Clock)

Measure: TypeAlias = Literal["ratio", "ms more", "IoU", ""]
Sense: TypeAlias = Literal["≥", "≤"]
FORMATS = {"ratio": "{:.3f} ×", "ms more": "{:+.2f} ms", "IoU": "{:.4f}", "": "{:.3g}"}


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, the median of the rounds, and its limit; None is no limit.

    ``what`` names the figure, with its unit unless ``measure`` has the quantity. ``against`` is the
    reference of a comparison, and ``other_ms`` its median time. The figure is by ``clock``; beside
    one by the processor's, ``wall`` may be the same figure by the wall's.
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
    clock: Clock = "wall"
    wall: float | None = None
    wall_rounds: Sequence[float] = ()

    @property
    def is_reached(self) -> bool | None:
        """Whether the figure is within its limit; None if there is no goal."""
        if self.limit is None:
            return None
        return self.figure >= self.limit if self.sense == "≥" else self.figure <= self.limit

    @property
    def is_proven_missed(self) -> bool:
        """Whether the limit is missed by processor time, which the neighbours do not change."""
        return self.clock == "processor" and self.is_reached is False

    def format_figure(self) -> str:
        """Return the figure with its unit."""
        return FORMATS[self.measure].format(self.figure)

    def format_wall(self) -> str:
        """Return the figure by the wall's clock with its unit, or an empty text."""
        return "" if self.wall is None else FORMATS[self.measure].format(self.wall)

    def format_sign_test(self) -> str:
        """Return the rounds within the limit by the wall's clock, and the p-value of their number.

        It is an empty text where there is no limit, or no round by this clock.
        """
        rounds = self.rounds if self.clock == "wall" else self.wall_rounds
        if self.limit is None or not rounds:
            return ""
        within = sum((x >= self.limit) if self.sense == "≥" else (x <= self.limit) for x in rounds)
        return f"{within} of {len(rounds)}, p {compute_sign_test(rounds, self.limit):.2g}"

    def format_limit(self) -> str:
        """Return the limit with its sense, or an empty text if there is no goal."""
        return "" if self.limit is None else f"{self.sense} {self.limit:g}"


def format_missed(goals: Iterable[Goal]) -> str:
    """Return the goals that are missed by processor time, a line each, or an empty text."""
    missed = [goal for goal in goals if goal.is_proven_missed]
    lines = [
        f"  {goal.what}{goal.against and ', to ' + goal.against}: {goal.format_figure()}"
        f" where the goal is {goal.format_limit()}"
        for goal in missed
    ]
    return "\n".join([f"MISSED BY PROCESSOR TIME: {len(missed)}", *lines]) if missed else ""
