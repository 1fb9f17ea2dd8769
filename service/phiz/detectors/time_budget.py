"""What a step of the router costs on this machine, and what the caller's time still allows."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from phiz.detectors.blazeface import BlazeFace
from phiz.detectors.mtcnn import OUTPUT_BATCH, REFINE_BATCH, Mtcnn
from phiz.faces import DetectOptions
from phiz.image.integral import integral
from phiz.image.lazy import Picture
from phiz.timings import Stopwatch

TRIAL_HW = (480, 640)  # of the picture that costs are measured on
TRIAL_SCALE = 0.5  # of the level, which is then of a common size
TRIALS = 5
# Trials find everything in the cache. Real pictures do not: so much longer do steps take.
MARGIN = 1.25
# For the answer itself: it is encoded after the last look at the clock.
ANSWER_S = 0.0004


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds that steps take on this machine.

    Attributes:
        glances: Of each network that looks at the whole picture, without decoding.
        integral: Of a pixel of the picture, to sum up.
        pnet: Of a pixel of a level, to resize and search.
        rnet: Of a proposal, to cut out and rate.
        onet: Of a candidate, likewise.
    """

    glances: Mapping[str, float]
    integral: float
    pnet: float
    rnet: float
    onet: float

    @classmethod
    def none(cls, glances: Iterable[str]) -> "Costs":
        """Return what a caller goes by who gives all the time that it takes."""
        return cls(dict.fromkeys(glances, 0.0), 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Allowance:
    """The time that one caller gives.

    Attributes:
        budget_s: From the start of the work to the answer; None is without end.
        stopwatch: That of the request.
    """

    budget_s: float | None
    stopwatch: Stopwatch

    def left_s(self) -> float:
        """Return the seconds that are left for detection, infinite without a budget."""
        if self.budget_s is None:
            return math.inf
        return self.budget_s - self.stopwatch.worked_s() - ANSWER_S

    def affords(self, each_s: float, share: float, most: int) -> int:
        """Return how many of a kind fit into a share of what is left, ``most`` at most."""
        if self.budget_s is None:
            return most
        return int(max(0.0, min(share * self.left_s() / each_s, most)))


def measure_costs(glances: Mapping[str, BlazeFace], cascade: Mtcnn) -> Costs:
    """Return what each step takes here, in a tenth of a second or two."""
    rng = np.random.default_rng(1)
    picture = Picture.of(rng.integers(0, 256, (*TRIAL_HW, 3), np.uint8))
    pixels = picture.whole()  # (H, W)
    sums = integral(pixels)
    corners = rng.integers(0, 400, (REFINE_BATCH, 2))  # (B, 2)
    boxes = np.concatenate([corners, corners + 40], axis=1)  # (B, 4)
    squares = boxes[:OUTPUT_BATCH].astype(np.float32)
    level_px = TRIAL_SCALE**2 * pixels.size
    return Costs(
        {name: _seconds(_glance, glance, picture) for name, glance in glances.items()},
        _seconds(lambda: integral(pixels)) / pixels.size,
        _seconds(lambda: cascade.propose_level(sums, TRIAL_SCALE, Stopwatch())) / level_px,
        _seconds(lambda: cascade.rate(sums, boxes, Stopwatch())) / REFINE_BATCH,
        _seconds(lambda: cascade.judge(sums, squares, 0.0, Stopwatch())) / OUTPUT_BATCH,
    )


def _glance(glance: BlazeFace, picture: Picture) -> None:
    glance.detect(picture, DetectOptions(), Stopwatch())


def _seconds(step: Callable[..., object], *given: object) -> float:
    """Return what a step takes, after a first try that does what is done only once.

    That is the fastest of some trials: whatever else the machine does makes them longer, and
    would mislead the router for as long as it runs.
    """
    step(*given)
    taken = []
    for _ in range(TRIALS):
        stopwatch = Stopwatch()
        step(*given)
        stopwatch.lap("inference")
        taken.append(stopwatch.timings().total_s)
    return MARGIN * min(taken)
