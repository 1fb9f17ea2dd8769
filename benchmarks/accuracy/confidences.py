"""Fit the router's scale of confidence and its convention of boxes to annotated pictures.

::

    python -m benchmarks.accuracy.confidences --data DIR

``DIR`` has ``wider/``, as ``phiz evaluate`` reads it. Three of four pictures are fitted to; the
fourth, every one whose place is a multiple of four, is left for ``router.py`` to report on. The
weights and edges are written to the end of ``models/router.toml``, below the line that says so;
what stands above it is chosen by hand and kept.

The weights are a logistic regression of "is a face". For the slopes, faces of each level of the
benchmark count as much as those of any other, else tiny faces, which are most, would decide
all; then bias and a common factor are fitted again without weights, so that a confidence is the
share of such detections that are faces.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import clip, iou
from phiz.detectors import factory
from phiz.detectors.calibration import (
    cascade_evidence,
    glance_evidence,
    in_common,
    seen_by,
)
from phiz.detectors.fusion import CASCADE
from phiz.detectors.router import Auto
from phiz.detectors.router_state import Survey
from phiz.faces import Boxes, DetectOptions
from phiz.lab.accuracy.labels import LEVELS, LIMITS, Labelled, open_photograph, read_labels
from phiz.lab.accuracy.predictions import boxes_of
from phiz.models import catalog, router_config
from phiz.timings import Stopwatch

MARK = "# Fitted by benchmarks/accuracy/confidences.py"
REPORTED = 4  # every so many-th picture is not fitted to
MATCHED_IOU, SURE = 0.4, 0.7  # of the pairs that boxes' edges are compared on
ON_FACE_IOU = 0.5
FEW = 10  # faces, too few to fit to
RIDGE = 1.0
ROUNDS = 30  # of Newton's method; it is done after ten

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Examples:
    """Detections, what is known of them, and whether they are faces.

    Attributes:
        evidence: (N, E).
        faces: (N,), 1 for a face, 0 for none.
        weights: (N,), see ``weights_of``.
    """

    evidence: Floats
    faces: Floats
    weights: Floats


@click.command()
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
@click.option("--models", type=click.Path(path_type=Path), help="Folder of the built models.")
@click.option(
    "--numbers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=Path("models/router.toml"),
    show_default=True,
)
def main(data: Path, models: Path | None, numbers: Path) -> None:
    """Fit the weights and edges, and write them below the line that says so."""
    labels = [each for place, each in enumerate(read_labels(data)) if place % REPORTED]
    loaded = factory.load(catalog.load(), models or catalog.default_folder(), "half-pixel")
    auto = loaded["auto"]
    assert isinstance(auto, Auto), "the router is a router"
    auto = replace(auto, card=replace(router_config.load(numbers), min_score=0.0))
    edges = {name: edges_of(name, auto, labels) for name in auto.card.conventions}
    auto = replace(auto, card=replace(auto.card, conventions=edges))
    importance = importance_of(labels)
    fitted = [conventions_text(edges)]
    for name, glance in auto.glances.items():
        alone = replace(auto, glances={name: glance})
        fitted.append(glance_text(name, fit_glance(alone, labels, importance)))
    kept, _, _ = numbers.read_text().partition(MARK)
    numbers.write_text(f"{kept}{MARK}; see there.\n\n" + "\n".join(fitted))


def edges_of(name: str, auto: Auto, labels: Sequence[Labelled]) -> router_config.Convention:
    """Return the median distances of a model's edges from the annotated ones."""
    known = auto.card.conventions[name]
    plain = {name: router_config.Convention((0, 0, 0, 0), known.first_px)}
    detector = auto.glances.get(name, auto.cascade)
    distances = [np.empty((0, 4))]
    for label in labels:
        picture = open_photograph(label, LIMITS)
        found = detector.detect(picture, DetectOptions(min_score=SURE), Stopwatch()).faces
        boxes = in_common(boxes_of(found), name, plain)  # (N, 4)
        faces = label.faces[label.counted[LEVELS[-1]]]  # (F, 4), the widest level takes in the rest
        nearest, overlaps = nearest_of(boxes, faces)  # (N,), (N,)
        matched = overlaps >= MATCHED_IOU
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)  # (N, 4)
        if matched.any():
            distances.append(((faces[nearest] - boxes) / sides)[matched])
    left, top, right, bottom = np.median(np.concatenate(distances), axis=0).tolist()
    return router_config.Convention((left, top, right, bottom), known.first_px)


def fit_glance(
    auto: Auto, labels: Sequence[Labelled], importance: Floats
) -> router_config.GlanceCard:
    """Return the weights beside one glance, fitted to what the router meets on its way."""
    alone: list[Examples] = []
    unconfirmed: list[Examples] = []
    climbed: list[Examples] = []
    for label in labels:
        survey = auto.survey(open_photograph(label, LIMITS), DetectOptions(), Stopwatch())
        found = [examples(*each, label, importance) for each in evidence_of(survey, auto)]
        for examples_of, each in zip((alone, unconfirmed, climbed), found, strict=True):
            examples_of.append(each)
    lone, rest, cascade = (together(each) for each in (alone, unconfirmed, climbed))
    first, second, third = (
        logistic(each.evidence, each.faces, each.weights) for each in (lone, rest, cascade)
    )
    if rest.faces.sum() < FEW:  # nothing to learn slopes from: those of all, and rarely a face
        rare = np.log(FEW / len(rest.faces)) - rest.evidence.mean(axis=0) @ first[:-1]
        second = np.append(first[:-1], rare)
    (own,) = rescaled([first], [lone])
    return router_config.GlanceCard(own, *rescaled([second, third], [rest, cascade]))


