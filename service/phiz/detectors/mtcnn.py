"""MTCNN: a cascade of three networks, from an image pyramid to landmarks.

Zhang, Zhang, Li, Qiao: Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks, 2016 (arXiv:1604.02878). Weights and arithmetic are those of
facenet-pytorch 2.6.0 (``models/utils/detect_face.py``), and so are the answers.

Boxes between the stages are inclusive (``phiz.detectors.mtcnn_boxes``), as in the training of the
networks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import clip_boxes
from phiz.boxes.nms import find_single_faces, nms
from phiz.detectors.mtcnn_boxes import (
    EXCLUSIVE_SIDE,
    INCLUSIVE_SIDE,
    apply_regressions,
    blend_inclusive,
    compute_inside_regions,
    nms_min,
    refine_to_squares,
)
from phiz.detectors.pyramid import (
    Cells,
    can_levels_overlap,
    compute_cell_boxes,
    compute_scales,
    split_into_tiles,
    suppress_cells,
)
from phiz.faces import Boxes, Detections, DetectOptions, Indices, Keypoints, Scores, build_faces
from phiz.image.integral import (
    FloatPixels,
    IntegralImage,
    Regions,
    compute_integral,
    get_shape,
    resize_level_tile,
    resize_regions,
)
from phiz.image.lazy import LazyImage
from phiz.runtime import Session
from phiz.timings import Stopwatch

Predictions: TypeAlias = NDArray[np.float32]
"""(N, 9): box, score, regression."""

MTCNN_LANDMARKS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
# Maximum proposals of one level before suppression, best first. Crowds have a few thousand. Only
# images such as noise and fences reach the limit.
MAX_PROPOSALS = 10_000
# Maximum proposals of all levels before R-Net, and of R-Net before O-Net, best first. An image
# full of faces takes half a second in R-Net and two seconds in O-Net.
MAX_RNET_CROPS = 20_000
MAX_ONET_CROPS = 10_000
# O-Net's predictions with this score vote for a better face, as in BlazeFace.
MIN_ONET_VOTE_SCORE = 0.3
# Crops per call: enough to fill the vector units, and few enough to stay in the cache and in blocks
# that the C library keeps (see phiz.system.malloc).
RNET_BATCH_SIZE = 24
ONET_BATCH_SIZE = 6
# Batches that are cropped in a row. A network takes the cache from the integral, so that crops in
# turns with it take a third longer. Their pixels stay below the size of a block of its own.
CROPPED_BATCHES = 16
NO_PREDICTIONS: Predictions = np.empty((0, 9), np.float32)
NO_CELLS: Cells = np.empty((0, 2), np.intp)


@dataclass(frozen=True, slots=True)
class MtcnnSpec:
    """The numbers of the cascade.

    Attributes:
        min_face: Default side of the smallest face, pixels.
        factor: Ratio of the scales of successive pyramid levels, 0 to 1.
        min_scores: Default score limits of P-, R- and O-Net.
        level_overlap: IoU limit among the proposals of one level.
        cross_overlap: IoU limit among the proposals of all levels, and after R-Net.
        onet_overlap_limit: Limit of the intersection over the smaller box after O-Net.
    """

    min_face: float
    factor: float
    min_scores: tuple[float, float, float]
    level_overlap: float
    cross_overlap: float
    onet_overlap_limit: float


@dataclass(frozen=True, slots=True)
class Mtcnn:
    """The three loaded networks. Thresholds come with each call.

    Attributes:
        name: Name of the model.
        spec: Its numbers.
        pnet: The proposal network.
        rnet: The refinement network.
        onet: The output network, which also finds the landmarks.
        reference: Whether to compute like the original, without blending.
    """

    name: str
    spec: MtcnnSpec
    pnet: Session
    rnet: Session
    onet: Session
    reference: bool

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return the faces of an image, best first, in its pixels.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        width, height = image.width, image.height
        scales = compute_scales(
            height, width, options.min_face or self.spec.min_face, self.spec.factor
        )
        pixels = image.decode_full()  # (H, W)
        stopwatch.lap("decode")
        if not scales:  # it is thinner than the smallest face
            return Detections(())
        sums = compute_integral(pixels)  # (H + 1, W + 1)
        stopwatch.lap("preprocess")
        proposals = self.propose_boxes(sums, scales, stopwatch)  # (N, 4)
        candidates = self.refine_boxes(sums, proposals, stopwatch)  # (M, 4)
        boxes, scores, keypoints = self._select_faces(sums, candidates, options, stopwatch)
        boxes = clip_boxes(boxes, width, height)  # (K, 4)
        if len(boxes) > 1 and not self.reference:
            single = find_single_faces(boxes, scores, (width, height))  # (K',)
            boxes, scores, keypoints = boxes[single], scores[single], keypoints[single]
        best = slice(options.max_faces)
        faces = build_faces(boxes[best], scores[best], keypoints[best], MTCNN_LANDMARKS, self.name)
        stopwatch.lap("postprocess")
        return Detections(faces)

    def propose_boxes(
        self, sums: IntegralImage, scales: list[float], stopwatch: Stopwatch
    ) -> Boxes:
        """Return the square proposals (N, 4) of P-Net over all levels."""
        found = [self.propose_level(sums, scale, stopwatch) for scale in scales]
        predictions = np.concatenate([NO_PREDICTIONS, *found])  # (N, 9)
        if can_levels_overlap(scales, self.spec.cross_overlap):
            kept = nms(predictions[:, :4], predictions[:, 4], self.spec.cross_overlap)
            predictions = predictions[kept]
        best = np.argsort(-predictions[:, 4], kind="stable")[:MAX_RNET_CROPS]
        predictions = predictions[best]
        boxes = refine_to_squares(predictions[:, :4], predictions[:, 5:], EXCLUSIVE_SIDE)
        stopwatch.lap("postprocess")
        return boxes

    def propose_level(self, sums: IntegralImage, scale: float, stopwatch: Stopwatch) -> Predictions:
        """Return the proposals (N, 9) of one level after suppression."""
        height, width = get_shape(sums)
        shape_hw = int(height * scale + 1), int(width * scale + 1)
        predictions, cells = NO_PREDICTIONS, NO_CELLS  # (N, 9), (N, 2)
        for first, tile in split_into_tiles(shape_hw):
            pixels = resize_level_tile(sums, shape_hw, tile)  # (r, c, 3)
            stopwatch.lap("preprocess")
            outputs = self.pnet.run(pixels[None])
            stopwatch.lap("inference", "pnet")
            probabilities = outputs["probabilities"][0]  # (h, w)
            y, x = np.nonzero(probabilities >= self.spec.min_scores[0])  # (N,) each
            more = np.stack([x, y], axis=1) + first  # (M, 2)
            boxes, scores = compute_cell_boxes(more, scale), probabilities[y, x, None]
            regressions = outputs["regressions"][0, y, x]  # (M, 4)
            found = np.concatenate([boxes, scores, regressions], axis=1)  # (M, 9)
            predictions, cells = _keep_best(
                np.concatenate([predictions, found]), np.concatenate([cells, more])
            )
        boxes, scores = predictions[:, :4], predictions[:, 4]
        kept = suppress_cells(cells, boxes, scores, scale, self.spec.level_overlap)
        stopwatch.lap("postprocess")
        return predictions[kept]

    def refine_boxes(self, sums: IntegralImage, boxes: Boxes, stopwatch: Stopwatch) -> Boxes:
        """Return the proposals (N, 4) that R-Net keeps, corrected and square, (M, 4)."""
        boxes, regions = compute_inside_regions(boxes, get_shape(sums))  # (N, 4) each
        scores, regressions = self.run_rnet(sums, regions, stopwatch)  # (N,), (N, 4)
        passed = np.flatnonzero(scores > self.spec.min_scores[1])
        passed = passed[nms(boxes[passed], scores[passed], self.spec.cross_overlap)]
        passed = passed[:MAX_ONET_CROPS]
        candidates = refine_to_squares(boxes[passed], regressions[passed], INCLUSIVE_SIDE)
        stopwatch.lap("postprocess")
        return candidates

    def run_rnet(
        self, sums: IntegralImage, regions: Regions, stopwatch: Stopwatch
    ) -> tuple[Scores, Boxes]:
        """Return R-Net's scores (N,) and regressions (N, 4) of regions (N, 4)."""
        regressions = np.empty((len(regions), 4), np.float32)
        scores = np.empty(len(regions), np.float32)
        for chosen, pixels in crop_batches(sums, regions, 24, RNET_BATCH_SIZE, stopwatch):
            outputs = self.rnet.run(pixels)
            regressions[chosen] = outputs["regressions"]
            scores[chosen] = outputs["probabilities"]
            stopwatch.lap("inference", "rnet")
        return scores, regressions

    def _select_faces(
        self, sums: IntegralImage, boxes: Boxes, options: DetectOptions, stopwatch: Stopwatch
    ) -> tuple[Boxes, Scores, Keypoints]:
        """Return boxes (K, 4), scores (K,) and landmarks (K, 5, 2) from O-Net, best first."""
        min_score = self.spec.min_scores[2] if options.min_score is None else options.min_score
        min_vote_score = min(min_score, MIN_ONET_VOTE_SCORE)
        boxes, scores, keypoints = self.run_onet(sums, boxes, min_vote_score, stopwatch)
        eligible = np.flatnonzero(scores > min_score)
        leaders = eligible[
            nms_min(boxes[eligible], scores[eligible], self.spec.onet_overlap_limit)
        ]  # (K,)
        if self.reference or options.overlap == "nms":
            return boxes[leaders], scores[leaders], keypoints[leaders]
        means, points = blend_inclusive(boxes, keypoints, scores, leaders)
        return means, scores[leaders], points

    def run_onet(
        self, sums: IntegralImage, boxes: Boxes, min_score: float, stopwatch: Stopwatch
    ) -> tuple[Boxes, Scores, Keypoints]:
        """Return the boxes (M, 4) that O-Net scores above a limit, corrected, in their order.

        These are boxes (K, 4), scores (K,) and landmarks (K, 5, 2), before suppression.
        """
        boxes, regions = compute_inside_regions(boxes, get_shape(sums))  # (M, 4) each
        regressions = np.empty((len(boxes), 4), np.float32)
        landmarks = np.empty((len(boxes), len(MTCNN_LANDMARKS), 2), np.float32)
        scores = np.empty(len(boxes), np.float32)
        for chosen, pixels in crop_batches(sums, regions, 48, ONET_BATCH_SIZE, stopwatch):
            outputs = self.onet.run(pixels)
            regressions[chosen] = outputs["regressions"]
            landmarks[chosen] = outputs["landmarks"]
            scores[chosen] = outputs["probabilities"]
            stopwatch.lap("inference", "onet")
        passed = np.flatnonzero(scores > min_score)
        boxes, scores = boxes[passed], scores[passed]
        sides = boxes[:, 2:] - boxes[:, :2] + INCLUSIVE_SIDE  # (K, 2)
        keypoints = landmarks[passed] * sides[:, None] + boxes[:, None, :2] - INCLUSIVE_SIDE
        return apply_regressions(boxes, regressions[passed], INCLUSIVE_SIDE), scores, keypoints


