import pytest

from phiz.detectors.anchors import GRIDS_896, GRIDS_2304, build_anchors


@pytest.mark.parametrize(
    ("grids", "count"), [(GRIDS_896, 896), (GRIDS_2304, 2304)], ids=["front and back", "full"]
)
def test_count(grids: tuple[tuple[int, int], ...], count: int) -> None:
    assert build_anchors(grids).shape == (count, 2)


@pytest.mark.parametrize(
    ("index", "centre"),
    [
        pytest.param(0, (0.5 / 16, 0.5 / 16), id="first cell"),
        pytest.param(1, (0.5 / 16, 0.5 / 16), id="its second anchor"),
        pytest.param(2, (1.5 / 16, 0.5 / 16), id="x runs before y"),
        pytest.param(32, (0.5 / 16, 1.5 / 16), id="second row"),
        pytest.param(512, (0.5 / 8, 0.5 / 8), id="first of the coarse grid"),
        pytest.param(517, (0.5 / 8, 0.5 / 8), id="which has six a cell"),
        pytest.param(518, (1.5 / 8, 0.5 / 8), id="second cell of the coarse grid"),
        pytest.param(895, (7.5 / 8, 7.5 / 8), id="last"),
    ],
)
def test_centres(index: int, centre: tuple[float, float]) -> None:
    assert tuple(build_anchors(GRIDS_896)[index]) == pytest.approx(centre)
