"""BlazeFace: one network over the whole image, and tie-resolution blending.

Bazarevsky, Kartynnik, Vakunov, Raveendran, Grundmann: BlazeFace: Sub-millisecond Neural
Face Detection on Mobile GPUs, 2019 (arXiv:1907.05047).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.blending import blend_reference, blend_weighted
from phiz.boxes.geometry import Letterbox, clip_boxes, compute_shorter_sides
from phiz.boxes.nms import find_single_faces, nms
from phiz.detectors.anchors import Anchors
from phiz.faces import (
    Boxes,
    Detections,
    DetectOptions,
    Face,
    Keypoints,
    Scores,
    build_faces,
)
from phiz.image.lazy import LazyImage
from phiz.image.resample import Sampling, letterbox_image
from phiz.options import Overlap
from phiz.runtime import Session
from phiz.timings import Stopwatch

# MediaPipe names landmarks from the subject's view. These are the viewer's.
BLAZEFACE_LANDMARKS = ("left_eye", "right_eye", "nose", "mouth", "left_ear", "right_ear")
# A JPEG is decoded at the smallest scale with this many pixels per pixel of the square. On
# WIDER FACE this changes no average precision by more than 0.003 (1.0 by up to 0.015).
OVERSAMPLING = 1.5
# exp() of more than 88 overflows float32. MediaPipe clips at 100 and lets it overflow.
LOGIT_LIMIT = 80.0
FULL_SCORE_LOGIT = 24 * math.log(2)  # from here on a score is 1 in float32
# Predictions with this score vote for a better face, however high the score limit is. Otherwise
# a prediction near the limit would appear and disappear whenever the image moves.
MIN_VOTE_SCORE = 0.01
# A face in the bars of the letterbox, beyond the border, is not a face.
MIN_VISIBLE_SIDE_PX = 1.0


@dataclass(frozen=True, slots=True)
class BlazeFaceSpec:
    """The numbers of one BlazeFace variant.

    Attributes:
        size: Side of the square input, pixels.
        cell_px: Side of a cell of the finest anchor grid, pixels of the square.
        min_score: Default score limit.
        overlap_limit: IoU above which two predictions are of one face.
    """

    size: int
    cell_px: float
    min_score: float
    overlap_limit: float


@dataclass(frozen=True, slots=True)
class BlazeFace:
    """A loaded BlazeFace network. Thresholds come with each call.

    Attributes:
        name: Name of the model.
        spec: Its numbers.
        session: The network.
        anchors: The centres of its cells.
        sampling: How images are resized.
        reference: Whether to compute like the original: at full scale, with blending by score of
            the predictions above the score limit.
    """

    name: str
    spec: BlazeFaceSpec
    session: Session
    anchors: Anchors
    sampling: Sampling
    reference: bool

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return the faces of an image, best first, in its pixels.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        width, height = image.width, image.height
        letterbox = Letterbox.fit(width, height, self.spec.size)
        min_side_px = math.inf if self.reference else OVERSAMPLING * self.spec.size
        pixels = image.decode_scaled(min_side_px)
        stopwatch.lap("decode")
        shifts_px = compute_pass_shifts(options.passes, self.spec.cell_px)
        letterboxes = [
            letterbox.shift_by(shift_px) if shift_px else letterbox for shift_px in shifts_px
        ]
        squares = [letterbox_image(pixels, each, self.sampling) for each in letterboxes]
        stopwatch.lap("preprocess")
        inputs = np.stack(squares) if len(squares) > 1 else squares[0][None]  # (P, S, S, 3)
        outputs = self.session.run(inputs)
        stopwatch.lap("inference")
        faces = self.decode_faces(outputs, letterbox, (width, height), options)
        stopwatch.lap("postprocess")
        return Detections(faces)

    def decode_faces(
        self,
        outputs: Mapping[str, NDArray[np.float32]],
        letterbox: Letterbox,
        size_wh: tuple[int, int],
        options: DetectOptions,
    ) -> tuple[Face, ...]:
        """Return the faces in the outputs of an image, best first, in its pixels.

        Args:
            outputs: Regressions (P, A, 16) and logits (P, A), raw, of each pass.
            letterbox: The place of the image in the square.
            size_wh: Size of the image, pixels.
            options: Options of the call.
        """
        shifts_px = compute_pass_shifts(options.passes, self.spec.cell_px)
        min_score = self.spec.min_score if options.min_score is None else options.min_score
        boxes, keypoints, scores = self._decode_passes(
            outputs, shifts_px, min(min_score, MIN_VOTE_SCORE)
        )
        boxes, keypoints, scores = self._resolve_overlaps(
            boxes, keypoints, scores, min_score, options.overlap
        )
        boxes = letterbox.to_image_points(boxes.reshape(-1, 2, 2)).reshape(-1, 4)  # (F, 4)
        boxes = clip_boxes(boxes, *size_wh)
        if len(boxes) > 1 and not self.reference:
            single = find_single_faces(boxes, scores, size_wh)  # (F,)
            boxes, keypoints, scores = boxes[single], keypoints[single], scores[single]
        min_side_px = options.min_face or MIN_VISIBLE_SIDE_PX
        is_visible = compute_shorter_sides(boxes) >= min_side_px  # (F,)
        best = np.flatnonzero(is_visible)[: options.max_faces]  # (F',)
        return build_faces(
            boxes[best],
            scores[best],
            letterbox.to_image_points(keypoints[best]),
            BLAZEFACE_LANDMARKS,
            self.name,
        )

    def _decode_passes(
        self,
        outputs: Mapping[str, NDArray[np.float32]],
        shifts_px: Sequence[float],
        min_score: float,
    ) -> tuple[Boxes, Keypoints, Scores]:
        """Return the predictions of all passes, in pixels of the first square."""
        size = self.spec.size
        predictions = [
            decode_predictions(
                regressions,
                logits,
                self.anchors - np.float32(shift_px / size) if shift_px else self.anchors,
                size,
                min_score,
            )
            for regressions, logits, shift_px in zip(
                outputs["regressions"], outputs["logits"], shifts_px, strict=True
            )
        ]
        if len(predictions) == 1:
            return predictions[0]
        boxes, keypoints, scores = zip(*predictions, strict=True)
        return np.concatenate(boxes), np.concatenate(keypoints), np.concatenate(scores)

    def _resolve_overlaps(
        self, boxes: Boxes, keypoints: Keypoints, scores: Scores, min_score: float, overlap: Overlap
    ) -> tuple[Boxes, Keypoints, Scores]:
        """Return one prediction for each face, by falling score."""
        limit = self.spec.overlap_limit
        if overlap == "blend" and not self.reference:
            return blend_weighted(boxes, keypoints, scores, limit, min_score)
        eligible = np.flatnonzero(scores >= min_score)
        boxes, keypoints, scores = boxes[eligible], keypoints[eligible], scores[eligible]
        if overlap == "blend":
            return blend_reference(boxes, keypoints, scores, limit)
        kept = nms(boxes, scores, limit)  # (K,)
        return boxes[kept], keypoints[kept], scores[kept]


def compute_pass_shifts(passes: int, cell_px: float) -> tuple[float, ...]:
    """Return the shift of the image to the right and down for each pass, pixels of the square.

    Two passes are half an anchor cell apart. A face between two cells in one pass is in the
    middle of a cell in the other.
    """
    return (0.0,) if passes == 1 else (-cell_px / 4, cell_px / 4)


def decode_predictions(
    regressions: NDArray[np.float32],
    logits: NDArray[np.float32],
    anchors: Anchors,
    size: int,
    min_score: float,
) -> tuple[Boxes, Keypoints, Scores]:
    """Return the predictions that score at least ``min_score``, in pixels of the square.

    Regressions are centre x, centre y, width, height, then x and y of six keypoints, all in
    pixels of the input and relative to the anchor's centre. Source:
    ``tensors_to_detections_calculator.cc`` in google-ai-edge/mediapipe.

    Args:
        regressions: (A, 16), raw.
        logits: (A,), raw.
        anchors: (A, 2), 0 to 1.
        size: Side of the square, pixels.
        min_score: 0 to 1.

    Returns:
        Boxes (N, 4), keypoints (N, 6, 2), scores (N,).
    """
    least_logit = _compute_logit(min_score)
    kept = np.flatnonzero(logits >= least_logit)  # (N,)
    taken = logits[kept]  # (N,)
    if least_logit < -LOGIT_LIMIT:
        taken = np.maximum(taken, -LOGIT_LIMIT)
    scores: Scores = np.float32(1) / (np.float32(1) + np.exp(-taken))  # (N,)
    # One coordinate of all predictions after the other: rows of two numbers take numpy several
    # times as long.
    points = regressions.take(kept, axis=0).T.copy().reshape(8, 2, -1)  # centre, size, 6 keypoints
    half = points[1] / 2  # (2, N)
    points += anchors.take(kept, axis=0).T * np.float32(size)  # (2, N) centres
    np.add(points[0], half, out=points[1])
    points[0] -= half
    corners, keypoints = points[:2].reshape(4, -1), points[2:]  # (4, N), (6, 2, N)
    return corners.T, keypoints.transpose(2, 0, 1), scores


def _compute_logit(score: float) -> float:
    """Return the lowest logit of a score."""
    if 0 < score < 1:
        return math.log(score / (1 - score))
    return -math.inf if score <= 0 else FULL_SCORE_LOGIT
