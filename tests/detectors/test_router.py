from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from phiz.detectors.detector import Detector
from phiz.detectors.router import Router
from phiz.detectors.time_budget import StepCosts
from phiz.faces import ROUTE_REASONS, Detections, DetectOptions, RgbImage
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.image.resample import Sampling
from phiz.runtime import Session
from phiz.timings import Stopwatch

Read = Callable[[str], LazyImage]

COSTS = StepCosts({"back": 6e-3, "full": 4e-3, "front": 2e-3}, 4e-9, 60e-9, 40e-6, 250e-6)
SELFIE, GROUP, ROW = "selfie_360x640.png", "group_640x480.png", "row_960x540.png"


class Clock:
    """A clock that moves only when work is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Slow:
    """A network that takes as long by a clock as its cost says."""

    session: Session
    clock: Clock
    seconds: Callable[[NDArray[Any]], float]

    def run(self, inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        self.clock.now += self.seconds(inputs)
        return self.session.run(inputs)


@pytest.fixture
def router(load_with: Callable[[Sampling], dict[str, Detector]]) -> Router:
    detector = load_with("half-pixel")["auto"]
    assert isinstance(detector, Router)
    return detector


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slow(router: Router, clock: Clock) -> Router:
    """The router with networks that take exactly what it believes."""
    first_pass = {
        name: replace(
            network, session=Slow(network.session, clock, _always(COSTS.first_pass_s[name]))
        )
        for name, network in router.first_pass.items()
    }
    cascade = replace(
        router.cascade,
        pnet=Slow(router.cascade.pnet, clock, lambda each: COSTS.pnet_s_per_px * each.size / 3),
        rnet=Slow(router.cascade.rnet, clock, lambda each: COSTS.rnet_s_per_crop * len(each)),
        onet=Slow(router.cascade.onet, clock, lambda each: COSTS.onet_s_per_crop * len(each)),
    )
    return replace(router, first_pass=first_pass, cascade=cascade, get_costs=lambda: COSTS)


def detect(
    router: Router, image: LazyImage, clock: Clock | None = None, **options: Any
) -> Detections:
    stopwatch = Stopwatch(clock=clock) if clock else Stopwatch()
    return router.detect(image, DetectOptions(**options), stopwatch)


def crowd(image: LazyImage, side: int) -> LazyImage:
    """The selfie's face at a size of some pixels, forty times on grey."""
    canvas = np.full((480, 640, 3), 128, np.uint8)
    full = image.decode_full()
    pixels = full.view("<u4").view(np.uint8).reshape(*full.shape, 4)
    face = pixels[150:390, 60:300, :3]
    small: RgbImage = face[:: 240 // side, :: 240 // side]
    height, width, _ = small.shape
    for row in range(5):
        for column in range(8):
            y, x = 10 + 92 * row, 10 + 78 * column
            canvas[y : y + height, x : x + width] = small
    return LazyImage.from_array(canvas)


def ran(found: Detections) -> list[bool]:
    return [step.ran for step in found.route]


def reasons(found: Detections) -> list[str]:
    return [step.reason for step in found.route]


@pytest.mark.parametrize("budget_ms", [2, 3, 5, 8, 13, 20, 35, 60, None])
@pytest.mark.parametrize("name", [SELFIE, GROUP, ROW])
def test_each_step_has_a_known_reason(
    slow: Router, clock: Clock, read_image: Read, name: str, budget_ms: float | None
) -> None:
    found = detect(slow, read_image(name), clock, budget_ms=budget_ms)
    assert set(reasons(found)) <= set(ROUTE_REASONS)
    skipped = {step.reason for step in found.route if not step.ran}
    assert skipped <= {"close_up", "close_up_unconfirmed", "too_few_expected", "no_time_left"}


@pytest.mark.parametrize(
    ("budget_ms", "reason"), [(2, "budget_spent"), (5, "fits_budget"), (60, "first_pass")]
)
def test_reason_of_first_pass_follows_budget(
    slow: Router, clock: Clock, read_image: Read, budget_ms: float, reason: str
) -> None:
    assert reasons(detect(slow, read_image(SELFIE), clock, budget_ms=budget_ms))[0] == reason


def test_close_up_without_time_to_confirm_says_so(
    slow: Router, clock: Clock, read_image: Read
) -> None:
    near = LazyImage.from_array(np.ascontiguousarray(_pixels(read_image(SELFIE))[100:460]))
    assert reasons(detect(slow, near, clock, budget_ms=5))[-1] == "close_up_unconfirmed"


def test_a_near_face_is_answered_at_a_glance(router: Router, read_image: Read) -> None:
    near = LazyImage.from_array(np.ascontiguousarray(_pixels(read_image(SELFIE))[100:460]))
    found = detect(router, near)
    assert [face.model for face in found.faces] == ["back"]
    assert [(step.model, step.ran) for step in found.route] == [("back", True), ("mtcnn", False)]
    assert reasons(found) == ["first_pass", "close_up"]
    assert found.route[1].why == (
        "skipped the cascade: every face that back found is a close-up, and O-Net confirmed this"
    )


def test_a_crowd_is_climbed_for_and_the_route_says_why(router: Router, read_image: Read) -> None:
    found = detect(router, crowd(read_image(SELFIE), 60))
    assert len(found.faces) == 40
    assert ran(found)[:3] == [True, True, True]
    assert reasons(found)[:3] == ["first_pass", "not_close_up", "more_faces_expected"]
    assert found.route[0].why == "back is the most accurate model for the first pass"
    assert found.route[1].why == (
        "the first pass found no close-up; searching for faces of 40 px and larger"
    )
    assert found.route[2].why.startswith("searching for faces of 24 px: ")
    assert found.route[2].why.endswith(" faces below 64 px expected, 0.8 needed")


def test_an_empty_picture_is_left_after_the_large_faces(router: Router) -> None:
    found = detect(router, LazyImage.from_array(np.full((300, 400, 3), 90, np.uint8)))
    assert found.faces == ()
    assert ran(found) == [True, True, False]
    assert reasons(found) == ["first_pass", "not_close_up", "too_few_expected"]
    assert found.route[2].why == (
        "skipped faces of 24 px: 0.0 faces below 64 px expected, 0.8 needed"
    )


@pytest.mark.parametrize("name", [GROUP, ROW])
def test_faces_come_by_falling_confidence_each_once(
    router: Router, read_image: Read, name: str
) -> None:
    faces = detect(router, read_image(name)).faces
    assert len(faces) == {GROUP: 4, ROW: 6}[name]
    assert [face.score for face in faces] == sorted((f.score for f in faces), reverse=True)
    assert all({"left_eye", "right_eye", "nose"} <= set(face.landmarks) for face in faces)


def test_small_faces_are_not_looked_for_where_none_are_wanted(
    router: Router, read_image: Read
) -> None:
    image = crowd(read_image(SELFIE), 60)
    assert len(detect(router, image, min_face=45).route) == 2
    assert all(
        min(face.box[2] - face.box[0], face.box[3] - face.box[1]) >= 30
        for face in detect(router, image, min_face=30).faces
    )


def test_a_lower_limit_gives_the_same_faces_first(router: Router, read_image: Read) -> None:
    few, many = (detect(router, read_image(ROW), min_score=limit).faces for limit in (0.7, 0.0))
    assert many[: len(few)] == few
    assert detect(router, read_image(ROW), max_faces=2).faces == few[:2]


@pytest.mark.parametrize("budget_ms", [3, 5, 8, 13, 20, 35, 60, 100])
@pytest.mark.parametrize("name", [SELFIE, GROUP, ROW])
def test_a_budget_is_kept(
    slow: Router, clock: Clock, read_image: Read, name: str, budget_ms: float
) -> None:
    detect(slow, read_image(name), clock, budget_ms=budget_ms)
    assert 0 < 1000 * clock.now <= budget_ms


def test_faces_found_grow_with_the_budget(slow: Router, read_image: Read) -> None:
    image = crowd(read_image(SELFIE), 60)
    counts = [len(detect(slow, image, Clock(), budget_ms=budget).faces) for budget in (3, 30, 300)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == 40


@pytest.mark.parametrize(
    ("budget_ms", "model"), [(3, "front"), (5, "full"), (8, "back"), (None, "back")]
)
def test_the_strongest_look_that_fits_is_taken(
    slow: Router, clock: Clock, read_image: Read, budget_ms: float | None, model: str
) -> None:
    found = detect(slow, read_image(SELFIE), clock, budget_ms=budget_ms)
    assert found.route[0].model == model


@pytest.mark.parametrize(("budget_ms", "model"), [(5, "front"), (9, "full"), (13, "back")])
def test_second_pass_doubles_the_time_of_a_step(
    slow: Router, clock: Clock, read_image: Read, budget_ms: float, model: str
) -> None:
    found = detect(slow, read_image(SELFIE), clock, budget_ms=budget_ms, passes=2)
    assert found.route[0].model == model


def test_a_look_has_as_many_passes_as_are_asked_for(router: Router, read_image: Read) -> None:
    near = LazyImage.from_array(np.ascontiguousarray(_pixels(read_image(SELFIE))[100:460]))
    once, twice = (detect(router, near, passes=passes).faces for passes in (1, 2))
    assert [face.model for face in twice] == ["back"]
    assert once != twice


def test_front_runs_where_decoding_took_the_whole_budget(slow: Router, clock: Clock) -> None:
    image = np.zeros((100, 100), np.uint32)

    def read(_: int) -> Any:
        clock.now += 0.030
        return LazyImage.from_packed(image).decode_scaled(0)

    found = detect(slow, LazyImage((100, 100), read), clock, budget_ms=20)
    assert [(step.model, step.ran) for step in found.route] == [("front", True), ("mtcnn", False)]
    assert reasons(found) == ["budget_spent", "no_time_left"]
    assert found.route[0].why == (
        "front is the fastest model; 30.0 ms of the budget of 20 ms were spent before it"
    )
    assert found.route[1].why == (
        "skipped the next stage of the cascade: 0.0 ms of the budget of 20 ms are left,"
        " which is too short"
    )


@pytest.mark.parametrize(
    ("decode_ms", "budget_ms", "is_whole"),
    [
        # To decode 1200 x 800 pixels whole is expected to take three times as long as at a half,
        # and to sum them up 3.8 ms. After the look of 6 ms that must be 0.3 of what is left.
        pytest.param(1, 28, False, id="1 ms, 0.33 of 20.6 ms"),
        pytest.param(1, 32, True, id="1 ms, 0.28 of 24.6 ms"),
        pytest.param(2, 39, False, id="2 ms, 0.32 of 30.6 ms"),
        pytest.param(2, 44, True, id="2 ms, 0.28 of 35.6 ms"),
        pytest.param(5, 70, False, id="5 ms, 0.32 of 58.6 ms"),
        pytest.param(5, 78, True, id="5 ms, 0.28 of 66.6 ms"),
        pytest.param(20, None, True, id="without a budget"),
    ],
)
def test_whole_picture_is_decoded_where_that_takes_at_most_three_tenths_of_the_time(
    slow: Router, clock: Clock, decode_ms: float, budget_ms: float | None, *, is_whole: bool
) -> None:
    factors: list[int] = []

    def read(factor: int) -> ScaledImage:
        factors.append(factor)
        clock.now += decode_ms / 1000
        return ScaledImage(np.full((800 // factor, 1200 // factor), 0x5A5A5A, np.uint32), factor)

    found = detect(slow, LazyImage((1200, 800), read), clock, budget_ms=budget_ms)
    assert found.route[0].model == "back"
    assert factors == ([2, 1] if is_whole else [2])


def _always(seconds: float) -> Callable[[NDArray[Any]], float]:
    return lambda _: seconds


def _pixels(image: LazyImage) -> RgbImage:
    words = image.decode_full()
    return np.ascontiguousarray(words.astype("<u4")[..., None].view(np.uint8)[..., :3])


def test_costs_are_not_measured_without_a_budget(slow: Router, read_image: Read) -> None:
    def fail() -> StepCosts:
        raise AssertionError("who gives no budget waited for the costs")

    free = detect(replace(slow, get_costs=fail), read_image(GROUP), Clock())
    assert [face.box for face in free.faces] == [
        face.box for face in detect(slow, read_image(GROUP), Clock(), budget_ms=60_000).faces
    ]


def test_measuring_costs_takes_nothing_of_the_budget(
    slow: Router, clock: Clock, read_image: Read
) -> None:
    def measure() -> StepCosts:
        clock.now += 1
        return COSTS

    stopwatch = Stopwatch(clock=clock)
    options = DetectOptions(budget_ms=20)
    found = replace(slow, get_costs=measure).detect(read_image(SELFIE), options, stopwatch)
    assert found.route == detect(slow, read_image(SELFIE), Clock(), budget_ms=20).route
    assert stopwatch.to_timings().stages["queue"] == 1
