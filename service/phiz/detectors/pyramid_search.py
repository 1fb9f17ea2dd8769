"""Searches levels of the cascade's pyramid within a time budget.

The search goes from the coarsest level to the finest: from the largest faces to the smallest, and
from the cheapest level to the most expensive. It takes the best proposals and candidates first, as
many as the time allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.nms import nms
from phiz.detectors.mtcnn import (
    MAX_ONET_CROPS,
    MAX_RNET_CROPS,
    MTCNN_LANDMARKS,
    NO_PREDICTIONS,
    Mtcnn,
    Predictions,
)
from phiz.detectors.mtcnn_boxes import (
    EXCLUSIVE_SIDE,
    INCLUSIVE_SIDE,
    blend_inclusive,
    compute_regions,
    nms_min,
    refine_to_squares,
)
from phiz.detectors.time_budget import StepCosts, TimeBudget
from phiz.faces import Boxes, Keypoints, Scores
from phiz.image.integral import IntegralImage, compute_integral, get_shape
from phiz.image.lazy import ScaledImage

# Shares of the time left for P-Net on a level, and then for R-Net on its proposals. The later
# steps need time too.
PNET_TIME_SHARE = 0.6
RNET_TIME_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Candidates:
    """The faces that the cascade found, in pixels of the image.

    Attributes:
        boxes: (N, 4), in MTCNN's pixel convention.
        keypoints: (N, 5, 2), landmarks.
        scores: (N, 3), of P-, R- and O-Net.
    """

    boxes: Boxes
    keypoints: Keypoints
    scores: NDArray[np.float32]


NO_CANDIDATES = Candidates(
    np.empty((0, 4), np.float32),
    np.empty((0, len(MTCNN_LANDMARKS), 2), np.float32),
    np.empty((0, 3), np.float32),
)


@dataclass(frozen=True, slots=True)
class PyramidSearch:
    """A search of one image with the cascade and the limits of the router.

    Attributes:
        cascade: The networks and limits.
        costs: The costs of steps on this machine.
        sums: The integral of the scaled image.
        scaled: The image, at full scale or a smaller one.
    """

    cascade: Mtcnn
    costs: StepCosts
    sums: IntegralImage
    scaled: ScaledImage

    @classmethod
    def from_image(cls, cascade: Mtcnn, costs: StepCosts, scaled: ScaledImage) -> "PyramidSearch":
        """Return the search of an image."""
        return cls(cascade, costs, compute_integral(scaled.pixels), scaled)

    def search_levels(self, scales: Sequence[float], time_budget: TimeBudget) -> Candidates:
        """Return the candidates of the levels that fit into the time.

        Args:
            scales: Scales of the levels to the whole image, smallest first.
            time_budget: The time budget of the caller.
        """
        stopwatch = time_budget.stopwatch
        predictions = self._propose_levels(
            [scale * self.scaled.factor for scale in scales], time_budget
        )
        max_proposals = time_budget.count_affordable(
            self.costs.rnet_s_per_crop, RNET_TIME_SHARE, MAX_RNET_CROPS
        )
        shape_hw = get_shape(self.sums)
        boxes, scores = _build_proposals(predictions[:max_proposals], shape_hw)  # (N, 4), (N,)
        regions, _ = compute_regions(boxes, shape_hw)  # (N, 4)
        stopwatch.lap("postprocess")
        rnet_scores, regressions = self.cascade.run_rnet(self.sums, regions, stopwatch)
        passed = np.flatnonzero(rnet_scores > self.cascade.spec.min_scores[1])
        passed = passed[nms(boxes[passed], rnet_scores[passed], self.cascade.spec.cross_overlap)]
        max_crops = time_budget.count_affordable(self.costs.onet_s_per_crop, 1.0, MAX_ONET_CROPS)
        passed = passed[:max_crops]
        refined = refine_to_squares(boxes[passed], regressions[passed], INCLUSIVE_SIDE)  # (M, 4)
        scores = np.stack([scores[passed], rnet_scores[passed]], axis=1)  # (M, 2)
        _, is_inside = compute_regions(refined, shape_hw)  # (M,)
        return self._run_onet(refined[is_inside], scores[is_inside], time_budget)

    def _propose_levels(self, scales: Sequence[float], time_budget: TimeBudget) -> Predictions:
        """Return the proposals (N, 9) of the levels, best first."""
        predictions_by_level = [NO_PREDICTIONS]
        for scale in scales:
            cost_s = self.costs.pnet_s_per_px * (scale * scale * self.scaled.pixels.size)
            if not time_budget.count_affordable(cost_s, PNET_TIME_SHARE, 1):
                break
            found = self.cascade.propose_level(self.sums, scale, time_budget.stopwatch)
            predictions_by_level.append(found)
        predictions = np.concatenate(predictions_by_level)  # (N, 9)
        return predictions[np.argsort(-predictions[:, 4], kind="stable")]

    def _run_onet(
        self, boxes: Boxes, scores: NDArray[np.float32], time_budget: TimeBudget
    ) -> Candidates:
        """Return the candidates of O-Net for boxes (M, 4) with scores (M, 2) of P-Net and R-Net."""
        no_limit = -1.0
        boxes, onet_scores, keypoints = self.cascade.run_onet(
            self.sums, boxes, no_limit, time_budget.stopwatch
        )  # (M, 4), (M,), (M, 5, 2)
        kept = np.flatnonzero(onet_scores > self.cascade.spec.min_scores[2])  # (K,)
        scores = np.concatenate([scores, onet_scores[:, None]], axis=1)  # (M, 3)
        found = Candidates(boxes[kept], keypoints[kept], scores[kept])
        boxes, keypoints, scores = self._blend_candidates(found)
        factor, origin = np.float32(self.scaled.factor), self.scaled.origin_xy
        shift = np.array(origin, np.float32)
        return Candidates(boxes * factor + np.tile(shift, 2), keypoints * factor + shift, scores)

    def _blend_candidates(
        self, candidates: Candidates
    ) -> tuple[Boxes, Keypoints, NDArray[np.float32]]:
        """Return one blended candidate per face, (K, 4), (K, 5, 2) and (K, 3)."""
        boxes, keypoints = candidates.boxes, candidates.keypoints
        onet_scores = candidates.scores[:, 2]  # (N,)
        leaders = nms_min(boxes, onet_scores, self.cascade.spec.onet_overlap_limit)  # (K,)
        if self.cascade.reference:
            return boxes[leaders], keypoints[leaders], candidates.scores[leaders]
        means, points = blend_inclusive(boxes, keypoints, onet_scores, leaders)
        return means, points, candidates.scores[leaders]


def merge_candidates(first: Candidates, second: Candidates, limit: float) -> Candidates:
    """Return both without duplicates of the same face, by falling score of O-Net."""
    boxes = np.concatenate([first.boxes, second.boxes])  # (N, 4)
    scores = np.concatenate([first.scores, second.scores])  # (N, 3)
    keypoints = np.concatenate([first.keypoints, second.keypoints])  # (N, 5, 2)
    kept = nms_min(boxes, scores[:, 2], limit)  # (K,)
    return Candidates(boxes[kept], keypoints[kept], scores[kept])


def _build_proposals(predictions: Predictions, shape_hw: tuple[int, int]) -> tuple[Boxes, Scores]:
    """Return the square boxes (N, 4) of predictions that meet the image, and scores (N,)."""
    boxes = refine_to_squares(predictions[:, :4], predictions[:, 5:], EXCLUSIVE_SIDE)
    _, is_inside = compute_regions(boxes, shape_hw)
    return boxes[is_inside], predictions[is_inside, 4]
