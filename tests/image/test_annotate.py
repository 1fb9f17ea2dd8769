import numpy as np
import pytest
from numpy.typing import NDArray

from phiz.faces import Face
from phiz.image.annotate import draw_faces

BRIGHT = (0, 255, 128)
DOT = (255, 224, 0)


def canvas(value: int, *, height: int = 200, width: int = 300) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


def face(x1: float, y1: float, x2: float, y2: float, **landmarks: tuple[float, float]) -> Face:
    return Face((x1, y1, x2, y2), 0.987, landmarks, "front")


def changed(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    different: NDArray[np.bool_] = (before != after).any(axis=2)  # (H, W)
    return different


def test_no_face_leaves_a_copy() -> None:
    image = canvas(90)
    drawn = draw_faces(image, [])
    np.testing.assert_array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


def test_the_picture_itself_is_not_drawn_on() -> None:
    image = canvas(90)
    image.flags.writeable = False
    assert changed(image, draw_faces(image, [face(50, 60, 150, 160)])).any()
    assert (image == 90).all()


@pytest.mark.parametrize("background", [0, 128, 255])
def test_the_outline_is_bright_within_the_box_and_dark_around_it(background: int) -> None:
    drawn = draw_faces(canvas(background), [face(50, 60, 150, 160)])
    row, column = drawn[110], drawn[:, 100]
    for line in (row[50], row[149], column[60], column[159]):
        np.testing.assert_array_equal(line, BRIGHT)
    for edge in (row[49], row[51], row[148], row[150], column[160]):
        np.testing.assert_array_equal(edge, (0, 0, 0))
    for beyond in (row[47], row[53], row[100], row[146], row[152], column[162]):
        np.testing.assert_array_equal(beyond, [background] * 3)


def test_a_landmark_is_a_bright_dot_with_a_dark_edge() -> None:
    drawn = draw_faces(canvas(255), [face(50, 60, 150, 160, nose=(100, 110))])
    np.testing.assert_array_equal(drawn[110, 100], DOT)
    row = drawn[110, 90:111]  # (21, 3)
    assert (row == 0).all(axis=1).sum() >= 2
    assert (row == 255).all(axis=1).sum() >= 10


@pytest.mark.parametrize(
    ("box", "rows"),
    [
        pytest.param((50, 60, 150, 160), slice(30, 58), id="above-the-box"),
        pytest.param((50, 0, 150, 100), slice(3, 40), id="within-where-there-is-no-room"),
    ],
)
def test_the_score_is_written(box: tuple[float, float, float, float], rows: slice) -> None:
    image = canvas(255)
    label = draw_faces(image, [face(*box)])[rows, 53:147]
    assert ((label[..., 1] > 150) & (label[..., 0] < 50)).sum() > 15
    assert (label == 0).all(axis=2).sum() > 50


def test_the_label_stays_in_the_picture() -> None:
    image = canvas(255)
    at_the_edge = draw_faces(image, [face(290, 60, 300, 75)])
    assert changed(image, at_the_edge)[:, :285].any()


def test_lines_grow_with_the_picture() -> None:
    small = draw_faces(canvas(255), [face(50, 60, 150, 160)])
    large = draw_faces(canvas(255, height=2000, width=3000), [face(500, 600, 1500, 1600)])
    assert (small[110] == BRIGHT).all(axis=1).sum() == 2
    assert (large[1100] == BRIGHT).all(axis=1).sum() == 2 * 8  # 3000 / 400, rounded


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((10.2, 10.2, 10.4, 10.4), id="less-than-a-pixel"),
        pytest.param((0, 0, 300, 200), id="the-whole-picture"),
        pytest.param((299, 199, 300, 200), id="the-last-pixel"),
        pytest.param((5, 5, 5, 5), id="nothing"),
    ],
)
def test_any_box_can_be_drawn(box: tuple[float, float, float, float]) -> None:
    image = canvas(128)
    drawn = draw_faces(image, [face(*box, nose=(-50, 500))])
    assert drawn.shape == image.shape
    assert changed(image, drawn).any()


def test_a_picture_of_one_pixel() -> None:
    assert draw_faces(canvas(9, height=1, width=1), [face(0, 0, 1, 1)]).shape == (1, 1, 3)
