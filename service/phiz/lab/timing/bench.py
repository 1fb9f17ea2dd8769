"""Times and gates of every configuration to run the networks that this machine has."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from phiz.detectors import factory
from phiz.detectors.detector import Detector
from phiz.faces import Boxes, DetectOptions, RgbImage, Scores
from phiz.image.lazy import LazyImage
from phiz.lab.accuracy.gates import (
    AccuracyChange,
    Outputs,
    compute_excess,
    count_kept,
    find_fastest,
)
from phiz.lab.accuracy.labels import LEVELS, LabelledImage
from phiz.lab.accuracy.precision import (
    compute_average_precision,
    judge_detections,
    merge_judgements,
)
from phiz.lab.accuracy.predictions import to_boxes, to_scores
from phiz.lab.timing.networks import LoadedNetwork
from phiz.lab.timing.workloads import Inputs, make_parity_inputs, make_timing_inputs
from phiz.models.specs import Catalog, NetworkSpec
from phiz.runtime import Session
from phiz.runtime.profile import ProfileEntry
from phiz.runtime.variants import REFERENCE_VARIANT, Variant, get_version, open_runtime
from phiz.timings import Stopwatch

T = TypeVar("T")
Configuration: TypeAlias = tuple[Variant, int]
"""A variant on so many threads."""

WARM_UP_ROUNDS: Final = 3  # rounds that do not count
# Low, so that the curve of precision has its weak detections too.
MIN_SCORE: Final = 0.2
SAMPLING: Final = "half-pixel"


@dataclass(frozen=True, slots=True)
class NetworkMeasurement:
    """One network, in every configuration.

    Attributes:
        model: The name of the model that it belongs to.
        spec: Its own.
        median_ms: Of the work that one picture, or one batch of crops, makes.
        excess: By variant, the largest difference in units of what parity allows.
    """

    model: str
    spec: NetworkSpec
    median_ms: Mapping[Configuration, float]
    excess: Mapping[Variant, float]


@dataclass(frozen=True, slots=True)
class ModelMeasurement:
    """One model in one variant.

    Attributes:
        median_ms: Of a picture, without decoding it.
        change: How its answers differ from the reference's.
        precision: Average precision by level of WIDER FACE; empty where no faces are labelled.
    """

    median_ms: float
    change: AccuracyChange
    precision: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VariantPredictions:
    """What one variant of a model found: boxes and scores of each picture, and seconds."""

    found: list[tuple[Boxes, Scores]]
    seconds: list[float]


def measure_network(
    network: LoadedNetwork,
    configurations: Sequence[Configuration],
    rounds: int,
    images: Sequence[RgbImage],
) -> NetworkMeasurement:
    """Return the figures of a network; all ways take turns, so that they meet the same noise.

    Args:
        network: In question.
        configurations: The reference on one thread is among them, and no precision that the
            network lacks.
        rounds: That count.
        images: (H, W, 3) each, with faces, to compare the variants on.
    """
    model, spec = network.model, network.spec
    sessions = {
        configuration: open_session(network, configuration) for configuration in configurations
    }
    single = {
        variant: sessions[variant, threads] for variant, threads in configurations if threads == 1
    }
    return NetworkMeasurement(
        model=model.name,
        spec=spec,
        median_ms=_time_interleaved(
            sessions, lambda turn: make_timing_inputs(model, spec.architecture, turn), rounds
        ),
        excess=measure_excess(network, single, images),
    )


def measure_excess(
    network: LoadedNetwork, sessions: Mapping[Variant, Session], images: Sequence[RgbImage]
) -> dict[Variant, float]:
    """Return by variant the largest difference in units of what parity allows.

    Args:
        network: In question.
        sessions: Of it, the reference's among them.
        images: (H, W, 3) each, with faces, to compare the variants on.
    """
    batches = list(make_parity_inputs(network.model, network.spec.architecture, images))
    expected = [sessions[REFERENCE_VARIANT].run(batch) for batch in batches]
    return {
        variant: _measure_largest_excess(session, batches, expected)
        for variant, session in sessions.items()
    }


def open_session(network: LoadedNetwork, configuration: Configuration) -> Session:
    """Return a network's session in a variant of which it has the precision, on so many threads."""
    variant, _ = configuration
    return open_runtime(*configuration).open(
        network.spec, network.graphs[variant.network_precision]
    )


def measure_model(
    catalog: Catalog,
    folder: Path,
    model: str,
    variants: Sequence[Variant],
    images: Iterable[tuple[LazyImage, LabelledImage | None]],
) -> dict[Variant, ModelMeasurement]:
    """Return a model's figures by variant, on pictures with their labels where there are some.

    In 8 bits are those of its networks that are offered in them, and the others in float32.

    Raises:
        ModelError: A network is missing, or is not the one that the catalogue names.
    """
    predictions, labels = predict_variants(catalog, folder, model, variants, images)
    precisions = {
        variant: _compute_precisions(predictions[variant], labels) for variant in variants
    }
    return {
        variant: ModelMeasurement(
            1000 * median(predictions[variant].seconds),
            AccuracyChange(
                *_count_kept(predictions[variant], predictions[REFERENCE_VARIANT]),
                {
                    level: precisions[REFERENCE_VARIANT][level] - ap
                    for level, ap in precision.items()
                },
            ),
            precision,
        )
        for variant, precision in precisions.items()
    }


