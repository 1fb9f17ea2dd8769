"""Two people cheek to cheek remain two, each with a face of their own."""

from collections.abc import Callable

import numpy as np
import pytest

from phiz.boxes.geometry import box_iou
from phiz.detectors.detector import Detector
from phiz.faces import DetectOptions, RgbImage
from phiz.image.lazy import LazyImage
from phiz.image.pixels import unpack_rgb
from phiz.image.resample import Sampling
from phiz.timings import Stopwatch

Load = Callable[[Sampling], dict[str, Detector]]
# Of a face with its place alone. The cut through the cheeks costs some of it.
OWN_IOU = 0.7


def side_by_side(image: RgbImage, middle: float, apart: int) -> RgbImage:
    """The picture (H, W, 3) twice, the second ``apart`` pixels further, cut halfway between."""
    height, width, _ = image.shape
    cut = round(middle + apart / 2)
    both = np.empty((height, width + apart, 3), np.uint8)
    both[:, :cut] = image[:, :cut]
    both[:, cut:] = image[:, cut - apart :]
    return both


@pytest.mark.parametrize("overlap", [0, 0.1, 0.2, 0.25])
@pytest.mark.parametrize("name", ["front", "back", "full"])
def test_separate_faces_stay_separate(
    load_with: Load, read_image: Callable[[str], LazyImage], name: str, overlap: float
) -> None:
    detector = load_with("half-pixel")[name]
    alone = read_image("selfie_360x640.png")
    (face,) = detector.detect(alone, DetectOptions(), Stopwatch()).faces
    x1, y1, x2, y2 = face.box
    # Two squares of one size, shifted by d of their side s, have an IoU of (s - d) / (s + d).
    apart = round((x2 - x1) * (1 - overlap) / (1 + overlap))
    both = LazyImage.from_array(side_by_side(unpack_rgb(alone.decode_full()), (x1 + x2) / 2, apart))
    found = detector.detect(both, DetectOptions(), Stopwatch()).faces
    assert len(found) == 2
    boxes = np.array(sorted(other.box for other in found), np.float32)  # (2, 4), from the left
    places = np.array([face.box, (x1 + apart, y1, x2 + apart, y2)], np.float32)  # (2, 4)
    own = [box_iou(place, boxes) for place in places]  # 2 of (2,)
    assert own[0][0] > OWN_IOU > own[0][1]
    assert own[1][1] > OWN_IOU > own[1][0]
