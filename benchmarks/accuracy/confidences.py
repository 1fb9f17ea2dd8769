"""Fit the router's confidences to annotated images.

::

    python -m benchmarks.accuracy.confidences --data DIR

``DIR`` has ``wider/`` and ``nofaces/``, as ``phiz evaluate`` reads them. Half of ``wider/`` and
every other image of ``nofaces/`` are fitted to. A quarter of ``wider/`` is for choosing other
numbers, and the last one for reports. The weights are written to the end of
``models/router.toml``, below a mark; the lines above it are chosen by hand and kept.

The weights are a logistic regression of "is a face". Each image counts about alike, however many
faces it has.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.kit.options import FILE, data_option, models_option
from phiz.boxes.geometry import box_iou
from phiz.detectors.anchor_free import AnchorFree
from phiz.detectors.candidates import confirm_boxes
from phiz.detectors.confidence import compute_features
from phiz.detectors.router import FIRST_MODEL, MIN_WHOLE_SCORE, SEARCH_MODEL, Router
from phiz.engine import build_engine
from phiz.faces import Boxes
from phiz.image.lazy import LazyImage
from phiz.lab.accuracy.labels import (
    PHOTOGRAPH_LIMITS,
    LabelledImage,
    open_photograph,
    read_annotations,
)
from phiz.models.router_config import CONFIRMED_WEIGHTS, NETWORK_WEIGHTS
from phiz.timings import Stopwatch

Floats: TypeAlias = NDArray[np.float64]
Examples: TypeAlias = tuple[Floats, Floats, Floats]
"""Features (N, E), 1 for a face or else 0 (N,), and weights (N,)."""

MARK: Final = "# Fitted by benchmarks/accuracy/confidences.py"
INPUT_SIZES: Final[Mapping[str, Sequence[float]]] = {
    FIRST_MODEL: (320, 640, 1024),
    SEARCH_MODEL: (512, 1024, 1440),
}
ON_FACE_IOU: Final = 0.45
FACELESS_WEIGHT: Final = 0.5
RIDGE: Final = 1.0
NEWTON_STEPS: Final = 30  # ten are enough
MAX_CANDIDATES: Final = 400


@click.command()
@data_option
@models_option
@click.option("--numbers", type=FILE, default=Path("models/router.toml"), show_default=True)
def main(data: Path, models: Path, numbers: Path) -> None:
    """Fit the weights, and write them below the mark."""
    router = build_engine(models, "half-pixel", PHOTOGRAPH_LIMITS, {"auto"}).detectors["auto"]
    assert isinstance(router, Router), "auto is the router"
    labels = [
        *(label for place, label in enumerate(read_annotations(data / "wider")) if place % 4 > 1),
        *read_annotations(data / "nofaces")[::2],
    ]
    tables = [
        table
        for model, sizes in INPUT_SIZES.items()
        for table in fit_network(router, router.networks[model], sizes, labels)
    ]
    kept, _, _ = numbers.read_text().partition(MARK)
    numbers.write_text(f"{kept}{MARK}; see there.\n\n" + "\n".join(tables))


def fit_network(
    router: Router, network: AnchorFree, sizes: Sequence[float], labels: Sequence[LabelledImage]
) -> Iterator[str]:
    """Yield the table of a network, and that of the candidates that O-Net confirms."""
    confirmed, unconfirmed = [], []
    for label in labels:
        image = open_photograph(label, PHOTOGRAPH_LIMITS)
        for size in sizes:
            boxes, with_onet, without = find_features(router, network, image, size)
            faces = judge_boxes(boxes, label)  # (N,)
            weight = 1 / math.sqrt(1 + faces.sum()) if len(label.faces) else FACELESS_WEIGHT
            weights = np.full(len(boxes), weight)
            confirmed.append((with_onet, faces, weights))
            unconfirmed.append((without, faces, weights))
    tables: list[tuple[str, Sequence[str], list[Examples]]] = [
        (f"confidences.{network.name}", NETWORK_WEIGHTS, unconfirmed)
    ]
    if network.name == FIRST_MODEL:
        tables.append(("confirmed", CONFIRMED_WEIGHTS, confirmed))
    for key, names, examples in tables:
        found = fit_logistic(*(np.concatenate(parts) for parts in zip(*examples, strict=True)))
        lines = (f"{name} = {weight:.3f}\n" for name, weight in zip(names, found, strict=True))
        yield f"[{key}]\n" + "".join(lines)


def find_features(
    router: Router, network: AnchorFree, image: LazyImage, size: float
) -> tuple[Boxes, Floats, Floats]:
    """Return the boxes (N, 4) of a network and their features, with and without O-Net."""
    size_wh = image.width, image.height
    scale = max(max(size_wh) / size, math.sqrt(math.prod(size_wh) / network.spec.max_input_pixels))
    scaled = image.decode_full()
    boxes, keypoints, scores = (
        found[:MAX_CANDIDATES]
        for found in network.predict(
            image.decode_scaled(max(size_wh) / scale),
            size_wh,
            scale,
            Stopwatch(),
            min_score=MIN_WHOLE_SCORE,
            overlap="blend",
        )
    )
    _, _, onet_scores = confirm_boxes(router.cascade, scaled, boxes, keypoints, Stopwatch())
    features = (compute_features(boxes, scores, onet, scale) for onet in (onet_scores, None))
    with_onet, without = (each.astype(np.float64) for each in features)
    return boxes, with_onet, without


def judge_boxes(boxes: Boxes, label: LabelledImage) -> Floats:
    """Return 1 for each of boxes (N, 4) that is on a labelled face, or else 0, (N,)."""
    if not len(label.faces):
        return np.zeros(len(boxes))
    overlaps = (box_iou(box, label.faces).max() for box in boxes)
    return np.array([overlap >= ON_FACE_IOU for overlap in overlaps], np.float64).reshape(-1)


def fit_logistic(features: Floats, faces: Floats, weights: Floats) -> Floats:
    """Return the bias and the slopes (E + 1,) of a ridge-regularised logistic regression."""
    inputs = np.c_[np.ones(len(features)), features]  # (N, E + 1)
    ridge = RIDGE * np.eye(inputs.shape[1])
    slopes = np.zeros(inputs.shape[1])
    for _ in range(NEWTON_STEPS):
        sure = 1 / (1 + np.exp(-np.clip(inputs @ slopes, -80, 80)))  # (N,)
        penalty = np.r_[0.0, RIDGE * slopes[1:]]
        gradient = inputs.T @ (weights * (sure - faces)) + penalty
        curvature = (inputs * (weights * sure * (1 - sure))[:, None]).T @ inputs + ridge
        slopes -= np.linalg.solve(curvature, gradient)
    return slopes


if __name__ == "__main__":
    main()
