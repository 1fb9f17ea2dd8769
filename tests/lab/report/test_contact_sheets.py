import numpy as np
import pytest
from numpy.typing import NDArray

from phiz.lab.report.contact_sheets import (
    CAPTION_PX,
    COLUMNS,
    DETECTED_RGB,
    GAP_PX,
    HIGHLIGHT_RGB,
    TILE_PX,
    draw_sheet,
    draw_tile,
)

NONE = np.zeros((0, 4), np.float32)
WHITE = np.full((100, 200, 3), 255, np.uint8)


def box(*sides: float) -> np.ndarray:
    return np.array(sides, np.float32)


def draw(target: np.ndarray, detected: np.ndarray = NONE) -> NDArray[np.uint8]:
    return np.asarray(draw_tile(WHITE, target, NONE, detected))


def find_red(tile: NDArray[np.uint8]) -> list[int]:
    """Return the first and the last column and row that have the colour of the box in question."""
    rows, columns = np.nonzero((tile == HIGHLIGHT_RGB).all(axis=2))
    return [columns.min(), rows.min(), columns.max(), rows.max()]


# 40 pixels are 2/5 of the 100 that a tile of 176 shows.
def test_tile_has_its_box_in_the_middle() -> None:
    tile = draw(box(80, 30, 120, 70))
    assert tile.shape == (TILE_PX, TILE_PX, 3)
    low, high = round(TILE_PX * 0.3), round(TILE_PX * 0.7) - 1
    assert find_red(tile) == [low, low, high, high]
    assert (tile[:low] == 255).all()


def test_tile_is_black_beyond_the_border() -> None:
    tile = draw(box(0, 30, 40, 70))
    assert (tile[:, :40] == 0).all()
    assert (tile[:40, 70:] == 255).all()


def test_tiny_face_is_shown_with_its_surroundings() -> None:
    left, _, right, _ = find_red(draw(box(50, 50, 51, 51)))
    assert right + 1 - left == round(TILE_PX / 24)


def test_box_in_question_is_drawn_on_top() -> None:
    tile = draw(box(80, 30, 120, 70), box(80, 30, 90, 70)[None])
    left, top = round(TILE_PX * 0.3), round(TILE_PX * 0.3)
    assert tuple(tile[top + 20, left]) == HIGHLIGHT_RGB
    right = round(TILE_PX * 0.4) - 1
    assert tuple(tile[top + 20, right]) == DETECTED_RGB
    assert tuple(tile[top + 20, right + 5]) == (255, 255, 255)


@pytest.mark.parametrize(("count", "rows"), [(0, 0), (1, 1), (COLUMNS, 1), (COLUMNS + 1, 2)])
def test_a_sheet_has_as_many_rows_as_it_needs(count: int, rows: int) -> None:
    tile = draw_tile(WHITE, box(80, 30, 120, 70), NONE, NONE)
    sheet = draw_sheet("title", [(tile, "0.90", "a")] * count)
    drawn = np.asarray(sheet)[CAPTION_PX + GAP_PX :, GAP_PX:][:TILE_PX, :TILE_PX]
    assert np.array_equal(drawn, np.asarray(tile)) == (count > 0)
    assert sheet.height == CAPTION_PX + GAP_PX + rows * (TILE_PX + CAPTION_PX + GAP_PX)
