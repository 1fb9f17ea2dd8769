from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from phiz.detectors.detector import Detector
from phiz.detectors.router import Auto
from phiz.detectors.time_budget import Costs
from phiz.faces import Detections, DetectOptions, Image
from phiz.image.lazy import Picture
from phiz.image.resample import Sampling
from phiz.runtime import Session
from phiz.timings import Stopwatch

Read = Callable[[str], Picture]

COSTS = Costs({"back": 6e-3, "full": 4e-3, "front": 2e-3}, 4e-9, 60e-9, 40e-6, 250e-6)
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
def auto(load_with: Callable[[Sampling], dict[str, Detector]]) -> Auto:
    detector = load_with("half-pixel")["auto"]
    assert isinstance(detector, Auto)
    return detector


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slow(auto: Auto, clock: Clock) -> Auto:
    """The router with networks that take exactly what it believes."""
    glances = {
        name: replace(glance, session=Slow(glance.session, clock, _always(COSTS.glances[name])))
        for name, glance in auto.glances.items()
    }
    cascade = replace(
        auto.cascade,
        pnet=Slow(auto.cascade.pnet, clock, lambda each: COSTS.pnet * each.size / 3),
        rnet=Slow(auto.cascade.rnet, clock, lambda each: COSTS.rnet * len(each)),
        onet=Slow(auto.cascade.onet, clock, lambda each: COSTS.onet * len(each)),
    )
    return replace(auto, glances=glances, cascade=cascade, costs=lambda: COSTS)


def detect(auto: Auto, picture: Picture, clock: Clock | None = None, **options: Any) -> Detections:
    stopwatch = Stopwatch(clock=clock) if clock else Stopwatch()
    return auto.detect(picture, DetectOptions(**options), stopwatch)


