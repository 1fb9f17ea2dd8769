from dataclasses import replace

import numpy as np
import pytest

from phiz.detectors.fusion import FirstPass
from phiz.detectors.router_state import RouterState, describe_expected_gain, is_close_up
from phiz.faces import Face, RoutingStep
from phiz.models.router_config import CloseUpRule, PyramidStageConfig, load_router_config

RULE = CloseUpRule(min_side_share=0.25, min_best_score=0.8, min_score=0.5, min_onet_score=0.6)
CONFIG = replace(load_router_config(), close_up=RULE)


def seen(*faces: tuple[float, float]) -> FirstPass:
    """What was seen in 400 x 200 pixels: squares, each by its side and its score."""
    boxes = np.array([(0, 0, side, side) for side, _ in faces], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in faces], np.float32)
    return FirstPass("back", (400, 200), (), boxes, scores)


@pytest.mark.parametrize(
    ("first_pass", "expected"),
    [
        pytest.param(seen(), False, id="nothing"),
        pytest.param(seen((51, 0.9)), True, id="a quarter of the shorter side"),
        pytest.param(seen((49, 0.9)), False, id="less than a quarter"),
        pytest.param(seen((51, 0.81)), True, id="best score is enough"),
        pytest.param(seen((51, 0.79)), False, id="best score is too low"),
        pytest.param(seen((51, 0.9), (20, 0.51)), False, id="a small face counts"),
        pytest.param(seen((51, 0.9), (20, 0.49)), True, id="a small face is too doubtful"),
        pytest.param(seen((51, 0.7), (90, 0.81)), True, id="several near ones"),
        pytest.param(seen((90, 0.4), (90, 0.3)), False, id="doubtful ones alone"),
    ],
)
def test_close_up_is_where_all_that_counts_is_near(
    first_pass: FirstPass, *, expected: bool
) -> None:
    assert is_close_up(first_pass, CONFIG) == expected


def face(side: float, score: float) -> Face:
    return Face((0, 0, side, side), score, {}, "back")


@pytest.mark.parametrize(
    ("stage", "faces", "expected"),
    [
        ((40, 0.8), [], "40 px: 0.0 faces below 107 px expected, 0.8 needed"),
        ((24, 0.8), [], "24 px: 0.0 faces below 64 px expected, 0.8 needed"),
        (
            (24, 0.8),
            [face(63, 0.75), face(65, 0.9), face(20, 0.5)],
            "24 px: 1.2 faces below 64 px expected, 0.8 needed",
        ),
    ],
)
def test_expected_gain_counts_small_faces_by_their_confidence(
    stage: tuple[float, float], faces: list[Face], expected: str
) -> None:
    assert describe_expected_gain(PyramidStageConfig(*stage), faces) == expected


def test_steps_are_added_to_the_route_and_a_skipped_one_changes_no_face() -> None:
    state = RouterState(seen(), None, (), ())
    step = RoutingStep("back", 1, "first_pass", "the best first pass")
    after = state.with_step(None, (face(50, 0.9),), step)
    skipped = after.with_skipped_step("no_time_left", "faces of 24 px")
    assert (state.route, after.route, skipped.route[:1]) == ((), (step,), (step,))
    assert skipped.route[1] == RoutingStep(
        "mtcnn", 0, "no_time_left", "skipped faces of 24 px", ran=False
    )
    assert skipped.faces == after.faces
