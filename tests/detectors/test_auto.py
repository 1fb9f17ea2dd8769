import numpy as np
import pytest

from phiz.detectors.auto import Auto
from phiz.faces import Detections, DetectOptions, Face, Step
from phiz.picture import Picture
from phiz.timings import Stopwatch

FACE = Face((0, 0, 1, 1), 0.9, {}, "back")


class Finds:
    """A detector that has its answer ready and counts its calls."""

    def __init__(self, *faces: Face) -> None:
        self.faces = faces
        self.calls = 0

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        assert (picture.width, picture.height) == (4, 4)
        assert options.max_faces == 7
        self.calls += 1
        stopwatch.lap("inference")
        return Detections(self.faces)


@pytest.mark.parametrize(
    ("detectors", "faces", "route"),
    [
        pytest.param(
            {"front": Finds(FACE), "back": Finds()},
            (FACE,),
            (Step("front", 1, "the fastest model is tried first"),),
            id="the first finds",
        ),
        pytest.param(
            {"front": Finds(), "back": Finds(FACE, FACE), "mtcnn": Finds()},
            (FACE, FACE),
            (
                Step("front", 0, "the fastest model is tried first"),
                Step("back", 2, "front found no face"),
            ),
            id="the second finds",
        ),
        pytest.param(
            {"front": Finds(), "back": Finds(), "mtcnn": Finds()},
            (),
            (
                Step("front", 0, "the fastest model is tried first"),
                Step("back", 0, "front found no face"),
                Step("mtcnn", 0, "front and back found no face"),
            ),
            id="none finds",
        ),
    ],
)
def test_route(
    detectors: dict[str, Finds], faces: tuple[Face, ...], route: tuple[Step, ...]
) -> None:
    found = Auto(detectors).detect(
        Picture.of(np.zeros((4, 4, 3), np.uint8)), DetectOptions(max_faces=7), Stopwatch()
    )
    assert found == Detections(faces, route)
    assert [detector.calls for detector in detectors.values()] == [
        int(name in {step.model for step in route}) for name in detectors
    ]
