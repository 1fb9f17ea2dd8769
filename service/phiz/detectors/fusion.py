"""Merges the faces of the first pass and of the cascade into one list."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phiz.boxes.geometry import clip_boxes
from phiz.boxes.nms import find_single_faces
from phiz.detectors.calibration import (
    calibrate_boxes,
    calibrate_scores,
    compute_cascade_features,
    compute_first_pass_features,
    compute_sides,
    match_first_pass,
)
from phiz.detectors.mtcnn import MTCNN_LANDMARKS
from phiz.detectors.pyramid_search import Candidates
from phiz.faces import Boxes, Face, Scores, build_faces
from phiz.image.lazy import ScaledImage
from phiz.models.router_config import LogisticWeights, RouterConfig

CASCADE_MODEL = "mtcnn"


@dataclass(frozen=True, slots=True)
class FirstPass:
    """The detections of one network in the whole image.

    Attributes:
        model: Name of the network.
        size_wh: Size of the image.
        faces: Its faces, with its own scores and calibrated boxes.
        boxes: (G, 4), of the faces.
        scores: (G,), of the faces.
    """

    model: str
    size_wh: tuple[int, int]
    faces: tuple[Face, ...]
    boxes: Boxes
    scores: Scores


def build_first_pass(
    faces: Sequence[Face],
    scaled: ScaledImage,
    size_wh: tuple[int, int],
    config: RouterConfig,
    model: str,
) -> FirstPass:
    """Return the faces of a scaled image, in pixels of the image."""
    scores = np.array([face.score for face in faces], np.float32)  # (G,)
    boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)  # (G, 4)
    shift = np.array(scaled.origin_xy, np.float32)
    boxes = boxes * np.float32(scaled.factor) + np.tile(shift, 2)  # (G, 4)
    boxes = clip_boxes(calibrate_boxes(boxes, model, config.box_calibration), *size_wh)  # (G, 4)
    x, y = scaled.origin_xy
    # Written out, because ``replace`` would take longer for a crowd than everything else here.
    full_scale_faces = tuple(
        Face(
            (x1, y1, x2, y2),
            face.score,
            {
                name: (x + u * scaled.factor, y + v * scaled.factor)
                for name, (u, v) in face.landmarks.items()
            },
            face.model,
        )
        for face, (x1, y1, x2, y2) in zip(faces, boxes.tolist(), strict=True)
    )
    return FirstPass(model, size_wh, full_scale_faces, boxes, scores)


def calibrate_faces(first_pass: FirstPass, weights: LogisticWeights) -> tuple[Face, ...]:
    """Return the faces of the first pass with confidences as scores."""
    probabilities = calibrate_scores(
        compute_first_pass_features(first_pass.boxes, first_pass.scores, first_pass.size_wh),
        weights,
    )
    return tuple(
        Face(face.box, score, face.landmarks, face.model)
        for face, score in zip(first_pass.faces, probabilities.tolist(), strict=True)
    )


def fuse_faces(
    candidates: Candidates, first_pass: FirstPass, config: RouterConfig
) -> tuple[Face, ...]:
    """Return the faces of the cascade, and those of the first pass that match none of them.

    Args:
        candidates: The faces of the cascade.
        first_pass: The faces of the first pass.
        config: The weights.

    Returns:
        Faces with confidences as scores, by falling confidence, boxes clipped to the image.
    """
    weights = config.first_pass[first_pass.model]
    boxes = calibrate_boxes(candidates.boxes, CASCADE_MODEL, config.box_calibration)  # (N, 4)
    boxes = clip_boxes(boxes, *first_pass.size_wh)
    first_pass_scores, is_separate = match_first_pass(boxes, first_pass.boxes, first_pass.scores)
    features = compute_cascade_features(
        boxes, candidates.scores, first_pass_scores, first_pass.size_wh
    )  # (N, 5)
    probabilities = calibrate_scores(features, weights.cascade)  # (N,)
    found = build_faces(boxes, probabilities, candidates.keypoints, MTCNN_LANDMARKS, CASCADE_MODEL)
    others = calibrate_faces(first_pass, weights.unconfirmed)
    faces = (*found, *(face for face, other in zip(others, is_separate, strict=True) if other))
    return keep_single_faces(faces, first_pass.size_wh)


def keep_single_faces(faces: Sequence[Face], size_wh: tuple[int, int]) -> tuple[Face, ...]:
    """Return the best of the faces that lie over each other, by falling confidence.

    The others would be answered as faces, and would vouch for each other as a crowd.
    """
    boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)  # (N, 4)
    scores = np.array([face.score for face in faces], np.float32)  # (N,)
    return tuple(faces[place] for place in find_single_faces(boxes, scores, size_wh).tolist())


def count_expected_faces(faces: Sequence[Face], side_px: float) -> float:
    """Return the expected number of faces below a side: the sum of their confidences."""
    if not faces:
        return 0.0
    boxes = np.array([face.box for face in faces], np.float32)  # (N, 4)
    scores = np.array([face.score for face in faces], np.float32)  # (N,)
    return float(scores[compute_sides(boxes) < side_px].sum())
