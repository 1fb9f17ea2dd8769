import math

import numpy as np
import pytest

from phiz.tracking import smoothing
from phiz.tracking.smoothing import FloatArray, smooth_points

FPS = 25
SIZE_PX = 100.0
POINTS = 6


def run(places: FloatArray, size_px: float = SIZE_PX, fps: float = FPS) -> FloatArray:
    """Smooth the points (T, P, 2) of one face."""
    smooth, speeds = np.full((1, *places.shape[1:]), np.nan), np.zeros((1, *places.shape[1:]))
    found = []
    for points in places:
        smooth, speeds = smooth_points(
            points[None], smooth, speeds, np.array([size_px]), np.array([1 / fps])
        )
        found.append(smooth[0])
    return np.array(found)


def move(speed: float, frames: int = 50) -> FloatArray:
    """The points of a face that moves to the right, in sizes of the face per second."""
    shifts = np.arange(frames)[:, None, None] * np.array([speed * SIZE_PX / FPS, 0.0])
    start = np.array([[10.0 * place, 7.0 * place] for place in range(POINTS)])
    places: FloatArray = start + shifts  # (T, P, 2)
    return places


def test_first_frame_and_new_points_stay_as_they_are() -> None:
    points = move(0.0, 2)
    assert run(points[:1]).tolist() == points[:1].tolist()
    before = points[:1].copy()
    before[0, 3] = np.nan
    moved = points[:1] + 5
    smooth, _ = smooth_points(
        moved, before, np.zeros_like(before), np.array([SIZE_PX]), np.array([1 / FPS])
    )
    assert smooth[0, 3].tolist() == moved[0, 3].tolist()
    assert (smooth[0, :3] < moved[0, :3]).all()


def test_step_follows_the_paper() -> None:
    start = move(0.0, 1)
    end = start + np.array([3.0, 4.0])
    smooth, speeds = smooth_points(
        end, start, np.zeros_like(start), np.array([SIZE_PX]), np.array([0.1])
    )

    def weigh(cutoff_hz: float) -> float:
        return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * 0.1))

    speed = weigh(smoothing.SPEED_CUTOFF_HZ) * 50  # 5 pixels in a tenth of a second
    assert np.hypot(*speeds[0, 0]) == pytest.approx(speed)
    cutoff_hz = smoothing.MIN_CUTOFF_HZ + smoothing.CUTOFF_PER_FACE_SPEED * speed / SIZE_PX
    assert smooth[0, 0] == pytest.approx(weigh(cutoff_hz) * np.array([3.0, 4.0]))


def test_jitter_of_still_face_is_less_than_a_third() -> None:
    random = np.random.default_rng(0)
    places = move(0.0, 200) + random.normal(0, 0.4, (200, POINTS, 2))
    smooth = run(places)
    before, after = (np.diff(each[20:], axis=0).std() for each in (places, smooth))
    assert after < before / 3


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
def test_moving_face_is_hardly_late(speed: float) -> None:
    places = move(speed)
    late_px = (places - run(places))[25:, :, 0]
    assert 0 < late_px.max() < 0.035 * SIZE_PX


def test_smoothing_does_not_depend_on_the_scale() -> None:
    places = move(0.3) + np.random.default_rng(1).normal(0, 1, (50, POINTS, 2))
    assert run(7 * places, 7 * SIZE_PX) == pytest.approx(7 * run(places))


def test_one_moment_twice_gives_numbers() -> None:
    start = move(0.0, 1)
    smooth, speeds = smooth_points(
        start + 1, start, np.zeros_like(start), np.array([0.0]), np.array([0.0])
    )
    assert np.isfinite(smooth).all()
    assert np.isfinite(speeds).all()
