import re
from typing import Any

import numpy as np
import pytest

from phiz.errors import OptionError
from phiz.faces import DetectOptions, Face, build_faces
from phiz.options import DETECT_OPTIONS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}={value}")
        for name, option in DETECT_OPTIONS.items()
        for value in option.choices or (option.minimum, option.maximum)
        if name != "model"
    ],
)
def test_option_of_a_call_may_have_each_choice_and_limit(name: str, value: Any) -> None:
    assert getattr(DetectOptions(**{name: value}), name) == value


@pytest.mark.parametrize("name", [name for name in DETECT_OPTIONS if name != "model"])
@pytest.mark.parametrize("value", [-0.1, 1e308, float("inf"), float("nan")])
def test_option_of_a_call_beyond_its_limits_is_an_error(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"{name} is {re.escape(repr(value))}; it must be "):
        DetectOptions(**{name: value})


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
