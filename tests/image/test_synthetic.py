from collections.abc import Callable

import numpy as np
import pytest

from phiz.detectors.detector import Detector
from phiz.faces import DetectOptions
from phiz.image.lazy import LazyImage
from phiz.image.resample import Sampling
from phiz.image.synthetic import draw_crowd
from phiz.timings import Stopwatch


def test_a_crowd_is_the_same_for_a_seed_and_no_other() -> None:
    crowd = draw_crowd(200, 120)
    assert crowd.shape == (120, 200, 3)
    assert crowd.dtype == np.uint8
    np.testing.assert_array_equal(crowd, draw_crowd(200, 120))
    assert (crowd != draw_crowd(200, 120, seed=1)).any()


@pytest.mark.parametrize(
    ("model", "least"), [("front", 1), ("back", 10), ("full", 10), ("mtcnn", 20)]
)
def test_every_detector_finds_drawn_faces(
    load_with: Callable[[Sampling], dict[str, Detector]], model: str, least: int
) -> None:
    image = LazyImage.from_array(draw_crowd(640, 640))
    detector = load_with("half-pixel")[model]
    assert len(detector.detect(image, DetectOptions(), Stopwatch()).faces) >= least
