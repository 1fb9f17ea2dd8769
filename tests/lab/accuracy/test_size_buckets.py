import numpy as np
import pytest

from phiz.lab.accuracy.size_buckets import mask_heights, mask_shares
from tests.lab.accuracy.answers import answer, labelled

BOXES: list[tuple[float, float, float, float]] = [
    (0, 0, 9, 19.5),
    (0, 0, 9, 20),
    (0, 0, 1, 50),
    (0, 0, 1, 100),
    (0, 0, 1, 300),
]


def names(masks: dict[str, np.ndarray]) -> list[str]:
    """Return the range that each face is in."""
    return [
        next((name for name, mask in masks.items() if mask[place]), "none")
        for place in range(len(next(iter(masks.values()))))
    ]


def test_heights_begin_at_their_limits() -> None:
    label = labelled(BOXES)
    assert names(mask_heights(answer(label, []), label.counted["all"])) == [
        "0 to 20 px",
        "20 to 50 px",
        "50 to 100 px",
        "100 to 300 px",
        "300 px and more",
    ]


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        pytest.param(22.3, "0% to 5%", id="just under a twentieth"),
        pytest.param(22.4, "5% to 20%", id="just over"),
        pytest.param(44.7, "5% to 20%", id="just under a fifth"),
        pytest.param(44.8, "20% and more", id="just over a fifth"),
    ],
)
def test_shares_are_of_the_picture(side: float, expected: str) -> None:
    label = labelled([(0, 0, side, side)])
    assert names(mask_shares(answer(label, [], (100, 100)), label.counted["all"])) == [expected]


def test_a_face_that_does_not_count_is_in_no_range() -> None:
    label = labelled(BOXES[:2], counted=[True, False])
    assert names(mask_heights(answer(label, []), label.counted["all"])) == ["0 to 20 px", "none"]
