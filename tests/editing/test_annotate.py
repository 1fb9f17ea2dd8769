from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from phiz.editing.annotate import annotate_image
from phiz.faces import Face

BRIGHT = (0, 255, 128)
DOT = (255, 224, 0)


def canvas(value: int, *, height: int = 200, width: int = 300) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


def face(x1: float, y1: float, x2: float, y2: float, **landmarks: tuple[float, float]) -> Face:
    return Face((x1, y1, x2, y2), 0.987, landmarks, "front")


def draw_faces(image: NDArray[np.uint8], faces: Sequence[Face]) -> NDArray[np.uint8]:
    drawing = Pillow.fromarray(image)
    annotate_image(drawing, faces)
    return np.array(drawing)


def changed(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.bool_]:
    different: NDArray[np.bool_] = (before != after).any(axis=2)  # (H, W)
    return different


def test_no_face_changes_nothing() -> None:
    np.testing.assert_array_equal(draw_faces(canvas(90), []), canvas(90))


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


def test_a_small_face_is_not_covered_by_its_outline() -> None:
    image = canvas(90, height=3000, width=4000)
    drawn = draw_faces(image, [face(1000, 1000, 1016, 1016, nose=(1008, 1009))])
    within = changed(image, drawn)[1000:1016, 1000:1016]
    assert within.sum() == 1  # the dot
    np.testing.assert_array_equal(drawn[1009, 1008], DOT)
    assert changed(image, drawn)[990:1026, 990:1026].sum() > 100


@pytest.mark.parametrize(
    "neighbour",
    [
        pytest.param((50, 20, 150, 58), id="above"),
        pytest.param((20, 30, 80, 58), id="beside-above"),
        pytest.param((0, 5, 300, 58), id="wide-above"),
    ],
)
def test_a_label_covers_no_neighbour(neighbour: tuple[float, float, float, float]) -> None:
    image = canvas(255, width=400)
    drawn = draw_faces(image, [face(50, 60, 150, 160), face(*neighbour)])
    x1, y1, x2, y2 = (int(side) for side in neighbour)
    # Its own label is in it at most: black, and no larger than a quarter of it.
    dark = (drawn[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2] == 0).all(axis=2)
    rows, columns = np.nonzero(dark)
    if len(rows):
        assert np.ptp(rows) < 20
        assert np.ptp(columns) < 60
    # The label of the first face is above its box no more, but within.
    assert (drawn[62:80, 52:100] == 0).all(axis=2).sum() > 50


def test_labels_of_a_crowd_cover_neither_faces_nor_each_other() -> None:
    image = canvas(255, height=240, width=320)
    faces = [
        Face((x, y, x + 18, y + 18), 0.8, {}, "front")
        for x in range(10, 300, 24)
        for y in range(10, 220, 24)
    ]
    drawn = draw_faces(image, faces)
    # There is no place for any label, so each face stays as it was.
    for x1, y1, x2, y2 in (each.box for each in faces):
        assert (drawn[int(y1) : int(y2), int(x1) : int(x2)] == 255).all()


def test_a_face_with_room_keeps_its_label_beside_a_crowd() -> None:
    image = canvas(255, height=240, width=640)
    crowd = [Face((x, 10, x + 18, 28), 0.8, {}, "front") for x in range(10, 300, 24)]
    alone = Face((500, 100, 560, 160), 0.7, {}, "front")
    drawn = draw_faces(image, [*crowd, alone])
    label = drawn[75:97, 500:560]
    assert (label == 0).all(axis=2).sum() > 100
