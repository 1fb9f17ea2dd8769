from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from phiz.detectors.detector import Detector
from phiz.detectors.router import Router
from phiz.detectors.time_budget import StepCosts
from phiz.engine import Engine
from phiz.errors import OptionError
from phiz.faces import DetectOptions
from phiz.image.limits import DecodingLimits
from phiz.image.resample import Sampling
from phiz.timings import Stopwatch

from .conftest import PICTURES


class Silent:
    """A detector that is never asked."""

    def detect(self, *_: object) -> None:
        raise AssertionError("the option is refused before the picture is opened")


def test_a_budget_is_for_the_router_alone() -> None:
    engine = Engine({"front": Silent()}, DecodingLimits(100, 100))  # type: ignore[dict-item]  # on purpose
    with pytest.raises(OptionError, match="only 'auto' supports budget_ms"):
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
        return StepCosts(dict.fromkeys(auto.first_pass, 1e-3), 1e-9, 1e-9, 1e-6, 1e-6)

    engine = Engine({"auto": replace(auto, get_costs=measure)}, DecodingLimits(10**6, 10**6))
    engine.measure_step_costs()
    assert measured == [1]
    selfie = (PICTURES / "selfie_360x640.png").read_bytes()
    engine.detect(selfie, "auto", DetectOptions(budget_ms=100), Stopwatch())
    assert measured == [1]


def test_an_engine_without_the_router_has_nothing_to_measure() -> None:
    Engine({}, DecodingLimits(1, 1)).measure_step_costs()
