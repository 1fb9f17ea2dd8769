"""Classifies images: one network on the centre of the image, in float32 or int8.

Classes are those of ImageNet, numbered from 0 to 999 in the order of the 2012 challenge.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from phiz.errors import OptionError
from phiz.faces import Classification, Indices, RgbImage, ScoredClass, Scores
from phiz.image.decode import open_image
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.image.limits import DecodingLimits
from phiz.image.pixels import unpack_rgb
from phiz.models.catalog import read_network
from phiz.models.specs import SELECTABLE_PRECISIONS, Catalog, Precision
from phiz.models.tables import find_data_file
from phiz.runtime import Runtime, Session
from phiz.runtime.onnx import OnnxRuntime
from phiz.timings import Stopwatch

CLASSIFIER_PRECISIONS: Final[tuple[Precision, ...]] = (
    "float32",
    *SELECTABLE_PRECISIONS["classify"],
)
# Both networks were evaluated on the central 224 of 256 pixels of the shorter side.
CENTRE_CROP_SHARE: Final = 224 / 256
# A JPEG is decoded at the smallest scale with this many pixels per pixel of the input.
CLASSIFIER_OVERSAMPLING: Final = 1.5


@dataclass(frozen=True, slots=True)
class Classifier:
    """A loaded network.

    Attributes:
        size: Side of the square input, pixels.
        session: The network.
        labels: Names of the classes.
    """

    size: int
    session: Session
    labels: tuple[str, ...]

    def classify(self, image: LazyImage, top: int, stopwatch: Stopwatch) -> tuple[ScoredClass, ...]:
        """Return the best classes of an image, by falling score.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        longer, shorter = sorted((image.width, image.height), reverse=True)
        scaled = image.decode_scaled(
            CLASSIFIER_OVERSAMPLING * self.size / CENTRE_CROP_SHARE * longer / shorter
        )
        stopwatch.lap("decode")
        square = crop_centre(scaled, (image.width, image.height), self.size)  # (S, S, 3)
        stopwatch.lap("preprocess")
        logits = self.session.run(square[None])["logits"][0]  # (1000,)
        stopwatch.lap("inference")
        scores = softmax(logits)  # (1000,)
        classes = tuple(
            ScoredClass(index, self.labels[index], float(scores[index]))
            for index in find_top_indices(scores, top).tolist()
        )
        stopwatch.lap("postprocess")
        return classes


@dataclass(frozen=True, slots=True)
class ClassificationEngine:
    """A classifier, and the limits on images.

    The engine keeps no state of a request, so threads may share it.
    """

    model: str
    precision: Precision
    classifier: Classifier
    limits: DecodingLimits

    def classify(self, image: bytes | LazyImage, top: int, stopwatch: Stopwatch) -> Classification:
        """Return the classes of an image, encoded or open, in the calling thread.

        Raises:
            ImageError: The bytes are not a readable image within the limits.
        """
        if not isinstance(image, LazyImage):
            image = open_image(image, self.limits)
        stopwatch.lap("decode")
        classes = self.classifier.classify(image, top, stopwatch)
        return Classification(self.model, self.precision, classes)


def build_classification_engine(  # noqa: PLR0913, PLR0917  as build_engine
    catalog: Catalog,
    folder: Path,
    limits: DecodingLimits,
    model: str,
    precision: Precision,
    runtime: Runtime | None = None,
) -> ClassificationEngine:
    """Return an engine with its classifier loaded and verified.

    Args:
        catalog: The catalogue of models.
        folder: Folder of the built models.
        limits: The limits on images.
        model: Name of the classifier.
        precision: Precision of its network.
        runtime: Runtime of the network; None means onnxruntime on the processor.

    Raises:
        OptionError: There is no such classifier, or not in this precision.
        ModelNotBuiltError: It has not been built.
        ModelCorruptError: Its file differs from the catalogue.
    """
    specs = {spec.name: spec for spec in catalog.get_models("classify")}
    if model not in specs or precision not in CLASSIFIER_PRECISIONS:
        known = ", ".join(map(" ".join, product(specs, CLASSIFIER_PRECISIONS)))
        raise OptionError(f"the classifier is {model} {precision}; it must be one of {known}")
    size = specs[model].input_size
    assert size is not None, "the catalogue gives every classifier its input size"
    (network,) = specs[model].with_precision(precision).networks
    session = (runtime or OnnxRuntime()).open(network, read_network(network, folder))
    return ClassificationEngine(
        model, precision, Classifier(size, session, read_class_labels()), limits
    )


def read_class_labels() -> tuple[str, ...]:
    """Return the English names of ImageNet's classes, in their order."""
    return tuple(find_data_file("imagenet.txt").read_text("utf-8").splitlines())


def crop_centre(scaled: ScaledImage, size_wh: tuple[int, int], size: int) -> RgbImage:
    """Return the centre of an image as a square (S, S, 3): 7/8 of its shorter side.

    It is resized by Pillow's antialiased bicubic filter, as in the evaluation of EfficientNet.

    Args:
        scaled: The image, perhaps at a smaller scale.
        size_wh: Size of the image at full scale, pixels.
        size: Side of the square, pixels.
    """
    side = CENTRE_CROP_SHARE * min(size_wh)  # pixels at full scale, as all up to here
    (left, top), factor = scaled.origin_xy, scaled.factor
    x = ((size_wh[0] - side) / 2 - left) / factor
    y = ((size_wh[1] - side) / 2 - top) / factor
    box = x, y, x + side / factor, y + side / factor
    resized = Pillow.fromarray(unpack_rgb(scaled.pixels)).resize(
        (size, size), Pillow.Resampling.BICUBIC, box=box
    )
    return np.asarray(resized)


def softmax(logits: NDArray[np.float32]) -> Scores:
    """Return the scores (C,) of logits (C,): positive, and 1 together."""
    # Less the largest, so that the exponential cannot overflow.
    powers = np.exp(logits - logits.max())  # (C,)
    scores: Scores = powers / powers.sum()
    return scores


def find_top_indices(scores: Scores, count: int) -> Indices:
    """Return the indices of the highest scores (C,), at most so many, by falling score."""
    return np.argsort(-scores, kind="stable")[:count]
