import pytest

from phiz.editing.options import BlurOptions, CropOptions
from phiz.errors import OptionError
from phiz.options import BLUR_OPTIONS, CROP_OPTIONS


def test_defaults_are_those_of_the_declarations() -> None:
    assert BlurOptions() == BlurOptions(BLUR_OPTIONS["kind"].default, BLUR_OPTIONS["grow"].default)
    assert CropOptions() == CropOptions(
        CROP_OPTIONS["size"].default,
        CROP_OPTIONS["margin"].default,
        CROP_OPTIONS["align"].default,
        CROP_OPTIONS["encoding"].default,
    )


@pytest.mark.parametrize(
    ("kind", "grow"), [("mosaic", -0.1), ("mosaic", 1.1), ("mosaic", float("nan"))]
)
def test_a_growth_out_of_range_is_refused(kind: str, grow: float) -> None:
    with pytest.raises(OptionError, match="grow is"):
        BlurOptions(kind, grow)  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "margin"), [(15, 0), (1025, 0), (112, -0.1), (112, 2.1)])
def test_a_crop_out_of_range_is_refused(size: int, margin: float) -> None:
    with pytest.raises(OptionError, match="it must be"):
        CropOptions(size, margin)