def evidence_of(survey: Survey, auto: Auto) -> list[tuple[Boxes, NDArray[np.float32]]]:
    """Return boxes and evidence: of the glance, of what it alone found, and of the cascade."""
    glance = survey.glance
    evidence = glance_evidence(glance.boxes, glance.scores, glance.size_wh)  # (G, 2)
    if survey.candidates is None:
        nothing = np.empty((0, 4), np.float32)
        return [
            (glance.boxes, evidence),
            (nothing, evidence[:0]),
            (nothing, np.empty((0, 5), np.float32)),
        ]
    boxes = in_common(survey.candidates.boxes, CASCADE, auto.card.conventions)  # (N, 4)
    boxes = clip(boxes, *glance.size_wh)
    seen, apart = seen_by(boxes, glance.boxes, glance.scores)  # (N,), (G,)
    climbed = cascade_evidence(boxes, survey.candidates.scores, seen, glance.size_wh)  # (N, 5)
    return [(glance.boxes, evidence), (glance.boxes[apart], evidence[apart]), (boxes, climbed)]


def examples(
    boxes: Boxes, evidence: NDArray[np.float32], label: Labelled, importance: Floats
) -> Examples:
    """Return detections (N, 4) with evidence (N, E) as examples, those on no counted face left out.

    A face that is annotated but ignored at every level is neither.
    """
    nearest, overlaps = nearest_of(boxes, label.faces)  # (N,), (N,)
    on_face = overlaps >= ON_FACE_IOU  # (N,)
    worth = np.append(levels_of(label) @ importance, 0.0)  # (F + 1,)
    counted = ~on_face | (worth[nearest] > 0)  # (N,)
    weights = np.where(on_face, worth[nearest], 1.0)  # (N,)
    return Examples(
        evidence[counted].astype(float), on_face[counted].astype(float), weights[counted]
    )


def importance_of(labels: Sequence[Labelled]) -> Floats:
    """Return what a face counts for belonging to each level, (3,), so that levels count alike."""
    counts = np.sum([levels_of(label).sum(axis=0) for label in labels], axis=0)  # (3,)
    importance: Floats = counts[-1] / counts / len(LEVELS)
    return importance


def levels_of(label: Labelled) -> Floats:
    """Return the levels that each face of a picture counts in, (F, 3), 1 or 0."""
    return np.stack([label.counted[level] for level in LEVELS], axis=1).astype(float)


def nearest_of(boxes: Boxes, faces: Boxes) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the face that each of boxes (N, 4) overlaps most, (N,), and how much, (N,)."""
    if not len(boxes) or not len(faces):
        return np.full(len(boxes), len(faces), np.intp), np.zeros(len(boxes), np.float32)
    overlaps = np.stack([iou(box, faces) for box in boxes])  # (N, F)
    return overlaps.argmax(axis=1), overlaps.max(axis=1)


def together(parts: Sequence[Examples]) -> Examples:
    """Return the examples of many pictures as one."""
    return Examples(
        np.concatenate([part.evidence for part in parts]),
        np.concatenate([part.faces for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def logistic(evidence: Floats, faces: Floats, weights: Floats) -> Floats:
    """Return the slopes and, last, the bias (E + 1,) of a ridge-regularised logistic regression."""
    means, spreads = evidence.mean(axis=0), evidence.std(axis=0) + 1e-9  # (E,) each
    inputs = np.c_[(evidence - means) / spreads, np.ones(len(evidence))]  # (N, E + 1)
    ridge = RIDGE * np.eye(inputs.shape[1])
    ridge[-1, -1] = 1e-6
    slopes = np.zeros(inputs.shape[1])
    for _ in range(ROUNDS):
        sure = 1 / (1 + np.exp(-inputs @ slopes))  # (N,)
        gradient = inputs.T @ (weights * (sure - faces)) + ridge @ slopes
        curvature = (inputs * (weights * sure * (1 - sure))[:, None]).T @ inputs + ridge
        slopes -= np.linalg.solve(curvature, gradient)
    plain = slopes[:-1] / spreads
    return np.append(plain, slopes[-1] - plain @ means)


def rescaled(slopes: Sequence[Floats], parts: Sequence[Examples]) -> list[router_config.Weights]:
    """Return weights whose confidences are the share of faces, their common order kept."""
    odds = [part.evidence @ each[:-1] + each[-1] for each, part in zip(slopes, parts, strict=True)]
    faces = np.concatenate([part.faces for part in parts])
    factor, shift = logistic(np.concatenate(odds)[:, None], faces, np.ones(len(faces)))
    return [
        router_config.Weights(
            float(factor * each[-1] + shift), tuple((factor * each[:-1]).tolist())
        )
        for each in slopes
    ]


def conventions_text(conventions: dict[str, router_config.Convention]) -> str:
    """Return the tables of the conventions."""
    lines = []
    for name, each in conventions.items():
        first = [f"first_px = {each.first_px:g}"] if each.first_px else []
        shares = [
            f"{edge} = {share:.3f}"
            for edge, share in zip(router_config.EDGES, each.shares, strict=True)
        ]
        lines += [f"[conventions.{name}]", *first, *shares, ""]
    return "\n".join(lines)


def glance_text(name: str, card: router_config.GlanceCard) -> str:
    """Return the tables of one glance."""
    names = (
        router_config.GLANCE_EVIDENCE,
        router_config.GLANCE_EVIDENCE,
        router_config.CASCADE_EVIDENCE,
    )
    lines = []
    for which, evidence in zip(router_config.LEARNT, names, strict=True):
        weights: router_config.Weights = getattr(card, which)
        lines += [f"[glances.{name}.{which}]", f"bias = {weights.bias:.3f}"]
        lines += [f"{e} = {w:.3f}" for e, w in zip(evidence, weights.evidence, strict=True)]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