def predict_variants(
    catalog: Catalog,
    folder: Path,
    model: str,
    variants: Sequence[Variant],
    images: Iterable[tuple[LazyImage, LabelledImage | None]],
) -> tuple[dict[Variant, VariantPredictions], list[LabelledImage]]:
    """Return what a model finds on pictures in each variant, which take turns, and the labels.

    Raises:
        ModelError: A network is missing, or is not the one that the catalogue names.
    """
    loaded = {
        variant: _load_detector(
            catalog.with_precision(variant.network_precision), folder, model, variant
        )
        for variant in variants
    }
    predictions = {variant: VariantPredictions([], []) for variant in variants}
    labels = []
    for turn, (image, label) in enumerate(images):
        for variant in rotate_order(variants, turn):
            _append_prediction(loaded[variant], image, predictions[variant])
        if label is not None:
            labels.append(label)
    return predictions, labels


def rotate_order(items: Sequence[T], turn: int) -> list[T]:
    """Return all, another first in each turn.

    A busy system takes the processor away about once a round, and would otherwise take it from
    the same one again and again; and who comes after the same one each time finds the caches as
    that one leaves them.
    """
    first = turn % len(items)
    return [*items[first:], *items[:first]]


def choose_variant(
    network: NetworkMeasurement, models: Mapping[Variant, ModelMeasurement]
) -> ProfileEntry:
    """Return the fastest variant of a network, on one thread, that passes its gate.

    Args:
        network: Its figures.
        models: Those of its model.
    """
    variants = list(network.excess)
    times_ms = [network.median_ms[variant, 1] for variant in variants]
    best = find_fastest(
        times_ms, [can_replace_reference(network, variant, models) for variant in variants]
    )
    variant = variants[best]
    version = get_version(variant.runtime)
    assert version is not None, "what was measured is installed"
    sha256 = network.spec.with_precision(variant.network_precision).sha256
    return ProfileEntry(sha256, variant, version, times_ms[best], times_ms[0])


def can_replace_reference(
    network: NetworkMeasurement, variant: Variant, models: Mapping[Variant, ModelMeasurement]
) -> bool:
    """Return whether a variant of a network may stand in for the reference."""
    if variant.precision == "float32":
        return network.excess[variant] <= 1
    return models[variant].change.passes


def iterate_thread_counts(available: int) -> Iterator[int]:
    """Yield 1, 2, 4 and so on up to what is available."""
    threads = 1
    while threads <= available:
        yield threads
        threads *= 2


def _load_detector(catalog: Catalog, folder: Path, model: str, variant: Variant) -> Detector:
    return factory.load_detectors(catalog, folder, SAMPLING, [model], open_runtime(variant))[model]


def _measure_largest_excess(
    session: Session, batches: Sequence[NDArray[Any]], expected: Sequence[Outputs]
) -> float:
    answers = zip(batches, expected, strict=True)
    # numpy's maximum, for which NaN is the largest
    return float(np.max([compute_excess(session.run(batch), answer) for batch, answer in answers]))


def _time_interleaved(
    sessions: Mapping[Configuration, Session], make_inputs: Callable[[int], Inputs], rounds: int
) -> dict[Configuration, float]:
    configurations = list(sessions)
    seconds: dict[Configuration, list[float]] = {
        configuration: [] for configuration in configurations
    }
    for turn in range(WARM_UP_ROUNDS + rounds):
        inputs = make_inputs(turn)
        for configuration in rotate_order(configurations, turn):
            started = time.perf_counter()
            for each in inputs:
                sessions[configuration].run(each)
            seconds[configuration].append(time.perf_counter() - started)
    return {
        configuration: 1000 * median(taken[WARM_UP_ROUNDS:])
        for configuration, taken in seconds.items()
    }


def _append_prediction(
    detector: Detector, image: LazyImage, predictions: VariantPredictions
) -> None:
    stopwatch = Stopwatch()
    faces = detector.detect(image, DetectOptions(min_score=MIN_SCORE), stopwatch).faces
    timings = stopwatch.to_timings()
    # Without decoding, which only the first of them does.
    predictions.seconds.append(timings.total_s - timings.stages.get("decode", 0.0))
    predictions.found.append((to_boxes(faces), to_scores(faces)))


def _count_kept(ours: VariantPredictions, reference: VariantPredictions) -> tuple[int, int]:
    """Return how many faces the reference is sure of, and how many have a counterpart."""
    counts = [
        count_kept(boxes, *expected)
        for (boxes, _), expected in zip(ours.found, reference.found, strict=True)
    ]
    return sum(faces for faces, _ in counts), sum(kept for _, kept in counts)


def _compute_precisions(
    predictions: VariantPredictions, labels: Sequence[LabelledImage]
) -> dict[str, float]:
    return {
        level: _compute_precision(predictions, labels, level)
        for level in (LEVELS if labels else ())
    }


def _compute_precision(
    predictions: VariantPredictions, labels: Sequence[LabelledImage], level: str
) -> float:
    judged = [
        judge_detections(boxes, scores, label.faces, label.counted[level])
        for (boxes, scores), label in zip(predictions.found, labels, strict=True)
    ]
    return compute_average_precision(merge_judgements(judged))
