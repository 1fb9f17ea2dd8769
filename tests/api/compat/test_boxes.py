import pytest

from phiz.api.compat.boxes import round_box


@pytest.mark.parametrize(
    ("box", "corners"),
    [
        ({"x": 0.0, "y": 0.0, "width": 0.0, "height": 0.0}, (0, 0, 0, 0)),
        ({"x": 105.1, "y": 178.77, "width": 123.62, "height": 158.02}, (105, 179, 229, 337)),
        ({"x": 0.4, "y": 0.6, "width": 359.6, "height": 639.4}, (0, 1, 360, 640)),
    ],
    ids=["nothing", "face", "image"],
)
def test_corners_are_rounded(box: dict[str, float], corners: tuple[int, ...]) -> None:
    assert tuple(round_box(box).values()) == corners
    assert list(round_box(box)) == ["x_min", "y_min", "x_max", "y_max"]
