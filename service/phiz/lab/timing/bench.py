"""Times and gates of every way to run the networks that this machine has."""

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
from phiz.faces import Boxes, DetectOptions, Image, Scores
from phiz.image.lazy import Picture
from phiz.lab.accuracy.gates import Change, Outputs, count_kept, excess, fastest
from phiz.lab.accuracy.labels import LEVELS, Labelled
from phiz.lab.accuracy.precision import average_precision, judge, together
from phiz.lab.accuracy.predictions import boxes_of, scores_of
from phiz.lab.timing.networks import Network
from phiz.lab.timing.workloads import Inputs, parity_inputs, timing_inputs
from phiz.models.specs import Catalog, NetworkCard
from phiz.runtime import Session
from phiz.runtime.profile import Choice
from phiz.runtime.variants import REFERENCE, Variant, open_runtime, version_of
from phiz.timings import Stopwatch

T = TypeVar("T")
Way: TypeAlias = tuple[Variant, int]
"""A variant on so many threads."""

WARM_UP: Final = 3  # rounds that do not count
# Low, so that the curve of precision has its weak detections too.
MIN_SCORE: Final = 0.2
SAMPLING: Final = "half-pixel"


@dataclass(frozen=True, slots=True)
class NetworkFigures:
    """One network, in every way.

    Attributes:
        model: The name of the model that it belongs to.
        card: Its own.
        median_ms: Of the work that one picture, or one batch of crops, makes.
        excess: By variant, the largest difference in units of what parity allows.
    """

    model: str
    card: NetworkCard
    median_ms: Mapping[Way, float]
    excess: Mapping[Variant, float]


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """One model in one variant.

    Attributes:
        median_ms: Of a picture, without decoding it.
        change: How its answers differ from the reference's.
        precision: Average precision by level of WIDER FACE; empty where no faces are labelled.
    """

    median_ms: float
    change: Change
    precision: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answers:
    """What one variant of a model found: boxes and scores of each picture, and seconds."""

    found: list[tuple[Boxes, Scores]]
    seconds: list[float]


def measure_network(
    network: Network, ways: Sequence[Way], rounds: int, pictures: Sequence[Image]
) -> NetworkFigures:
    """Return the figures of a network; all ways take turns, so that they meet the same noise.

    Args:
        network: In question.
        ways: The reference on one thread is among them, and no form that the network has not.
        rounds: That count.
        pictures: (H, W, 3) each, with faces, to compare the variants on.
    """
    model, card = network.model, network.card
    sessions = {way: open_session(network, way) for way in ways}
    single = {variant: sessions[variant, threads] for variant, threads in ways if threads == 1}
    return NetworkFigures(
        model=model.name,
        card=card,
        median_ms=_take_turns(
            sessions, lambda turn: timing_inputs(model, card.architecture, turn), rounds
        ),
        excess=measure_excess(network, single, pictures),
    )


def measure_excess(
    network: Network, sessions: Mapping[Variant, Session], pictures: Sequence[Image]
) -> dict[Variant, float]:
    """Return by variant the largest difference in units of what parity allows.

    Args:
        network: In question.
        sessions: Of it, the reference's among them.
        pictures: (H, W, 3) each, with faces, to compare the variants on.
    """
    batches = list(parity_inputs(network.model, network.card.architecture, pictures))
    expected = [sessions[REFERENCE].run(batch) for batch in batches]
    return {
        variant: _largest_excess(session, batches, expected)
        for variant, session in sessions.items()
    }


def open_session(network: Network, way: Way) -> Session:
    """Return a network's session in a variant of which it has the form, on so many threads."""
    variant, _ = way
    return open_runtime(*way).open(network.card, network.graphs[variant.form])


def measure_model(
    catalog: Catalog,
    folder: Path,
    model: str,
    variants: Sequence[Variant],
    pictures: Iterable[tuple[Picture, Labelled | None]],
) -> dict[Variant, ModelFigures]:
    """Return a model's figures by variant, on pictures with their labels where there are some.

    In 8 bits are those of its networks that are offered in them, and the others in float32.

    Raises:
        ModelError: A network is missing, or is not the one that the catalogue names.
    """
    answers, labelled = answer(catalog, folder, model, variants, pictures)
    precisions = {variant: _precisions(answers[variant], labelled) for variant in variants}
    return {
        variant: ModelFigures(
            1000 * median(answers[variant].seconds),
            Change(
                *_kept(answers[variant], answers[REFERENCE]),
                {level: precisions[REFERENCE][level] - ap for level, ap in precision.items()},
            ),
            precision,
        )
        for variant, precision in precisions.items()
    }


