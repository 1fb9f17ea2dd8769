import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.faces import Boxes
from phiz.tracking.association import compute_affinities, match_greedily


def boxes(*corners: tuple[float, float, float, float]) -> Boxes:
    return np.array(corners, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("other", "affinity"),
    [
        ((0, 0, 10, 10), 1.0),
        ((5, 0, 15, 10), 1 / 3 - 25 / (15**2 + 10**2)),
        ((10, 0, 20, 10), -100 / (20**2 + 10**2)),
        ((0, 0, 20, 20), 0.25 - 50 / (20**2 + 20**2)),
        ((1000, 0, 1010, 10), -(1000**2) / (1010**2 + 10**2)),
    ],
    ids=["equal", "half beside", "touching", "twice the size", "far"],
)
def test_affinity_is_overlap_less_distance(
    other: tuple[float, float, float, float], affinity: float
) -> None:
    found = compute_affinities(boxes((0, 0, 10, 10)), boxes(other))
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(affinity, abs=1e-6)


def test_affinities_of_points_are_numbers() -> None:
    assert compute_affinities(boxes((3, 3, 3, 3)), boxes((3, 3, 3, 3))).tolist() == [[0]]


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 3), (2, 0)])
def test_affinities_of_nothing_have_a_shape(rows: int, columns: int) -> None:
    some = boxes((0, 0, 1, 1), (0, 0, 2, 2), (0, 0, 3, 3))
    affinities = compute_affinities(some[:rows], some[:columns])
    assert affinities.shape == (rows, columns)
    assert match_greedily(affinities, 0).tolist() == [-1] * columns


def test_best_pair_is_matched_first() -> None:
    affinities = np.array([[0.6, 0.8], [0.5, 0.7]], np.float32)
    assert match_greedily(affinities, 0.0).tolist() == [1, 0]


def test_pair_below_the_least_affinity_is_not_matched() -> None:
    affinities = np.array([[0.6, 0.1]], np.float32)
    assert match_greedily(affinities, 0.1).tolist() == [0, -1]
    assert match_greedily(affinities, 0.7).tolist() == [-1, -1]


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 1000))
def test_each_row_and_column_is_matched_once(rows: int, columns: int, seed: int) -> None:
    affinities = np.random.default_rng(seed).uniform(-1, 1, (rows, columns)).astype(np.float32)
    matched = match_greedily(affinities, 0.0)
    pairs = [(row, column) for column, row in enumerate(matched.tolist()) if row >= 0]
    assert len({row for row, _ in pairs}) == len(pairs)
    assert all(affinities[row, column] >= 0 for row, column in pairs)
    # Nothing that could be matched is left.
    left = np.delete(np.delete(affinities, [row for row, _ in pairs], 0), [c for _, c in pairs], 1)
    assert not (left >= 0).any()
