"""Fit the router's scale of confidence and its calibration of boxes to annotated pictures.

::

    python -m benchmarks.accuracy.confidences --data DIR

``DIR`` has ``wider/``, as ``phiz evaluate`` reads it. Three of four images are fitted to; every one
whose place is a multiple of four is left for ``router.py`` to report on. The weights and edges are
written to the end of ``models/router.toml``, below a mark; the lines above it are chosen by hand
and kept.

The weights are a logistic regression of "is a face". For the slopes, all levels of WIDER FACE have
the same weight; otherwise tiny faces, the majority, would decide. Bias and a common factor are then
fitted again without weights, so that a confidence is the share of such detections that are faces.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.kit.options import FILE, data_option, models_option
from benchmarks.kit.precision import omit_held_out
from phiz.boxes.geometry import box_iou, clip_boxes
from phiz.detectors import calibration, factory
from phiz.detectors.fusion import CASCADE_MODEL
from phiz.detectors.router import Router
from phiz.detectors.router_state import RouterState
from phiz.faces import Boxes, DetectOptions
from phiz.lab.accuracy.labels import (
    LEVELS,
    PHOTOGRAPH_LIMITS,
    LabelledImage,
    open_photograph,
    read_wider_labels,
)
from phiz.lab.accuracy.predictions import to_boxes
from phiz.models import catalog, router_config
from phiz.timings import Stopwatch

MARK = "# Fitted by benchmarks/accuracy/confidences.py"
MATCHED_IOU, SURE = 0.4, 0.7  # of the boxes whose edges are compared
ON_FACE_IOU = 0.5
MIN_FACES = 10  # fewer are too few to fit to
RIDGE = 1.0
NEWTON_STEPS = 30  # ten are enough

Floats = NDArray[np.float64]


Examples: TypeAlias = Floats
"""Detections (N, E + 2): E features, 1 for a face or else 0, and the weight of the example."""


@click.command()
@data_option
@models_option
@click.option("--numbers", type=FILE, default=Path("models/router.toml"), show_default=True)
def main(data: Path, models: Path, numbers: Path) -> None:
    """Fit the weights and edges, and write them below the mark."""
    labels = omit_held_out(read_wider_labels(data))
    auto = factory.load_detectors(catalog.load_catalog(), models, "half-pixel")["auto"]
    assert isinstance(auto, Router), "the router is a router"
    auto = replace(auto, config=replace(router_config.load_router_config(numbers), min_score=0.0))
    edges = {name: measure_edges(name, auto, labels) for name in auto.config.box_calibration}
    auto = replace(auto, config=replace(auto.config, box_calibration=edges))
    importance = compute_importance(labels)
    fitted = [format_box_calibration(*each) for each in edges.items()]
    for name, detector in auto.first_pass.items():
        standalone = replace(auto, first_pass={name: detector})
        fitted.append(format_first_pass(name, fit_first_pass(standalone, labels, importance)))
    kept, _, _ = numbers.read_text().partition(MARK)
    numbers.write_text(f"{kept}{MARK}; see there.\n\n" + "\n".join(fitted))


def measure_edges(
    name: str, router: Router, labels: Sequence[LabelledImage]
) -> router_config.BoxCalibration:
    """Return the median distances of a model's edges from the annotated ones."""
    known = router.config.box_calibration[name]
    plain = {name: router_config.BoxCalibration((0, 0, 0, 0), known.first_px)}
    detector = router.first_pass.get(name, router.cascade)
    distances = [np.empty((0, 4))]
    for label in labels:
        image = open_photograph(label, PHOTOGRAPH_LIMITS)
        found = detector.detect(image, DetectOptions(min_score=SURE), Stopwatch()).faces
        boxes = calibration.calibrate_boxes(to_boxes(found), name, plain)  # (N, 4)
        faces = label.faces[label.counted[LEVELS[-1]]]  # (F, 4), the widest level takes in the rest
        nearest, overlaps = find_nearest(boxes, faces)  # (N,), (N,)
        matched = overlaps >= MATCHED_IOU
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)  # (N, 4)
        if matched.any():
            distances.append(((faces[nearest] - boxes) / sides)[matched])
    left, top, right, bottom = np.median(np.concatenate(distances), axis=0).tolist()
    return router_config.BoxCalibration((left, top, right, bottom), known.first_px)


def fit_first_pass(
    router: Router, labels: Sequence[LabelledImage], importance: Floats
) -> router_config.FirstPassConfig:
    """Return the weights beside one first pass, fitted to the router's own detections."""
    found = []
    for label in labels:
        image = open_photograph(label, PHOTOGRAPH_LIMITS)
        state = router.run_stages(image, DetectOptions(), Stopwatch())
        features = collect_features(state, router)
        found.append([build_examples(*each, label, importance) for each in features])
    lone, rest, cascade = (np.concatenate(parts) for parts in zip(*found, strict=True))
    first, second, third = map(fit_logistic, (lone, rest, cascade))
    if rest[:, -2].sum() < MIN_FACES:  # too few for slopes: those of all, and rarely a face
        rare = np.log(MIN_FACES / len(rest)) - rest[:, :-2].mean(axis=0) @ first[:-1]
        second = np.append(first[:-1], rare)
    (own,) = rescale_weights([first], [lone])
    return router_config.FirstPassConfig(own, *rescale_weights([second, third], [rest, cascade]))


