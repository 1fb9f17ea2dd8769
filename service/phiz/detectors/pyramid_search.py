"""A part of the cascade's pyramid searched for as much as there is time for.

The levels are climbed from the coarsest to the finest, because that is from the largest faces
to the smallest and from the cheapest to the dearest. Proposals and candidates are taken from
the best down, as many as can be afforded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.blending import gather
from phiz.boxes.geometry import square
from phiz.boxes.nms import nms
from phiz.detectors.mtcnn import (
    LANDMARKS,
    MAX_OUTPUT,
    MAX_REFINED,
    NO_PREDICTIONS,
    VOTE_OVERLAP,
    Mtcnn,
    Predictions,
)
from phiz.detectors.mtcnn_boxes import (
    EXCLUSIVE,
    HALF_OPEN,
    INCLUSIVE,
    calibrate,
    nms_min,
    regions_of,
)
from phiz.detectors.time_budget import Allowance, Costs
from phiz.faces import Boxes, Keypoints, Scores
from phiz.image.integral import Integral, integral, shape_of
from phiz.image.lazy import Reduced

# Of the time left: what the search of a level may take, and then the rating of its proposals,
# so that what follows has some too.
SEARCH_SHARE = 0.6
RATE_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the cascade takes for faces, in the picture's pixels.

    Attributes:
        boxes: (N, 4), as MTCNN counts pixels.
        keypoints: (N, 5, 2), its landmarks.
        scores: (N, 3), of P-, R- and O-Net.
    """

    boxes: Boxes
    keypoints: Keypoints
    scores: NDArray[np.float32]


NO_CANDIDATES = Candidates(
    np.empty((0, 4), np.float32),
    np.empty((0, len(LANDMARKS), 2), np.float32),
    np.empty((0, 3), np.float32),
)


@dataclass(frozen=True, slots=True)
class Climber:
    """The cascade with the router's limits, on one picture.

    Attributes:
        cascade: Its networks and limits.
        costs: Of its steps on this machine.
        sums: The integral of the picture, at full scale or a smaller one.
        picture: The same, with how it lies in the whole.
    """

    cascade: Mtcnn
    costs: Costs
    sums: Integral
    picture: Reduced

    @classmethod
    def on(cls, cascade: Mtcnn, costs: Costs, picture: Reduced) -> "Climber":
        """Return a climber on a picture."""
        return cls(cascade, costs, integral(picture.pixels), picture)

    def climb(self, scales: Sequence[float], allowance: Allowance) -> Candidates:
        """Return the candidates of levels, those that there is time for.

        Args:
            scales: Of the levels to the whole picture, from the smallest.
            allowance: The caller's time.
        """
        stopwatch = allowance.stopwatch
        predictions = self._search([scale * self.picture.factor for scale in scales], allowance)
        most = allowance.affords(self.costs.rnet, RATE_SHARE, MAX_REFINED)
        boxes, scores = _proposals(predictions[:most], shape_of(self.sums))  # (N, 4), (N, 1)
        regions, _ = regions_of(boxes, shape_of(self.sums))  # (N, 4)
        stopwatch.lap("postprocess")
        rated, regressions = self.cascade.rate(self.sums, regions, stopwatch)  # (N,), (N, 4)
        passed = np.flatnonzero(rated > self.cascade.spec.min_scores[1])
        passed = passed[nms(boxes[passed], rated[passed], self.cascade.spec.cross_overlap)]
        passed = passed[: allowance.affords(self.costs.onet, 1.0, MAX_OUTPUT)]
        refined = square(calibrate(boxes[passed], regressions[passed], INCLUSIVE))  # (M, 4)
        scores = np.stack([scores[passed], rated[passed]], axis=1)  # (M, 2)
        _, meets = regions_of(refined, shape_of(self.sums))  # (M,)
        return self._judged(refined[meets], scores[meets], allowance)

    def _search(self, scales: Sequence[float], allowance: Allowance) -> Predictions:
        """Return the proposals (N, 9) of the levels, best first."""
        found = [NO_PREDICTIONS]
        for scale in scales:
            size = scale * scale * self.picture.pixels.size
            if not allowance.affords(self.costs.pnet * size, SEARCH_SHARE, 1):
                break
            found.append(self.cascade.propose_level(self.sums, scale, allowance.stopwatch))
        predictions = np.concatenate(found)  # (N, 9)
        return predictions[np.argsort(-predictions[:, 4], kind="stable")]

    def _judged(
        self, boxes: Boxes, scores: NDArray[np.float32], allowance: Allowance
    ) -> Candidates:
        """Return what O-Net makes of boxes (M, 4) that P- and R-Net gave scores (M, 2)."""
        everything = -1.0
        boxes, judged, keypoints = self.cascade.judge(
            self.sums, boxes, everything, allowance.stopwatch
        )  # (M, 4), (M,), (M, 5, 2)
        kept = np.flatnonzero(judged > self.cascade.spec.min_scores[2])  # (K,)
        scores = np.concatenate([scores, judged[:, None]], axis=1)  # (M, 3)
        found = Candidates(boxes[kept], keypoints[kept], scores[kept])
        boxes, keypoints, scores = self._blended(found)
        factor, origin = np.float32(self.picture.factor), self.picture.origin_xy
        shift = np.array(origin, np.float32)
        return Candidates(boxes * factor + np.tile(shift, 2), keypoints * factor + shift, scores)

    def _blended(self, found: Candidates) -> tuple[Boxes, Keypoints, NDArray[np.float32]]:
        """Return one of each face, (K, 4), (K, 5, 2) and (K, 3), where the votes for it lie."""
        sure = found.scores[:, 2]  # (N,)
        leaders = nms_min(found.boxes, sure, self.cascade.spec.min_overlap)  # (K,)
        boxes, keypoints = found.boxes[leaders], found.keypoints[leaders]
        if not self.cascade.faithful:
            means, keypoints = gather(
                found.boxes + HALF_OPEN, found.keypoints, sure, leaders, VOTE_OVERLAP
            )
            boxes = means - HALF_OPEN
        return boxes, keypoints, found.scores[leaders]


def joined(first: Candidates, second: Candidates, limit: float) -> Candidates:
    """Return both, those that have the same face suppressed, by falling score of O-Net."""
    boxes = np.concatenate([first.boxes, second.boxes])  # (N, 4)
    scores = np.concatenate([first.scores, second.scores])  # (N, 3)
    keypoints = np.concatenate([first.keypoints, second.keypoints])  # (N, 5, 2)
    kept = nms_min(boxes, scores[:, 2], limit)  # (K,)
    return Candidates(boxes[kept], keypoints[kept], scores[kept])


def _proposals(predictions: Predictions, shape_hw: tuple[int, int]) -> tuple[Boxes, Scores]:
    """Return the square boxes (N, 4) of predictions that meet the picture, and scores (N,)."""
    boxes = square(calibrate(predictions[:, :4], predictions[:, 5:], EXCLUSIVE))
    _, meets = regions_of(boxes, shape_hw)
    return boxes[meets], predictions[meets, 4]
