import numpy as np
import pytest

from phiz.errors import OptionError
from phiz.faces import DetectOptions, Face, build_faces


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"min_score": 0}, id="min_score 0"),
        pytest.param({"min_score": 1}, id="min_score 1"),
        pytest.param({"min_face": 1}, id="min_face 1"),
        pytest.param({"min_face": 65_535}, id="min_face 65535"),
        pytest.param({"max_faces": 1}, id="max_faces 1"),
        pytest.param({"max_faces": 10_000}, id="max_faces 10000"),
        pytest.param({"overlap": "nms"}, id="nms"),
        pytest.param({"passes": 2}, id="two passes"),
        pytest.param({"rotate": "auto"}, id="rotate"),
        pytest.param({"details": "quality"}, id="details"),
        pytest.param({"budget_ms": 1}, id="budget_ms 1"),
        pytest.param({"budget_ms": 60_000}, id="budget_ms 60000"),
    ],
)
def test_options_at_their_limits(options: dict[str, object]) -> None:
    made = DetectOptions(**options)  # type: ignore[arg-type]  # the table's values are of many types
    assert {name: getattr(made, name) for name in options} == options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"min_score": -0.1}, "min_score is -0.1", id="min_score below 0"),
        pytest.param({"min_score": 1.1}, "must be a number from 0 to 1", id="min_score above 1"),
        pytest.param({"min_score": float("nan")}, "min_score is nan", id="min_score NaN"),
        pytest.param({"min_face": 0.5}, "from 1 to 65535", id="min_face below 1"),
        pytest.param({"min_face": 65_535.5}, "from 1 to 65535", id="min_face above its limit"),
        pytest.param({"min_face": 1e308}, r"min_face is 1e\+308", id="min_face beyond float32"),
        pytest.param({"min_face": float("inf")}, "min_face is inf", id="min_face infinite"),
        pytest.param({"min_face": float("nan")}, "min_face is nan", id="min_face NaN"),
        pytest.param({"max_faces": 0}, "max_faces is 0", id="max_faces 0"),
        pytest.param({"max_faces": 10_001}, "from 1 to 10000", id="max_faces above its limit"),
        pytest.param({"budget_ms": 0.9}, "from 1 to 60000", id="budget_ms below 1"),
        pytest.param({"budget_ms": float("nan")}, "budget_ms is nan", id="budget_ms NaN"),
        pytest.param({"overlap": "soft"}, "one of blend, nms", id="unknown overlap"),
        pytest.param({"passes": 0}, "from 1 to 2", id="no pass"),
        pytest.param({"passes": 3}, "from 1 to 2", id="three passes"),
        pytest.param({"rotate": "left"}, "one of none, auto", id="unknown rotation"),
        pytest.param({"details": "all"}, "one of none, quality", id="unknown details"),
    ],
)
def test_options_beyond_their_limits(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        DetectOptions(**options)  # type: ignore[arg-type]  # the table's values are of many types


def test_arrays_become_faces() -> None:
    boxes = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    keypoints = np.array([[[1, 1], [2, 2]], [[3, 3], [4, 4]]], np.float32)
    faces = build_faces(boxes, np.array([0.5, 0.25], np.float32), keypoints, ("a", "b"), "front")
    assert faces == (
        Face((1, 2, 3, 4), 0.5, {"a": (1, 1), "b": (2, 2)}, "front"),
        Face((5, 6, 7, 8), 0.25, {"a": (3, 3), "b": (4, 4)}, "front"),
    )


def test_no_arrays_are_no_faces() -> None:
    nothing = np.empty((0, 4), np.float32), np.empty(0, np.float32)
    assert build_faces(*nothing, np.empty((0, 6, 2), np.float32), "abcdef", "front") == ()
