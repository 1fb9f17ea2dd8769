"""The costs of the router's steps on this machine, and the time budget of a caller."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from phiz.detectors.blazeface import BlazeFace
from phiz.detectors.mtcnn import ONET_BATCH_SIZE, RNET_BATCH_SIZE, Mtcnn
from phiz.faces import DetectOptions
from phiz.image.integral import compute_integral
from phiz.image.lazy import LazyImage
from phiz.timings import Stopwatch

TRIAL_SHAPE_HW = (480, 640)  # of the image for the measurement of costs
TRIAL_LEVEL_SCALE = 0.5  # of the level, which then has a common size
TRIAL_COUNT = 5
# Steps take this much longer on real images, because trials find everything in the cache.
COST_MARGIN = 1.25
# Reserve for encoding the answer, after the last reading of the clock.
ENCODING_RESERVE_S = 0.0004


@dataclass(frozen=True, slots=True)
class StepCosts:
    """Seconds per step on this machine.

    Attributes:
        first_pass_s: Each network of the first pass, without decoding.
        integral_s_per_px: The integral, per pixel of the image.
        pnet_s_per_px: Resizing and P-Net, per pixel of a level.
        rnet_s_per_crop: Cropping and R-Net, per proposal.
        onet_s_per_crop: Cropping and O-Net, per candidate.
    """

    first_pass_s: Mapping[str, float]
    integral_s_per_px: float
    pnet_s_per_px: float
    rnet_s_per_crop: float
    onet_s_per_crop: float

    @classmethod
    def zeros(cls, models: Iterable[str]) -> "StepCosts":
        """Return costs of 0, for callers without a budget."""
        return cls(dict.fromkeys(models, 0.0), 0.0, 0.0, 0.0, 0.0)


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

    def count_affordable(self, unit_cost_s: float, share: float, max_count: int) -> int:
        """Return how many units fit into a share of the time left, at most ``max_count``."""
        if self.budget_s is None:
            return max_count
        return int(max(0.0, min(share * self.get_remaining_s() / unit_cost_s, max_count)))


def measure_step_costs(first_pass: Mapping[str, BlazeFace], cascade: Mtcnn) -> StepCosts:
    """Return the measured costs of all steps. This takes 0.1 to 0.2 seconds."""
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
            name: _measure_step_s(partial(network.detect, image, DetectOptions(), Stopwatch()))
            for name, network in first_pass.items()
        },
        _measure_step_s(lambda: compute_integral(pixels)) / pixels.size,
        _measure_step_s(lambda: cascade.propose_level(sums, TRIAL_LEVEL_SCALE, Stopwatch()))
        / level_px,
        _measure_step_s(lambda: cascade.run_rnet(sums, boxes, Stopwatch())) / RNET_BATCH_SIZE,
        _measure_step_s(lambda: cascade.run_onet(sums, squares, 0.0, Stopwatch()))
        / ONET_BATCH_SIZE,
    )


def _measure_step_s(step: Callable[[], object]) -> float:
    """Return the seconds of a step, after one warm-up.

    This is the fastest of some trials. Other work on the machine only slows trials down, and
    would mislead the router as long as the process runs.
    """
    step()
    durations_s = []
    for _ in range(TRIAL_COUNT):
        stopwatch = Stopwatch()
        step()
        stopwatch.lap("inference")
        durations_s.append(stopwatch.to_timings().total_s)
    return COST_MARGIN * min(durations_s)
