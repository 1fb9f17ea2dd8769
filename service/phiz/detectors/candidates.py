"""The candidates of the router's passes, which O-Net confirms."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import expand_to_squares
from phiz.boxes.nms import IndexPairs, find_overlapping_pairs, suppress_pairs
from phiz.detectors.confidence import compute_log_odds, compute_probabilities, compute_sides
from phiz.detectors.mtcnn import Mtcnn
from phiz.detectors.mtcnn_boxes import compute_regions
from phiz.faces import Boxes, Keypoints, Scores
from phiz.image.integral import compute_integral
from phiz.image.pixels import PackedPixels
from phiz.models.router_config import RegionRule
from phiz.timings import Stopwatch

# O-Net's box and landmarks count as much as the network's own from this score on.
MIN_ONET_SCORE: Final = 0.5
CUT_MARGIN: Final = 0.03  # shares of its side that a face ends before the border that cuts it
MERGED_IOU: Final = 0.4  # at least: candidates of two passes are of one face
SURE_CONFIDENCE: Final = 0.5  # of a face; without any, less likely candidates are looked at
# Of a candidate that one of two passes has not.
MISSED_CONFIDENCE: Final = 0.02
# Of the log odds of either pass. They are not independent, so it is not 1.
MERGED_WEIGHT: Final = 0.6
MIN_REGION_SIDE_PX: Final = 12.0  # smaller candidates get as much margin as one of this side


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of one pass or of several.

    Attributes:
        boxes: (N, 4), pixels of the image.
        keypoints: (N, 5, 2), in the same frame.
        confidences: (N,).
    """

    boxes: Boxes
    keypoints: Keypoints
    confidences: Scores


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of an image, in whole pixels: x1, y1, x2, y2, half-open."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height."""
        return self.x2 - self.x1, self.y2 - self.y1

    def contains(self, boxes: Boxes) -> NDArray[np.bool_]:
        """Return whether the centres of boxes (N, 4) are inside, (N,)."""
        return are_centres_inside(boxes, (self.x1, self.y1), (self.x2, self.y2))