def answer(
    catalog: Catalog,
    folder: Path,
    model: str,
    variants: Sequence[Variant],
    pictures: Iterable[tuple[Picture, Labelled | None]],
) -> tuple[dict[Variant, Answers], list[Labelled]]:
    """Return what a model finds on pictures in each variant, which take turns, and the labels.

    Raises:
        ModelError: A network is missing, or is not the one that the catalogue names.
    """
    loaded = {
        variant: _load(catalog.in_form(variant.form), folder, model, variant)
        for variant in variants
    }
    answers = {variant: Answers([], []) for variant in variants}
    labels = []
    for turn, (picture, label) in enumerate(pictures):
        for variant in rotated(variants, turn):
            _answer(loaded[variant], picture, answers[variant])
        if label is not None:
            labels.append(label)
    return answers, labels


def rotated(ways: Sequence[T], turn: int) -> list[T]:
    """Return all, another first in each turn.

    A busy system takes the processor away about once a round, and would otherwise take it from
    the same one again and again; and who comes after the same one each time finds the caches as
    that one leaves them.
    """
    first = turn % len(ways)
    return [*ways[first:], *ways[:first]]


def choose(network: NetworkFigures, models: Mapping[Variant, ModelFigures]) -> Choice:
    """Return the fastest variant of a network, on one thread, that passes its gate.

    Args:
        network: Its figures.
        models: Those of its model.
    """
    variants = list(network.excess)
    times_ms = [network.median_ms[variant, 1] for variant in variants]
    best = fastest(times_ms, [passes(network, variant, models) for variant in variants])
    variant = variants[best]
    version = version_of(variant.runtime)
    assert version is not None, "what was measured is installed"
    sha256 = network.card.in_form(variant.form).sha256
    return Choice(sha256, variant, version, times_ms[best], times_ms[0])


def passes(
    network: NetworkFigures, variant: Variant, models: Mapping[Variant, ModelFigures]
) -> bool:
    """Return whether a variant of a network may stand in for the reference."""
    if variant.precision == "float32":
        return network.excess[variant] <= 1
    return models[variant].change.passes


def thread_counts(available: int) -> Iterator[int]:
    """Yield 1, 2, 4 and so on up to what is available."""
    threads = 1
    while threads <= available:
        yield threads
        threads *= 2


def _load(catalog: Catalog, folder: Path, model: str, variant: Variant) -> Detector:
    return factory.load(catalog, folder, SAMPLING, [model], open_runtime(variant))[model]


def _largest_excess(
    session: Session, batches: Sequence[NDArray[Any]], expected: Sequence[Outputs]
) -> float:
    answers = zip(batches, expected, strict=True)
    # numpy's maximum, for which NaN is the largest
    return float(np.max([excess(session.run(batch), answer) for batch, answer in answers]))


def _take_turns(
    sessions: Mapping[Way, Session], inputs_of: Callable[[int], Inputs], rounds: int
) -> dict[Way, float]:
    ways = list(sessions)
    seconds: dict[Way, list[float]] = {way: [] for way in ways}
    for turn in range(WARM_UP + rounds):
        inputs = inputs_of(turn)
        for way in rotated(ways, turn):
            started = time.perf_counter()
            for each in inputs:
                sessions[way].run(each)
            seconds[way].append(time.perf_counter() - started)
    return {way: 1000 * median(taken[WARM_UP:]) for way, taken in seconds.items()}


def _answer(detector: Detector, picture: Picture, answers: Answers) -> None:
    stopwatch = Stopwatch()
    faces = detector.detect(picture, DetectOptions(min_score=MIN_SCORE), stopwatch).faces
    timings = stopwatch.timings()
    # Without decoding, which only the first of them does.
    answers.seconds.append(timings.total_s - timings.stages.get("decode", 0.0))
    answers.found.append((boxes_of(faces), scores_of(faces)))


def _kept(ours: Answers, reference: Answers) -> tuple[int, int]:
    """Return how many faces the reference is sure of, and how many have a counterpart."""
    counts = [
        count_kept(boxes, *expected)
        for (boxes, _), expected in zip(ours.found, reference.found, strict=True)
    ]
    return sum(faces for faces, _ in counts), sum(kept for _, kept in counts)


def _precisions(answers: Answers, labels: Sequence[Labelled]) -> dict[str, float]:
    return {level: _precision(answers, labels, level) for level in (LEVELS if labels else ())}


def _precision(answers: Answers, labels: Sequence[Labelled], level: str) -> float:
    judged = [
        judge(boxes, scores, label.faces, label.counted[level])
        for (boxes, scores), label in zip(answers.found, labels, strict=True)
    ]
    return average_precision(together(judged))
