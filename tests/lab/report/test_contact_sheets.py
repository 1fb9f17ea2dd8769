import numpy as np
import pytest

from phiz.lab.report.contact_sheets import (
    CAPTION_PX,
    COLUMNS,
    DETECTED_RGB,
    GAP_PX,
    HIGHLIGHT_RGB,
    TILE_PX,
    Tile,
    cut_tile,
    draw_sheet,
)

NONE = np.zeros((0, 4), np.float32)
WHITE = np.full((100, 200, 3), 255, np.uint8)


def box(*sides: float) -> np.ndarray:
    return np.array(sides, np.float32)


def tile() -> Tile:
    return cut_tile(WHITE, box(80, 30, 120, 70), NONE, box(80, 30, 90, 70)[None], ("0.90", "a"))


# 40 pixels are 2/5 of the 100 that a tile of 176 shows.
def test_a_tile_has_its_box_in_the_middle() -> None:
    cut = tile()
    assert cut.image.shape == (TILE_PX, TILE_PX, 3)
    low, high = TILE_PX * 0.3, TILE_PX * 0.7
    assert cut.box.tolist() == pytest.approx([low, low, high, high])
    assert (cut.image == 255).all()


def test_beyond_the_border_a_tile_is_black() -> None:
    cut = cut_tile(WHITE, box(0, 30, 40, 70), NONE, NONE, ("", ""))
    assert (cut.image[:, :40] == 0).all()
    assert (cut.image[:, 70:] == 255).all()


def test_a_tiny_face_is_shown_with_what_is_around_it() -> None:
    cut = cut_tile(WHITE, box(50, 50, 51, 51), NONE, NONE, ("", ""))
    assert cut.box[2] - cut.box[0] == pytest.approx(TILE_PX / 24)


def test_boxes_are_drawn_the_one_in_question_on_top() -> None:
    sheet = np.asarray(draw_sheet("title", [tile()]))
    drawn = sheet[CAPTION_PX + GAP_PX :, GAP_PX:][:TILE_PX, :TILE_PX]
    left, top = round(TILE_PX * 0.3), round(TILE_PX * 0.3)
    assert tuple(drawn[top + 20, left]) == HIGHLIGHT_RGB
    right = round(TILE_PX * 0.4) - 1
    assert tuple(drawn[top + 20, right]) == DETECTED_RGB
    assert tuple(drawn[top + 20, right + 5]) == (255, 255, 255)


@pytest.mark.parametrize(("count", "rows"), [(0, 0), (1, 1), (COLUMNS, 1), (COLUMNS + 1, 2)])
def test_a_sheet_has_as_many_rows_as_it_needs(count: int, rows: int) -> None:
    sheet = draw_sheet("title", [tile()] * count)
    assert sheet.height == CAPTION_PX + GAP_PX + rows * (TILE_PX + CAPTION_PX + GAP_PX)