def are_centres_inside(
    boxes: Boxes, low_xy: tuple[int, int], high_xy: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return whether the centres of boxes (N, 4) are inside a rectangle, (N,)."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2  # (N, 2)
    is_inside: NDArray[np.bool_] = np.all((centres >= low_xy) & (centres < high_xy), axis=1)
    return is_inside


def confirm_boxes(
    cascade: Mtcnn, pixels: PackedPixels, boxes: Boxes, keypoints: Keypoints, stopwatch: Stopwatch
) -> tuple[Boxes, Keypoints, Scores]:
    """Return O-Net's scores (N,), and its means with boxes (N, 4) and keypoints (N, 5, 2).

    A candidate that it does not take for a face keeps its box, and one outside the image also has
    a score of 0.

    Args:
        cascade: The cascade of O-Net.
        pixels: The image (H, W).
        boxes: In its pixels.
        keypoints: In its pixels.
        stopwatch: The stopwatch of the request.
    """
    scores = np.zeros(len(boxes), np.float32)
    squares = expand_to_squares(boxes)  # (N, 4)
    regions, is_inside = compute_regions(squares, pixels.shape)  # (N, 4), (N,)
    asked = np.flatnonzero(is_inside)  # (M,)
    if not len(asked):
        return boxes, keypoints, scores
    # The integral of the part with all crops is enough. Its corner leaves one pixel before them,
    # with which crops begin.
    left, top = np.maximum(regions[asked, :2].min(axis=0) - 1, 0)
    right, bottom = regions[asked, 2:].max(axis=0)
    sums = compute_integral(pixels[top:bottom, left:right])
    stopwatch.lap("preprocess")
    corner_xy = np.array([left, top], np.float32)
    better, onet_scores, points = cascade.run_onet(
        sums, squares[asked] - np.tile(corner_xy, 2), -1.0, stopwatch
    )
    better, points = better + np.tile(corner_xy, 2), points + corner_xy
    scores[asked] = onet_scores
    sure = onet_scores > MIN_ONET_SCORE  # (M,)
    boxes, keypoints = boxes.copy(), keypoints.copy()
    half = np.float32(0.5)
    boxes[asked[sure]] = half * (boxes[asked[sure]] + better[sure])
    keypoints[asked[sure]] = points[sure]
    return boxes, keypoints, scores


def are_boxes_cut(boxes: Boxes, size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Return whether boxes (N, 4) end at the border of an image or outside it, (N,)."""
    margins = CUT_MARGIN * compute_sides(boxes)[:, None]  # (N, 1)
    high = np.array(size_wh, np.float32)
    is_cut: NDArray[np.bool_] = np.any(
        (boxes[:, :2] <= margins) | (boxes[:, 2:] >= high - margins), axis=1
    )
    return is_cut


def find_region(
    candidates: Candidates, size_wh: tuple[int, int], rule: RegionRule
) -> Region | None:
    """Return the region around all small candidates, or None if there is none."""
    sides = compute_sides(candidates.boxes)  # (N,)
    is_small = sides < rule.max_side_share * max(size_wh)  # (N,)
    least = rule.min_confidence if has_sure_face(candidates) else rule.min_confidence_alone
    chosen = np.flatnonzero(is_small & (candidates.confidences >= least))
    if not len(chosen):
        return None
    boxes = candidates.boxes[chosen]  # (M, 4)
    margins = rule.margin * np.maximum(sides[chosen], np.float32(MIN_REGION_SIDE_PX))[:, None]
    low = np.clip((boxes[:, :2] - margins).min(axis=0), 0, None)  # (2,)
    high = np.clip((boxes[:, 2:] + margins).max(axis=0), None, size_wh)  # (2,)
    (x1, y1), (x2, y2) = np.floor(low).astype(int).tolist(), np.ceil(high).astype(int).tolist()
    return Region(x1, y1, x2, y2)


def has_sure_face(candidates: Candidates) -> bool:
    """Return whether one candidate is more likely a face than not."""
    return bool((candidates.confidences >= SURE_CONFIDENCE).any())


def merge_candidates(
    whole: Candidates, near: Candidates, region: Region, whole_weight: float = 1.0
) -> Candidates:
    """Return the candidates of the whole image and of a later pass over a region, each face once.

    Inside the region, log odds are the weighted sum of both; a candidate that one has not is very
    unlikely for it. But if the whole image shows no sure face at all, the region alone decides.
    Boxes and landmarks are the means, weighted by confidence.

    Args:
        whole: Of the passes so far.
        near: Of the later pass.
        region: The region that it saw, which may be the whole image.
        whole_weight: Weight of the boxes and landmarks of the former.
    """
    boxes = np.concatenate([whole.boxes, near.boxes])  # (N, 4)
    keypoints = np.concatenate([whole.keypoints, near.keypoints])  # (N, 5, 2)
    own = np.concatenate([whole.confidences, near.confidences])  # (N,)
    is_near = np.arange(len(own)) >= len(whole.confidences)  # (N,)
    pairs = find_overlapping_pairs(boxes, MERGED_IOU)  # (2, P)
    leaders = suppress_pairs(pairs, own)  # (K,)
    partners = _find_partners(pairs, own, is_near)[leaders]  # (K,)
    first = own[leaders]  # (K,)
    second = np.where(partners == leaders, np.float32(0), own[partners])  # (K,)
    weights = np.where(is_near, np.float32(1), np.float32(whole_weight)) * own  # (N,)
    kept, other = weights[leaders], np.where(partners == leaders, 0, weights[partners])  # (K,)
    share = (kept / np.maximum(kept + other, np.float32(1e-9)))[:, None].astype(
        np.float32
    )  # (K, 1)
    merged = share * boxes[leaders] + (1 - share) * boxes[partners]  # (K, 4)
    share = share[..., None]
    points = share * keypoints[leaders] + (1 - share) * keypoints[partners]  # (K, 5, 2)
    least = np.float32(MISSED_CONFIDENCE)
    odds = compute_log_odds(np.maximum(first, least)) + compute_log_odds(np.maximum(second, least))
    both = compute_probabilities(np.float32(MERGED_WEIGHT) * odds)  # (K,)
    if not has_sure_face(whole):
        both = np.where(is_near[leaders], first, second)
    confidences: Scores = np.where(region.contains(merged), both, first)
    return Candidates(merged, points, confidences.astype(np.float32))


def _find_partners(pairs: IndexPairs, own: Scores, is_near: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the best candidate of the other pass for each (N,), or itself without any."""
    first, second = np.concatenate([pairs, pairs[::-1]], axis=1)  # (2P,) each
    is_other = is_near[first] != is_near[second]  # (2P,)
    first, second = first[is_other], second[is_other]
    order = np.argsort(own[second], kind="stable")
    partners = np.arange(len(own))
    partners[first[order]] = second[order]  # the last one, the best, stays
    return partners
