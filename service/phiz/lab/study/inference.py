"""The answers of a whole model in each variant, and the time of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Generic, TypeVar

from phiz.classifiers import Classifier, read_class_labels
from phiz.detectors.detector import Detector
from phiz.detectors.factory import load_detectors
from phiz.faces import DetectOptions, Face
from phiz.image.lazy import LazyImage
from phiz.lab.study.networks import BuiltNetwork, offer_all_precisions
from phiz.lab.study.timing import rotate_order
from phiz.models.specs import Catalog, ModelSpec
from phiz.runtime.variants import Variant, open_runtime
from phiz.timings import Stopwatch

Answer = TypeVar("Answer")

TOP_CLASSES: Final = 5
# Low, so that the curve of precision has its weak detections too.
MIN_SCORE: Final = 0.2
SAMPLING: Final = "half-pixel"


@dataclass(frozen=True, slots=True)
class VariantAnswers(Generic[Answer]):
    """The answers of a model in one variant, one for each image.

    Attributes:
        answers: Classes or faces.
        seconds: Time of all stages but decoding, which only the first variant of an image does.
    """

    answers: list[Answer] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def detect_in_variants(
    networks: Sequence[BuiltNetwork], images: Iterable[LazyImage]
) -> dict[Variant, VariantAnswers[tuple[Face, ...]]]:
    """Return the faces that a model finds, by variant.

    Args:
        networks: All networks of the model.
        images: All variants take turns on each.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
    """
    detectors = {
        variant: partial(_detect, _load_detector(model, networks[0].folder, variant))
        for variant, model in list_model_variants(networks).items()
    }
    return _answer_in_turns(detectors, images)


def classify_in_variants(
    network: BuiltNetwork, images: Iterable[LazyImage]
) -> dict[Variant, VariantAnswers[list[int]]]:
    """Return the indices of the best classes (TOP), by variant.

    Args:
        network: The only network of the model.
        images: All variants take turns on each.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
    """
    classifiers = {
        variant: partial(_classify, _load_classifier(network, variant))
        for variant in network.variants
    }
    return _answer_in_turns(classifiers, images)


def list_model_variants(networks: Sequence[BuiltNetwork]) -> dict[Variant, ModelSpec]:
    """Return the variants that a model can be run in as a whole, and the model in each.

    In 8 bits are those of its networks that are offered in them, and the others in float32.
    """
    offered, folder = offer_all_precisions(networks[0].model), networks[0].folder
    variants = dict.fromkeys(each for network in networks for each in network.variants)
    models = {each: offered.with_precision(each.network_precision) for each in variants}
    return {
        variant: model
        for variant, model in models.items()
        if variant.network_precision in {spec.precision for spec in model.networks}
        and all((folder / spec.file_name).exists() for spec in model.networks)
    }


def _load_detector(model: ModelSpec, folder: Path, variant: Variant) -> Detector:
    runtime = open_runtime(variant)
    return load_detectors(Catalog((model,)), folder, SAMPLING, [model.name], runtime)[model.name]


def _load_classifier(network: BuiltNetwork, variant: Variant) -> Classifier:
    size = network.model.input_size
    assert size is not None, "the catalogue gives every classifier its input size"
    return Classifier(size, network.open(variant), read_class_labels())


def _detect(detector: Detector, image: LazyImage, stopwatch: Stopwatch) -> tuple[Face, ...]:
    return detector.detect(image, DetectOptions(min_score=MIN_SCORE), stopwatch).faces


def _classify(classifier: Classifier, image: LazyImage, stopwatch: Stopwatch) -> list[int]:
    return [each.index for each in classifier.classify(image, TOP_CLASSES, stopwatch)]


def _answer_in_turns(
    models: Mapping[Variant, Callable[[LazyImage, Stopwatch], Answer]], images: Iterable[LazyImage]
) -> dict[Variant, VariantAnswers[Answer]]:
    given: dict[Variant, VariantAnswers[Answer]] = {each: VariantAnswers() for each in models}
    for turn, image in enumerate(images):
        for variant in rotate_order(list(models), turn):
            stopwatch = Stopwatch()
            given[variant].answers.append(models[variant](image, stopwatch))
            timings = stopwatch.to_timings()
            given[variant].seconds.append(timings.total_s - timings.stages.get("decode", 0.0))
    return given
