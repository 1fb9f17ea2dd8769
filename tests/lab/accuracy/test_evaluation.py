from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from PIL import Image

from phiz.engine import Engine
from phiz.errors import OptionError
from phiz.faces import Detections, DetectOptions
from phiz.image.lazy import LazyImage
from phiz.image.limits import DecodingLimits
from phiz.image.pixels import unpack_rgb
from phiz.lab.accuracy.closeups import CROP_MARGINS
from phiz.lab.accuracy.datasets import Dataset, DatasetKind
from phiz.lab.accuracy.evaluation import EvaluationRun, evaluate_model
from phiz.lab.accuracy.jitter import sample_shifts
from phiz.lab.accuracy.labels import LabelledImage
from phiz.options import Overlap
from phiz.timings import Stopwatch
from tests.lab.accuracy.answers import EYES, found

T = TypeVar("T")
SPOT = (30, 40)  # where the bright pixel is, x y
LIMITS = DecodingLimits(1_000_000, 1_000_000)
Call = tuple[float | None, Overlap]


class Spotter:
    """Finds a face around the brightest pixel, one more pixel to the right under nms."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        self.calls.append((options.min_score, options.overlap))
        stopwatch.lap("inference")
        values = unpack_rgb(image.decode_full())[..., 0]
        y, x = np.unravel_index(values.argmax(), values.shape)
        right = x - SPOT[0] + (options.overlap == "nms" and x != SPOT[0])
        down = y - SPOT[1]
        box = (5.0 + right, 5.0 + down, 25.0 + right, 25.0 + down)
        return Detections((found(box, by=(float(right), float(down))),))


def track(items: Sequence[T], what: str) -> Iterable[T]:
    assert what
    return items


def dataset(folder: Path, kind: DatasetKind, count: int = 2) -> Dataset:
    image = np.zeros((80, 90, 3), np.uint8)
    image[SPOT[1], SPOT[0]] = 255
    labels = []
    for place in range(count):
        path = folder / f"{place}.png"
        Image.fromarray(image).save(path)
        labels.append(
            LabelledImage(
                path,
                np.array([[5, 5, 25, 25]], np.float32),
                {"all": np.ones(1, bool)},
                np.array([EYES], np.float32),
            )
        )
    return Dataset("some", kind, tuple(labels))


def run_of(model: str = "front", min_score: float | None = None, shifts: int = 0) -> EvaluationRun:
    return EvaluationRun(model, "blend", min_score, sample_shifts(shifts))


@pytest.mark.parametrize(
    ("run", "calls"),
    [
        pytest.param(run_of("front"), [(None, "blend")] * 2 + [(0.05, "blend")] * 2, id="low"),
        pytest.param(run_of("front", 0.4), [(0.4, "blend")] * 2, id="as asked for"),
        pytest.param(run_of("mtcnn"), [(None, "blend")] * 2, id="the cascade's own"),
    ],
)
def test_a_curve_has_the_weak_detections_too(
    tmp_path: Path, run: EvaluationRun, calls: list[Call]
) -> None:
    spotter = Spotter()
    measured = evaluate_model(
        Engine({run.model: spotter}, LIMITS), dataset(tmp_path, "scenes"), run, track
    )
    assert spotter.calls == calls
    assert len(measured.predictions) == len(measured.curve_predictions) == 2
    assert measured.predictions[0].size_wh == (90, 80)
    assert not measured.jitters


def test_jitter_is_measured_with_both_overlaps(tmp_path: Path) -> None:
    engine = Engine({"front": Spotter()}, LIMITS)
    measured = evaluate_model(engine, dataset(tmp_path, "portraits"), run_of(shifts=5), track)
    assert [each.square for each in measured.jitters["blend"]] == pytest.approx([0, 0], abs=1e-12)
    # Suppressed, all is 1 pixel too far right where the picture has moved sideways.
    sideways = np.count_nonzero(sample_shifts(5)[:, 0]) / 5
    expected = [sideways / 2 / 100] * 2
    assert [each.square for each in measured.jitters["nms"]] == pytest.approx(expected)
    assert sideways > 0.5


def test_every_look_has_as_many_passes_as_are_asked_for(tmp_path: Path) -> None:
    asked: list[int] = []

    class Noted(Spotter):
        def detect(
            self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch
        ) -> Detections:
            asked.append(options.passes)
            return super().detect(image, options, stopwatch)

    for kind in ("scenes", "portraits"):
        run = replace(run_of(shifts=1), passes=2)
        evaluate_model(Engine({"front": Noted()}, LIMITS), dataset(tmp_path, kind, 1), run, track)
    assert asked == [2] * len(asked)
    # Served and curve; served, two overlaps of a picture and its move, and the crops.
    assert len(asked) == 2 + 1 + 4 + len(CROP_MARGINS)


def test_portraits_are_also_asked_for_cropped_to_the_face(tmp_path: Path) -> None:
    engine = Engine({"front": Spotter()}, LIMITS)
    measured = evaluate_model(engine, dataset(tmp_path, "portraits"), run_of(), track)
    assert list(measured.close_ups) == list(CROP_MARGINS)
    # The labelled face has 20 pixels a side; the crop ends at the image's border.
    sizes = {margin: each[0].size_wh for margin, each in measured.close_ups.items()}
    assert sizes == {-0.12: (16, 16), -0.05: (18, 18), 0.0: (20, 20), 0.05: (22, 22), 0.2: (28, 28)}
    assert all(len(each) == len(measured.predictions) for each in measured.close_ups.values())


def test_a_photograph_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    given = dataset(tmp_path, "scenes")
    given.photographs[1].path.write_bytes(b"nothing")
    with pytest.raises(OptionError, match=r"photograph .*1\.png cannot be read"):
        evaluate_model(Engine({"front": Spotter()}, LIMITS), given, run_of(), track)
