"""The time budget of a caller, and the costs of steps on this machine."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from phiz.timings import Stopwatch

TRIAL_COUNT: Final = 5
# Steps take this much longer on real images, because trials find everything in the cache.
COST_MARGIN: Final = 1.25
# Reserve for resolving overlaps and for encoding the answer, after the last reading of the clock.
ENCODING_RESERVE_S: Final = 0.0009


@dataclass(frozen=True, slots=True)
class TimeBudget:
    """The time budget of one caller.

    Attributes:
        budget_s: Seconds from the start of the work to the answer; None means no limit.
        stopwatch: The stopwatch of the request.
    """

    budget_s: float | None
    stopwatch: Stopwatch

    def get_remaining_s(self) -> float:
        """Return the seconds left for detection; infinite without a budget."""
        if self.budget_s is None:
            return math.inf
        return self.budget_s - self.stopwatch.measure_work_s() - ENCODING_RESERVE_S


def measure_step_s(step: Callable[[], object]) -> float:
    """Return the seconds of a step, after one warm-up.

    This is the fastest of some trials. Other work on the machine only slows trials down, and
    would mislead its callers as long as the process runs.
    """
    step()
    durations_s = []
    for _ in range(TRIAL_COUNT):
        stopwatch = Stopwatch()
        step()
        stopwatch.lap("inference")
        durations_s.append(stopwatch.to_timings().total_s)
    return COST_MARGIN * min(durations_s)
