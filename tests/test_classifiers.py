from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from phiz.classifiers import (
    CLASSIFIER_PRECISIONS,
    ClassificationEngine,
    Classifier,
    build_classification_engine,
    crop_centre,
    find_top_indices,
    read_class_labels,
    softmax,
)
from phiz.errors import ModelCorruptError, ModelNotBuiltError, OptionError
from phiz.faces import ScoredClass
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.image.limits import DecodingLimits
from phiz.image.pixels import pack_pixels
from phiz.models import catalog
from phiz.models.specs import Precision
from phiz.timings import Stopwatch
from tests.conftest import PICTURES

LIMITS = DecodingLimits(10_000_000, 10_000_000)
SELFIE = PICTURES / "selfie_360x640.png"

every_form = pytest.mark.parametrize("precision", CLASSIFIER_PRECISIONS)
every_model = pytest.mark.parametrize("model", ["mobilenet", "efficientnet"])


def load(folder: Path, model: str, precision: Precision) -> ClassificationEngine:
    return build_classification_engine(catalog.load_catalog(), folder, LIMITS, model, precision)


def test_labels_are_in_imagenets_order() -> None:
    labels = read_class_labels()
    assert len(labels) == 1000
    found = [labels[index] for index in (0, 1, 207, 388, 999)]
    assert found == ["tench", "goldfish", "Golden Retriever", "giant panda", "toilet paper"]
    assert all(label == label.strip() != "" for label in labels)


@pytest.mark.parametrize(
    ("logits", "scores"),
    [
        ([0, 0], [0.5, 0.5]),
        ([np.log(3), 0], [0.75, 0.25]),
        ([1000, 0], [1, 0]),
        ([-1000, -1000], [0.5, 0.5]),
    ],
    ids=str,
)
def test_softmax(logits: list[float], scores: list[float]) -> None:
    np.testing.assert_allclose(softmax(np.array(logits, np.float32)), scores, atol=1e-7)


def test_the_best_come_first_and_of_equals_the_first() -> None:
    scores = np.array([0.1, 0.3, 0.2, 0.3, 0.1], np.float32)
    assert find_top_indices(scores, 3).tolist() == [1, 3, 2]
    assert find_top_indices(scores, 9).tolist() == [1, 3, 2, 0, 4]


def ramp(width: int, height: int) -> NDArray[np.uint8]:
    """Red is the column and green the row."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)
    image[..., 1] = np.arange(height)[:, None]
    return image


@pytest.mark.parametrize(
    ("size_wh", "left", "top"), [((64, 64), 4, 4), ((128, 64), 36, 4), ((64, 96), 4, 20)], ids=str
)
def test_the_middle_is_seven_eighths_of_the_shorter_side(
    size_wh: tuple[int, int], left: int, top: int
) -> None:
    pixels = pack_pixels(ramp(*size_wh))
    square = crop_centre(ScaledImage(pixels), size_wh, 56)
    np.testing.assert_array_equal(square, ramp(*size_wh)[top : top + 56, left : left + 56])


def test_the_middle_of_a_reduced_picture_is_where_it_was() -> None:
    # Half of 128 × 64 whose first column hung over: its words begin one pixel outside.
    pixels = pack_pixels(ramp(64, 32))
    square = crop_centre(ScaledImage(pixels, 2, (-8, 0)), (112, 64), 28)
    np.testing.assert_array_equal(square, ramp(64, 32)[2:30, 18:46])


class Recorder:
    """A network whose logits rise with the class, and what it was given."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()

    def run(self, inputs: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        self.shape = inputs.shape
        return {"logits": np.arange(1000, dtype=np.float32)[None]}


def test_a_classifier_answers_the_best_of_its_logits() -> None:
    session = Recorder()
    classifier = Classifier(32, session, read_class_labels())
    stopwatch = Stopwatch()
    first, second = classifier.classify(LazyImage.from_array(ramp(100, 80)), 2, stopwatch)
    assert session.shape == (1, 32, 32, 3)
    assert (first.index, first.label, second.index) == (999, "toilet paper", 998)
    assert first.score == pytest.approx(1 - np.exp(-1), abs=1e-6)
    stages = stopwatch.to_timings().stages
    assert {name for name, seconds in stages.items() if seconds > 0} == {
        *("decode", "preprocess", "inference", "postprocess")
    }


@every_form
@every_model
def test_an_answer_is_the_best_classes_of_what_was_asked(
    built_classifier: Callable[[str], Path], model: str, precision: Precision
) -> None:
    engine = load(built_classifier(model), model, precision)
    found = engine.classify(SELFIE.read_bytes(), 5, Stopwatch())
    assert (found.model, found.precision, len(found.classes)) == (model, precision, 5)
    scores = [each.score for each in found.classes]
    assert scores == sorted(scores, reverse=True)
    assert 0 < sum(scores) <= 1


@every_model
def test_8_bits_find_what_float32_finds(
    built_classifier: Callable[[str], Path], model: str
) -> None:
    folder = built_classifier(model)
    engines = [load(folder, model, precision) for precision in CLASSIFIER_PRECISIONS]
    for image_path in sorted(PICTURES.glob("*.png")):
        exact, rounded = (
            logits(engine.classify(image_path.read_bytes(), 1000, Stopwatch()).classes)
            for engine in engines
        )
        # The pictures are drawings that show no class: scores would weigh one class alone.
        assert exact.argmax() in find_top_indices(rounded, 5)
        assert np.std(rounded - exact) < 0.25 * np.std(exact)


def logits(classes: Sequence[ScoredClass]) -> NDArray[np.float32]:
    """The logits (1000,) of all classes in their order, but for a number that is added to all."""
    scores = {each.index: each.score for each in classes}
    return np.log(np.array([scores[index] for index in range(1000)], np.float32))


@every_form
@every_model
def test_missing_classifier_says_what_to_run(
    tmp_path: Path, model: str, precision: Precision
) -> None:
    with pytest.raises(ModelNotBuiltError, match="phiz models build --group classify"):
        load(tmp_path, model, precision)


def test_a_classifier_that_does_not_exist_is_an_option(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is resnet int8; it must be one of mobilenet float32"):
        load(tmp_path, "resnet", "int8")


def test_file_of_another_hash_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "mobilenet.int8.onnx").write_bytes(b"short")
    with pytest.raises(
        ModelCorruptError, match="rebuild it with: phiz models build --group classify"
    ):
        load(tmp_path, "mobilenet", "int8")