def _keep_best(predictions: Predictions, cells: Cells) -> tuple[Predictions, Cells]:
    """Return the ``MAX_PROPOSALS`` best predictions and their cells, best first.

    A tile adds up to ``TILE_CELLS``, so memory stays bounded if all cells of a level pass.
    """
    best = np.argsort(-predictions[:, 4], kind="stable")[:MAX_PROPOSALS]
    return predictions[best], cells[best]


def crop_batches(
    sums: IntegralImage, regions: Regions, size: int, batch_size: int, stopwatch: Stopwatch
) -> Iterator[tuple[Indices, FloatPixels]]:
    """Yield the regions (N, 4) of an image in batches: which, (B,), and (B, size, size, 3).

    They follow the rows of the image. Regions that follow each other read the same part of the
    integral, which is larger than the cache.
    """
    order = np.argsort(regions[:, 1], kind="stable")  # (N,)
    for group in split_into_batches(len(order), CROPPED_BATCHES * batch_size):
        batches = [
            order[group][batch] for batch in split_into_batches(len(order[group]), batch_size)
        ]
        cropped = []
        for chosen in batches:
            cropped.append(resize_regions(sums, regions[chosen], size))  # (B, size, size, 3)
            stopwatch.lap("preprocess")
        yield from zip(batches, cropped, strict=True)


def split_into_batches(count: int, size: int) -> Iterator[slice]:
    """Yield slices that cover ``count`` items, ``size`` at a time."""
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))
