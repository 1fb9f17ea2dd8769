"""What a step of the router costs on this machine, and what the caller's time still allows."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from phiz.detectors.blazeface import BlazeFace
from phiz.detectors.mtcnn import ONET_BATCH_SIZE, RNET_BATCH_SIZE, Mtcnn
from phiz.faces import DetectOptions
from phiz.image.integral import compute_integral
from phiz.image.lazy import LazyImage
from phiz.timings import Stopwatch

TRIAL_SHAPE_HW = (480, 640)  # of the picture that costs are measured on
TRIAL_LEVEL_SCALE = 0.5  # of the level, which is then of a common size
TRIAL_COUNT = 5
# Trials find everything in the cache. Real pictures do not: so much longer do steps take.
COST_MARGIN = 1.25
# For the answer itself: it is encoded after the last look at the clock.
ENCODING_RESERVE_S = 0.0004


@dataclass(frozen=True, slots=True)
class StepCosts:
    """Seconds that steps take on this machine.

    Attributes:
        first_pass_s: Of each network that looks at the whole picture, without decoding.
        integral_s_per_px: Of a pixel of the picture, to sum up.
        pnet_s_per_px: Of a pixel of a level, to resize and search.
        rnet_s_per_crop: Of a proposal, to cut out and rate.
        onet_s_per_crop: Of a candidate, likewise.
    """

    first_pass_s: Mapping[str, float]
    integral_s_per_px: float
    pnet_s_per_px: float
    rnet_s_per_crop: float
    onet_s_per_crop: float

    @classmethod
    def zeros(cls, models: Iterable[str]) -> "StepCosts":
        """Return what a caller goes by who gives all the time that it takes."""
        return cls(dict.fromkeys(models, 0.0), 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class TimeBudget:
    """The time that one caller gives.

    Attributes:
        budget_s: From the start of the work to the answer; None is without end.
        stopwatch: That of the request.
    """

    budget_s: float | None
    stopwatch: Stopwatch

    def get_remaining_s(self) -> float:
        """Return the seconds that are left for detection, infinite without a budget."""
        if self.budget_s is None:
            return math.inf
        return self.budget_s - self.stopwatch.measure_work_s() - ENCODING_RESERVE_S

    def count_affordable(self, unit_cost_s: float, share: float, max_count: int) -> int:
        """Return how many of a kind fit into a share of what is left, ``max_count`` at most."""
        if self.budget_s is None:
            return max_count
        return int(max(0.0, min(share * self.get_remaining_s() / unit_cost_s, max_count)))


def measure_step_costs(first_pass: Mapping[str, BlazeFace], cascade: Mtcnn) -> StepCosts:
    """Return what each step takes here, in a tenth of a second or two."""
    rng = np.random.default_rng(1)
    image = LazyImage.from_array(rng.integers(0, 256, (*TRIAL_SHAPE_HW, 3), np.uint8))
    pixels = image.decode_full()  # (H, W)
    sums = compute_integral(pixels)
    corners = rng.integers(0, 400, (RNET_BATCH_SIZE, 2))  # (B, 2)
    boxes = np.concatenate([corners, corners + 40], axis=1)  # (B, 4)
    squares = boxes[:ONET_BATCH_SIZE].astype(np.float32)
    level_px = TRIAL_LEVEL_SCALE**2 * pixels.size
    return StepCosts(
        {
            name: _measure_step_s(_run_first_pass, network, image)
            for name, network in first_pass.items()
        },
        _measure_step_s(lambda: compute_integral(pixels)) / pixels.size,
        _measure_step_s(lambda: cascade.propose_level(sums, TRIAL_LEVEL_SCALE, Stopwatch()))
        / level_px,
        _measure_step_s(lambda: cascade.run_rnet(sums, boxes, Stopwatch())) / RNET_BATCH_SIZE,
        _measure_step_s(lambda: cascade.run_onet(sums, squares, 0.0, Stopwatch()))
        / ONET_BATCH_SIZE,
    )


def _run_first_pass(network: BlazeFace, image: LazyImage) -> None:
    network.detect(image, DetectOptions(), Stopwatch())


def _measure_step_s(step: Callable[..., object], *args: object) -> float:
    """Return what a step takes, after a first try that does what is done only once.

    That is the fastest of some trials: whatever else the machine does makes them longer, and
    would mislead the router for as long as it runs.
    """
    step(*args)
    durations_s = []
    for _ in range(TRIAL_COUNT):
        stopwatch = Stopwatch()
        step(*args)
        stopwatch.lap("inference")
        durations_s.append(stopwatch.to_timings().total_s)
    return COST_MARGIN * min(durations_s)
