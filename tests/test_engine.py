from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from phiz.detectors.detector import Detector
from phiz.detectors.router import Router, StepCosts
from phiz.engine import Engine
from phiz.errors import OptionError
from phiz.faces import DetectOptions, Face
from phiz.image.limits import DecodingLimits
from phiz.image.resample import Sampling
from phiz.options import Details
from phiz.timings import Stopwatch

from .conftest import PICTURES


class Silent:
    """A detector that is never asked."""

    def detect(self, *_: object) -> None:
        raise AssertionError("the option is refused before the picture is opened")


def test_a_budget_is_for_models_that_keep_to_it() -> None:
    engine = Engine({"front": Silent()}, DecodingLimits(100, 100))  # type: ignore[dict-item]  # on purpose
    with pytest.raises(
        OptionError, match="is 'front'; budget_ms is an option of yunet, centerface, auto"
    ):
        engine.detect(b"", "front", DetectOptions(budget_ms=5), Stopwatch())


def test_costs_for_budgets_are_measured_once(
    load_with: Callable[[Sampling], dict[str, Detector]],
) -> None:
    auto = load_with("half-pixel")["auto"]
    assert isinstance(auto, Router)
    measured = []

    @cache
    def measure() -> StepCosts:
        measured.append(1)
        return StepCosts(dict.fromkeys(auto.networks, 1e-9), 1e-9, 1e-6)

    engine = Engine({"auto": replace(auto, get_costs=measure)}, DecodingLimits(10**6, 10**6))
    engine.measure_step_costs()
    assert measured == [1]
    selfie = (PICTURES / "selfie_360x640.png").read_bytes()
    engine.detect(selfie, "auto", DetectOptions(budget_ms=100), Stopwatch())
    assert measured == [1]


def test_largest_faces_come_first_if_asked(
    load_with: Callable[[Sampling], dict[str, Detector]],
) -> None:
    engine = Engine({"mtcnn": load_with("half-pixel")["mtcnn"]}, DecodingLimits(10**7, 10**7))
    group = (PICTURES / "group_640x480.png").read_bytes()

    def find(**options: Any) -> tuple[Face, ...]:
        return engine.detect(group, "mtcnn", DetectOptions(**options), Stopwatch()).faces

    by_score, by_size = find(), find(order="size")
    areas = [(face.box[2] - face.box[0]) * (face.box[3] - face.box[1]) for face in by_size]
    assert len(by_size) > 2
    assert areas == sorted(areas, reverse=True)
    assert set(map(id_of, by_size)) == set(map(id_of, by_score))
    assert by_size[0] != by_score[0]
    assert find(order="size", max_faces=1) == by_size[:1]


def id_of(face: Face) -> tuple[float, ...]:
    return face.box


@pytest.mark.parametrize(
    ("details", "has_quality", "has_pose"),
    [("none", False, False), ("quality", True, False), ("pose", False, True), ("all", True, True)],
)
def test_faces_have_the_details_that_are_asked_for(
    load_with: Callable[[Sampling], dict[str, Detector]],
    details: Details,
    *,
    has_quality: bool,
    has_pose: bool,
) -> None:
    engine = Engine({"front": load_with("half-pixel")["front"]}, DecodingLimits(10**7, 10**7))
    selfie = (PICTURES / "selfie_360x640.png").read_bytes()
    options = DetectOptions(details=details)
    (face,) = engine.detect(selfie, "front", options, Stopwatch()).faces
    assert (face.roll is not None) == (details != "none")
    assert (face.quality is not None) == has_quality
    assert (face.pose is not None) == has_pose
    if face.pose is not None:
        assert abs(face.pose.yaw) < 20
        assert face.pose.roll == pytest.approx(face.roll, abs=5)


def test_an_engine_without_the_router_has_nothing_to_measure() -> None:
    Engine({}, DecodingLimits(1, 1)).measure_step_costs()
