"""What a glance and the cascade found, as one list of faces."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phiz.boxes.geometry import clip
from phiz.detectors.calibration import (
    cascade_evidence,
    confidence,
    glance_evidence,
    in_common,
    seen_by,
    sides_of,
)
from phiz.detectors.mtcnn import LANDMARKS
from phiz.detectors.pyramid_search import Candidates
from phiz.faces import Boxes, Face, Scores, faces_of
from phiz.image.lazy import Reduced
from phiz.models.router_config import RouterCard, Weights

CASCADE = "mtcnn"


@dataclass(frozen=True, slots=True)
class Glance:
    """What one network saw in the whole picture.

    Attributes:
        model: Its name.
        size_wh: Of the picture.
        faces: With its own scores; boxes in the common convention.
        boxes: (G, 4), theirs.
        scores: (G,), theirs.
    """

    model: str
    size_wh: tuple[int, int]
    faces: tuple[Face, ...]
    boxes: Boxes
    scores: Scores


def glanced(
    faces: Sequence[Face], view: Reduced, size_wh: tuple[int, int], card: RouterCard, model: str
) -> Glance:
    """Return the faces that a model found in a view, in pixels of the picture."""
    scores = np.array([face.score for face in faces], np.float32)  # (G,)
    boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)  # (G, 4)
    shift = np.array(view.origin_xy, np.float32)
    boxes = boxes * np.float32(view.factor) + np.tile(shift, 2)  # (G, 4)
    boxes = clip(in_common(boxes, model, card.conventions), *size_wh)  # (G, 4)
    x, y = view.origin_xy
    # Written out: a crowd's faces, made anew by ``replace``, take longer than all else here.
    moved = tuple(
        Face(
            (x1, y1, x2, y2),
            face.score,
            {
                name: (x + u * view.factor, y + v * view.factor)
                for name, (u, v) in face.landmarks.items()
            },
            face.model,
        )
        for face, (x1, y1, x2, y2) in zip(faces, boxes.tolist(), strict=True)
    )
    return Glance(model, size_wh, moved, boxes, scores)


def rated(glance: Glance, weights: Weights) -> tuple[Face, ...]:
    """Return a glance's faces with confidences for scores."""
    sure = confidence(glance_evidence(glance.boxes, glance.scores, glance.size_wh), weights)
    return tuple(
        Face(face.box, score, face.landmarks, face.model)
        for face, score in zip(glance.faces, sure.tolist(), strict=True)
    )


def fused(candidates: Candidates, glance: Glance, card: RouterCard) -> tuple[Face, ...]:
    """Return the cascade's faces, and those of the glance that lie apart from them.

    Args:
        candidates: One for each face that the cascade found.
        glance: What was seen before it.
        card: The weights.

    Returns:
        Faces with confidences for scores, by falling confidence, boxes cut to the picture.
    """
    weights = card.glances[glance.model]
    boxes = clip(in_common(candidates.boxes, CASCADE, card.conventions), *glance.size_wh)  # (N, 4)
    seen, apart = seen_by(boxes, glance.boxes, glance.scores)  # (N,), (G,)
    evidence = cascade_evidence(boxes, candidates.scores, seen, glance.size_wh)  # (N, 5)
    sure = confidence(evidence, weights.cascade)  # (N,)
    found = faces_of(boxes, sure, candidates.keypoints, LANDMARKS, CASCADE)
    others = rated(glance, weights.unconfirmed)
    faces = (*found, *(face for face, other in zip(others, apart, strict=True) if other))
    return tuple(sorted(faces, key=lambda face: -face.score))


def sum_below(faces: Sequence[Face], side_px: float) -> float:
    """Return how many faces of less than a side are to be expected: their confidences' sum."""
    if not faces:
        return 0.0
    boxes = np.array([face.box for face in faces], np.float32)  # (N, 4)
    scores = np.array([face.score for face in faces], np.float32)  # (N,)
    return float(scores[sides_of(boxes) < side_px].sum())
