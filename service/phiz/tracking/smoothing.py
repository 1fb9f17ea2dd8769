"""Steadier points: the One Euro filter, for the points of a face together.

Each point is averaged over time, the less the faster it moves. A still face is therefore steady,
and a moving one is not late. Speeds count in sizes of the face, so that near and far faces are
smoothed alike. The whole face counts more than the movement of a point within it, which is mostly
jitter.

Source: Casiez, Roussel, Vogel, "1 € Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems" (2012).
"""

import math
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]

# Chosen on a still head, and on a head moved at known speeds (benchmarks/accuracy/tracking.py).
MIN_CUTOFF_HZ: Final = 0.5  # of a point that does not move
# Hz for each size of the face per second: of the whole face, and of a point within it. The speed of
# the whole face is the median of its points, which is hardly disturbed by their jitter.
CUTOFF_PER_FACE_SPEED: Final = 8.0
CUTOFF_PER_POINT_SPEED: Final = 2.0
SPEED_CUTOFF_HZ: Final = 1.0  # of the speeds themselves
MIN_STEP_S: Final = 1e-3  # frames of one moment count as so far apart


def smooth_points(
    points: FloatArray,
    before: FloatArray,
    speeds_before: FloatArray,
    sizes_px: FloatArray,
    steps_s: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Return the smoothed points (N, P, 2) and their speeds (N, P, 2) in pixels per second.

    Args:
        points: (N, P, 2), pixels.
        before: (N, P, 2), the smoothed points of the last frame. NaN for a point that is new.
        speeds_before: (N, P, 2), their speeds.
        sizes_px: (N,), sizes of the faces.
        steps_s: (N,), seconds since that frame.
    """
    steps = np.maximum(steps_s, MIN_STEP_S)[:, None, None]  # (N, 1, 1)
    is_new = np.isnan(before)
    start = np.where(is_new, points, before)
    weight = _compute_weight(SPEED_CUTOFF_HZ, steps)
    speeds = speeds_before + weight * ((points - start) / steps - speeds_before)  # (N, P, 2)
    common = np.median(speeds, axis=1, keepdims=True)  # (N, 1, 2)
    sizes = np.maximum(sizes_px, 1.0)[:, None, None]
    cutoff_hz = (
        MIN_CUTOFF_HZ
        + CUTOFF_PER_FACE_SPEED * _measure_lengths(common) / sizes
        + CUTOFF_PER_POINT_SPEED * _measure_lengths(speeds - common) / sizes
    )  # (N, P, 1)
    weights = _compute_weight(cutoff_hz, steps)
    return start + weights * (points - start), speeds


def _measure_lengths(vectors: FloatArray) -> FloatArray:
    """Return the lengths (…, 1) of vectors (…, 2)."""
    return np.hypot(vectors[..., :1], vectors[..., 1:])


def _compute_weight(cutoff_hz: float | FloatArray, steps_s: FloatArray) -> FloatArray:
    """Return the weight of the newest value in a low-pass filter."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * steps_s))