def crowd(picture: Picture, side: int) -> Picture:
    """The selfie's face at a size of some pixels, forty times on grey."""
    canvas = np.full((480, 640, 3), 128, np.uint8)
    image = picture.whole().view("<u4").view(np.uint8).reshape(*picture.whole().shape, 4)
    face = image[150:390, 60:300, :3]
    small: Image = face[:: 240 // side, :: 240 // side]
    height, width, _ = small.shape
    for row in range(5):
        for column in range(8):
            y, x = 10 + 92 * row, 10 + 78 * column
            canvas[y : y + height, x : x + width] = small
    return Picture.of(canvas)


def ran(found: Detections) -> list[bool]:
    return [step.ran for step in found.route]


def test_a_near_face_is_answered_at_a_glance(auto: Auto, picture: Read) -> None:
    near = Picture.of(np.ascontiguousarray(_pixels(picture(SELFIE))[100:460]))
    found = detect(auto, near)
    assert [face.model for face in found.faces] == ["back"]
    assert [(step.model, step.ran) for step in found.route] == [("back", True), ("mtcnn", False)]
    assert found.route[1].why == "left out: all that back sees is near, and O-Net agrees"


def test_a_crowd_is_climbed_for_and_the_route_says_why(auto: Auto, picture: Read) -> None:
    found = detect(auto, crowd(picture(SELFIE), 60))
    assert len(found.faces) == 40
    assert ran(found)[:3] == [True, True, True]
    assert found.route[0].why == "the strongest single look"
    assert found.route[1].why == "faces of 40 px and more"
    assert found.route[2].why.startswith("faces of 24 px: ")
    assert found.route[2].why.endswith(" under 64 px are likely so far")


def test_an_empty_picture_is_left_after_the_large_faces(auto: Auto) -> None:
    found = detect(auto, Picture.of(np.full((300, 400, 3), 90, np.uint8)))
    assert found.faces == ()
    assert ran(found) == [True, True, False]
    assert found.route[2].why == (
        "left out: faces of 24 px: 0.0 under 64 px are likely so far, 0.8 would be needed"
    )


@pytest.mark.parametrize("name", [GROUP, ROW])
def test_faces_come_by_falling_confidence_each_once(auto: Auto, picture: Read, name: str) -> None:
    faces = detect(auto, picture(name)).faces
    assert len(faces) == {GROUP: 4, ROW: 6}[name]
    assert [face.score for face in faces] == sorted((f.score for f in faces), reverse=True)
    assert all({"left_eye", "right_eye", "nose"} <= set(face.landmarks) for face in faces)


def test_small_faces_are_not_looked_for_where_none_are_wanted(auto: Auto, picture: Read) -> None:
    image = crowd(picture(SELFIE), 60)
    assert len(detect(auto, image, min_face=45).route) == 2
    assert all(
        min(face.box[2] - face.box[0], face.box[3] - face.box[1]) >= 30
        for face in detect(auto, image, min_face=30).faces
    )


def test_a_lower_limit_gives_the_same_faces_first(auto: Auto, picture: Read) -> None:
    few, many = (detect(auto, picture(ROW), min_score=limit).faces for limit in (0.7, 0.0))
    assert many[: len(few)] == few
    assert detect(auto, picture(ROW), max_faces=2).faces == few[:2]


@pytest.mark.parametrize("budget_ms", [3, 5, 8, 13, 20, 35, 60, 100])
@pytest.mark.parametrize("name", [SELFIE, GROUP, ROW])
def test_a_budget_is_kept(
    slow: Auto, clock: Clock, picture: Read, name: str, budget_ms: float
) -> None:
    detect(slow, picture(name), clock, budget_ms=budget_ms)
    assert 0 < 1000 * clock.now <= budget_ms


def test_more_time_finds_more(slow: Auto, picture: Read) -> None:
    image = crowd(picture(SELFIE), 60)
    counts = [len(detect(slow, image, Clock(), budget_ms=budget).faces) for budget in (3, 30, 300)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == 40


@pytest.mark.parametrize(
    ("budget_ms", "model"), [(3, "front"), (5, "full"), (8, "back"), (None, "back")]
)
def test_the_strongest_look_that_fits_is_taken(
    slow: Auto, clock: Clock, picture: Read, budget_ms: float | None, model: str
) -> None:
    found = detect(slow, picture(SELFIE), clock, budget_ms=budget_ms)
    assert found.route[0].model == model


@pytest.mark.parametrize(("budget_ms", "model"), [(5, "front"), (9, "full"), (13, "back")])
def test_two_passes_take_twice_the_time_of_a_look(
    slow: Auto, clock: Clock, picture: Read, budget_ms: float, model: str
) -> None:
    found = detect(slow, picture(SELFIE), clock, budget_ms=budget_ms, passes=2)
    assert found.route[0].model == model


def test_a_look_has_as_many_passes_as_are_asked_for(auto: Auto, picture: Read) -> None:
    near = Picture.of(np.ascontiguousarray(_pixels(picture(SELFIE))[100:460]))
    once, twice = (detect(auto, near, passes=passes).faces for passes in (1, 2))
    assert [face.model for face in twice] == ["back"]
    assert once != twice


def test_where_decoding_took_it_all_front_runs_and_the_route_says_so(
    slow: Auto, clock: Clock
) -> None:
    image = np.zeros((100, 100), np.uint32)

    def read(_: int) -> Any:
        clock.now += 0.030
        return Picture.of_raster(image).reduced(0)

    found = detect(slow, Picture((100, 100), read), clock, budget_ms=20)
    assert [(step.model, step.ran) for step in found.route] == [("front", True), ("mtcnn", False)]
    assert found.route[0].why == "decoding left no time: 30.0 ms of 20 are gone"


def _always(seconds: float) -> Callable[[NDArray[Any]], float]:
    return lambda _: seconds


def _pixels(picture: Picture) -> Image:
    words = picture.whole()
    return np.ascontiguousarray(words.astype("<u4")[..., None].view(np.uint8)[..., :3])


def test_without_a_budget_nothing_is_measured(slow: Auto, picture: Read) -> None:
    def fail() -> Costs:
        raise AssertionError("who gives no budget waited for the costs")

    free = detect(replace(slow, costs=fail), picture(GROUP), Clock())
    assert [face.box for face in free.faces] == [
        face.box for face in detect(slow, picture(GROUP), Clock(), budget_ms=60_000).faces
    ]


def test_measuring_costs_takes_nothing_of_the_budget(
    slow: Auto, clock: Clock, picture: Read
) -> None:
    def measure() -> Costs:
        clock.now += 1
        return COSTS

    stopwatch = Stopwatch(clock=clock)
    options = DetectOptions(budget_ms=20)
    found = replace(slow, costs=measure).detect(picture(SELFIE), options, stopwatch)
    assert found.route == detect(slow, picture(SELFIE), Clock(), budget_ms=20).route
    assert stopwatch.timings().stages["queue"] == 1
