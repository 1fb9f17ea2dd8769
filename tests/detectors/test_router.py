import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from phiz.detectors.detector import Detector
from phiz.detectors.router import Router, StepCosts
from phiz.faces import ROUTE_REASONS, Detections, DetectOptions, RgbImage
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.image.resample import Sampling
from phiz.runtime import Session
from phiz.timings import Stopwatch

Read = Callable[[str], LazyImage]

PASS_S_PER_PX = {"yunet": 20e-9, "centerface": 60e-9}
ONET_S = 250e-6
COSTS = StepCosts(PASS_S_PER_PX, 4e-9, ONET_S)
SELFIE, GROUP, ROW = "selfie_360x640.png", "group_640x480.png", "row_960x540.png"


class Clock:
    """A clock that moves only when work is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Slow:
    """A network that takes as long by a clock as its cost says, and tells its inputs."""

    name: str
    session: Session
    clock: Clock
    seconds: Callable[[NDArray[Any]], float]
    shapes: list[tuple[str, int, int]]

    def run(self, inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        self.clock.now += self.seconds(inputs)
        height, width = inputs.shape[1:3]
        self.shapes.append((self.name, width, height))
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
def shapes() -> list[tuple[str, int, int]]:
    return []


@pytest.fixture
def slow(router: Router, clock: Clock, shapes: list[tuple[str, int, int]]) -> Router:
    """A router whose networks take their costs, however fast the machine is."""

    def take(name: str) -> Callable[[NDArray[Any]], float]:
        return lambda inputs: PASS_S_PER_PX[name] * inputs.size / 3

    networks = {
        name: replace(network, session=Slow(name, network.session, clock, take(name), shapes))
        for name, network in router.networks.items()
    }
    onet = Slow("onet", router.cascade.onet, clock, lambda crops: ONET_S * len(crops), [])
    cascade = replace(router.cascade, onet=onet)
    return replace(router, networks=networks, cascade=cascade, get_costs=lambda: COSTS)


def detect(
    router: Router, image: LazyImage, clock: Clock | None = None, **options: Any
) -> Detections:
    stopwatch = Stopwatch() if clock is None else Stopwatch(clock=clock)
    return router.detect(image, DetectOptions(**options), stopwatch)


def crowd(image: LazyImage, side: int) -> LazyImage:
    """Return the head of a selfie at a size of some pixels, forty times on grey."""
    canvas = np.full((480, 640, 3), 128, np.uint8)
    small = _pixels(image)[150:390, 60:300][:: 240 // side, :: 240 // side]
    height, width, _ = small.shape
    for row in range(5):
        for column in range(8):
            y, x = 10 + 92 * row, 10 + 78 * column
            canvas[y : y + height, x : x + width] = small
    return LazyImage.from_array(canvas)


def near(image: LazyImage) -> LazyImage:
    return LazyImage.from_array(np.ascontiguousarray(_pixels(image)[100:460]))


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
    assert skipped <= {"close_up", "too_few_expected", "no_time_left"}


@pytest.mark.parametrize(
    ("budget_ms", "reason"), [(2, "budget_spent"), (6, "fits_budget"), (60, "first_pass")]
)
def test_reason_of_first_pass_follows_budget(
    slow: Router, clock: Clock, read_image: Read, budget_ms: float, reason: str
) -> None:
    assert reasons(detect(slow, read_image(GROUP), clock, budget_ms=budget_ms))[0] == reason


def test_a_near_face_is_answered_by_the_first_pass(router: Router, read_image: Read) -> None:
    found = detect(router, near(read_image(SELFIE)))
    assert [face.model for face in found.faces] == ["yunet"]
    assert [(step.model, step.ran) for step in found.route] == [
        ("yunet", True),
        ("centerface", False),
    ]
    assert reasons(found) == ["first_pass", "close_up"]
    assert found.route[1].why == "skipped: every face that yunet found is a close-up"


def test_a_crowd_is_searched_and_the_route_says_why(router: Router, read_image: Read) -> None:
    found = detect(router, crowd(read_image(SELFIE), 40))
    assert len(found.faces) == 40
    assert ran(found) == [True, True, True, False]
    assert reasons(found) == ["first_pass", "not_close_up", "second_opinion", "too_few_expected"]
    assert found.route[1].why == "the first pass found no close-up; searching the image at 1024 px"
    assert found.route[2].why == "centerface judges the faces of yunet, and finds others, at 576 px"
    assert found.route[3].why == "skipped: a larger scale would show nothing more"


def test_the_region_of_small_faces_is_searched_at_a_larger_scale(
    router: Router, read_image: Read
) -> None:
    canvas = np.full((900, 1200, 3), 128, np.uint8)
    canvas[200:680, 300:940] = _pixels(crowd(read_image(SELFIE), 30))
    found = detect(router, LazyImage.from_array(canvas))
    assert len(found.faces) == 40
    assert ran(found) == [True, True, True, True]
    assert reasons(found)[-1] == "more_faces_expected"
    assert re.fullmatch(
        r"small faces are likely; searching 7\d\d x 6\d\d px at 1440 px", found.route[3].why
    )


def test_an_empty_picture_is_left_after_both_networks(router: Router) -> None:
    found = detect(router, LazyImage.from_array(np.full((300, 400, 3), 90, np.uint8)))
    assert found.faces == ()
    assert ran(found) == [True, True, True, False]
    assert reasons(found) == ["first_pass", "not_close_up", "second_opinion", "too_few_expected"]
    assert found.route[3].why == (
        "skipped: no small faces are likely, so no region is searched at a larger scale"
    )


def test_the_route_tells_of_candidates_below_the_limit(router: Router, read_image: Read) -> None:
    found = detect(router, read_image(GROUP), min_score=1)
    assert found.faces == ()
    assert " candidates are below the limits, the best with 1.00" in found.route[-2].why


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
    everything, large = (detect(router, image, min_face=size) for size in (None, 24))
    assert ran(large) == [True, True, True, False]
    assert len(everything.faces) == len(large.faces) == 40
    assert all(
        min(face.box[2] - face.box[0], face.box[3] - face.box[1]) >= 24 for face in large.faces
    )


def test_a_lower_limit_gives_the_same_faces_first(router: Router, read_image: Read) -> None:
    few, many = (detect(router, read_image(ROW), min_score=limit).faces for limit in (0.7, 0.0))
    assert many[: len(few)] == few
    assert detect(router, read_image(ROW), max_faces=2).faces == few[:2]


@pytest.mark.parametrize("budget_ms", [4, 5, 8, 13, 20, 35, 60, 100])
@pytest.mark.parametrize("name", [SELFIE, GROUP, ROW])
def test_a_budget_is_kept(
    slow: Router, clock: Clock, read_image: Read, name: str, budget_ms: float
) -> None:
    detect(slow, read_image(name), clock, budget_ms=budget_ms)
    assert 0 < 1000 * clock.now <= budget_ms


def test_faces_found_grow_with_the_budget(slow: Router, read_image: Read) -> None:
    image = crowd(read_image(SELFIE), 60)
    counts = [len(detect(slow, image, Clock(), budget_ms=budget).faces) for budget in (2, 30, 300)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == 40


@pytest.mark.parametrize(
    ("budget_ms", "expected"),
    [
        pytest.param(2, [("yunet", 160, 128)], id="the smallest"),
        pytest.param(8, [("yunet", 512, 384)], id="one pass"),
        pytest.param(16, [("yunet", 832, 640)], id="a larger one"),
        pytest.param(25, [("yunet", 320, 256), ("yunet", 1024, 768)], id="two passes"),
        pytest.param(
            60,
            [("yunet", 320, 256), ("yunet", 1024, 768), ("centerface", 576, 448)],
            id="both networks",
        ),
    ],
)
def test_the_largest_inputs_that_fit_are_taken(
    slow: Router,
    clock: Clock,
    read_image: Read,
    shapes: list[tuple[str, int, int]],
    budget_ms: float,
    expected: list[tuple[str, int, int]],
) -> None:
    detect(slow, read_image(GROUP), clock, budget_ms=budget_ms)
    assert shapes == expected


@pytest.mark.parametrize("budget_ms", [25, 40, 60, 1000])
def test_a_longer_budget_does_not_delay_a_close_up(
    slow: Router, clock: Clock, read_image: Read, budget_ms: float
) -> None:
    found = detect(slow, near(read_image(SELFIE)), clock, budget_ms=budget_ms)
    assert reasons(found) == ["first_pass", "close_up"]
    assert clock.now < 0.003


def test_a_small_image_is_searched_at_its_largest_size(
    slow: Router, clock: Clock, shapes: list[tuple[str, int, int]]
) -> None:
    image = LazyImage.from_packed(np.zeros((100, 100), np.uint32))
    found = detect(slow, image, clock, budget_ms=5)
    assert shapes == [("yunet", 224, 224), ("centerface", 224, 224)]
    assert found.route[0].why == "the largest input of yunet that fits the budget of 5 ms"


def test_a_large_crowd_is_found_within_a_budget(slow: Router, read_image: Read) -> None:
    tile = _pixels(read_image(GROUP))
    image = LazyImage.from_array(np.ascontiguousarray(np.tile(tile, (6, 6, 1))))  # 11 megapixels
    found = detect(slow, image, Clock(), budget_ms=300)
    assert len(found.faces) > 50


def test_the_smallest_input_runs_where_decoding_took_the_whole_budget(
    slow: Router, clock: Clock, shapes: list[tuple[str, int, int]]
) -> None:
    image = np.zeros((100, 100), np.uint32)

    def read(_: int) -> Any:
        clock.now += 0.030
        return LazyImage.from_packed(image).decode_scaled(0)

    lazy = LazyImage((100, 100), read)
    stopwatch = Stopwatch(clock=clock)
    clock.now += 0.030
    stopwatch.lap("decode")
    found = slow.detect(lazy, DetectOptions(budget_ms=20), stopwatch)
    assert [(step.model, step.ran) for step in found.route] == [
        ("yunet", True),
        ("centerface", False),
    ]
    assert reasons(found) == ["budget_spent", "no_time_left"]
    assert found.route[0].why.startswith(
        "the smallest input of yunet; 30.0 ms of the budget of 20 ms were spent before it"
    )
    assert found.route[1].why == (
        "skipped: 0.0 ms of the budget of 20 ms are left, which is too short for another pass"
    )
    assert [name for name, _, _ in shapes] == ["yunet"]


def test_a_photograph_is_decoded_no_larger_than_a_pass_needs(router: Router) -> None:
    factors: list[int] = []

    def read(factor: int) -> ScaledImage:
        factors.append(factor)
        return ScaledImage(np.full((3200 // factor, 4800 // factor), 0x5A5A5A, np.uint32), factor)

    detect(router, LazyImage((4800, 3200), read))
    assert factors == [8, 4]


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 400), (400, 3), (50, 40), (4000, 20)])
def test_an_image_of_any_shape_has_an_answer(router: Router, size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    assert detect(router, LazyImage.from_array(noise)).faces == ()


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


def test_costs_of_all_steps_are_measured(router: Router) -> None:
    costs = router.get_costs()
    assert set(costs.pass_s_per_px) == {"yunet", "centerface"}
    assert all(0 < cost < 1e-5 for cost in costs.pass_s_per_px.values())
    assert 0 < costs.integral_s_per_px < 1e-6
    assert 0 < costs.onet_s_per_crop < 0.1


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