def collect_features(state: RouterState, router: Router) -> list[tuple[Boxes, NDArray[np.float32]]]:
    """Return boxes and features: of the first pass, of its unmatched boxes, and of the cascade."""
    first_pass = state.first_pass
    features = calibration.compute_first_pass_features(
        first_pass.boxes, first_pass.scores, first_pass.size_wh
    )  # (G, 2)
    if state.candidates is None:
        none = np.empty((0, 4), np.float32)
        no_cascade = none, np.empty((0, 5), np.float32)
        return [(first_pass.boxes, features), (none, features[:0]), no_cascade]
    boxes = calibration.calibrate_boxes(
        state.candidates.boxes, CASCADE_MODEL, router.config.box_calibration
    )  # (N, 4)
    boxes = clip_boxes(boxes, *first_pass.size_wh)
    seen, apart = calibration.match_first_pass(
        boxes, first_pass.boxes, first_pass.scores
    )  # (N,), (G,)
    from_cascade = calibration.compute_cascade_features(
        boxes, state.candidates.scores, seen, first_pass.size_wh
    )  # (N, 5)
    return [
        (first_pass.boxes, features),
        (first_pass.boxes[apart], features[apart]),
        (boxes, from_cascade),
    ]


def build_examples(
    boxes: Boxes, features: NDArray[np.float32], label: LabelledImage, importance: Floats
) -> Examples:
    """Return detections (N, 4) with features (N, E) as examples.

    Detections on faces that are ignored at every level are left out.
    """
    nearest, overlaps = find_nearest(boxes, label.faces)  # (N,), (N,)
    on_face = overlaps >= ON_FACE_IOU  # (N,)
    worth = np.append(to_level_mask(label) @ importance, 0.0)  # (F + 1,)
    counted = ~on_face | (worth[nearest] > 0)  # (N,)
    weights = np.where(on_face, worth[nearest], 1.0)  # (N,)
    examples: Examples = np.c_[features, on_face, weights][counted]
    return examples


def compute_importance(labels: Sequence[LabelledImage]) -> Floats:
    """Return the weight of a face for each of its levels, (3,), so that levels count alike."""
    counts = np.sum([to_level_mask(label).sum(axis=0) for label in labels], axis=0)  # (3,)
    importance: Floats = counts[-1] / counts / len(LEVELS)
    return importance


def to_level_mask(label: LabelledImage) -> Floats:
    """Return the levels that each face of a picture counts in, (F, 3), 1 or 0."""
    return np.stack([label.counted[level] for level in LEVELS], axis=1).astype(float)


def find_nearest(boxes: Boxes, faces: Boxes) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the face that each of boxes (N, 4) overlaps most, (N,), and how much, (N,)."""
    if not len(boxes) or not len(faces):
        return np.full(len(boxes), len(faces), np.intp), np.zeros(len(boxes), np.float32)
    overlaps = np.stack([box_iou(box, faces) for box in boxes])  # (N, F)
    return overlaps.argmax(axis=1), overlaps.max(axis=1)


def fit_logistic(examples: Examples) -> Floats:
    """Return the slopes and, last, the bias (E + 1,) of a ridge-regularised logistic regression."""
    features, faces, weights = examples[:, :-2], examples[:, -2], examples[:, -1]
    means, spreads = features.mean(axis=0), features.std(axis=0) + 1e-9  # (E,) each
    inputs = np.c_[(features - means) / spreads, np.ones(len(features))]  # (N, E + 1)
    ridge = RIDGE * np.eye(inputs.shape[1])
    ridge[-1, -1] = 1e-6
    slopes = np.zeros(inputs.shape[1])
    for _ in range(NEWTON_STEPS):
        sure = 1 / (1 + np.exp(-inputs @ slopes))  # (N,)
        gradient = inputs.T @ (weights * (sure - faces)) + ridge @ slopes
        curvature = (inputs * (weights * sure * (1 - sure))[:, None]).T @ inputs + ridge
        slopes -= np.linalg.solve(curvature, gradient)
    plain = slopes[:-1] / spreads
    return np.append(plain, slopes[-1] - plain @ means)


def rescale_weights(
    slopes: Sequence[Floats], parts: Sequence[Examples]
) -> list[router_config.LogisticWeights]:
    """Return weights whose confidences are the share of faces, in the same order."""
    pairs = zip(slopes, parts, strict=True)
    odds = np.concatenate([part[:, :-2] @ each[:-1] + each[-1] for each, part in pairs])
    faces = np.concatenate([part[:, -2] for part in parts])
    factor, shift = fit_logistic(np.c_[odds, faces, np.ones(len(faces))])
    return [
        router_config.LogisticWeights(
            float(factor * each[-1] + shift), tuple((factor * each[:-1]).tolist())
        )
        for each in slopes
    ]


def format_toml(name: str, figures: Mapping[str, float]) -> str:
    """Return a TOML table of figures with three decimals; pixels have as many as they need."""
    return f"[{name}]\n" + "".join(
        f"{key} = {figure:{'g' if key.endswith('_px') else '.3f'}}\n"
        for key, figure in figures.items()
    )


def format_box_calibration(name: str, config: router_config.BoxCalibration) -> str:
    """Return the table of a box calibration."""
    first_px = {"first_px": config.first_px} if config.first_px else {}
    offsets = dict(zip(router_config.EDGES, config.edge_offsets, strict=True))
    return format_toml(f"box_calibration.{name}", first_px | offsets)


def format_first_pass(name: str, config: router_config.FirstPassConfig) -> str:
    """Return the tables of one first pass."""
    first, cascade = router_config.FIRST_PASS_FEATURES, router_config.CASCADE_FEATURES
    tables = []
    for which, features in zip(router_config.WEIGHT_TABLES, (first, first, cascade), strict=True):
        weights: router_config.LogisticWeights = getattr(config, which)
        coefficients = zip(features, weights.coefficients, strict=True)
        figures = {"bias": weights.bias, **dict(coefficients)}
        tables.append(format_toml(f"first_pass.{name}.{which}", figures))
    return "\n".join(tables)


if __name__ == "__main__":
    main()
