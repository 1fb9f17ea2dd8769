"""Gates for faster ways to run a network, and the choice among those that pass.

Float32 is compared with the reference number by number, by the rule of the conversions. Lower
precisions are compared by the faces that the model finds on labelled photographs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import box_iou
from phiz.faces import Boxes, Scores

Outputs: TypeAlias = Mapping[str, NDArray[Any]]

# The largest differences that float32 arithmetic in another order accounts for. BlazeFace's
# regressions are pixels of its square input, MTCNN's are parts of a box, as its landmarks are.
BLAZEFACE_TOLERANCES: Final[Mapping[str, float]] = {
    "regressions": 2e-4,
    "all anchors": 2e-4,
    "probabilities": 1.4e-6,
}
MTCNN_TOLERANCE: Final = 2.2e-6
# Of logits from -12 to 33, of features from 0 to 6, and of the maps of YuNet and CenterFace.
LOGIT_TOLERANCE: Final = 1e-4
# Where BlazeFace sees no face at all, it may regress to a thousand pixels and more, with an
# error in proportion on both sides; these numbers are never used. They are compared as
# "all anchors", where the tolerance grows with the largest regression in the picture and is
# doubled at this many pixels. (In proportion to each regression by itself is too strict:
# sums of large numbers come out small, and LiteRT's own are further from those in float64.)
LEAST_PROBABILITY: Final = 0.01
DOUBLED_AT_PX: Final = 200.0

MAX_PRECISION_LOSS: Final = 0.005  # of average precision, at each level
LEAST_KEPT: Final = 0.99  # of the faces that the reference is sure of
SURE_SCORE: Final = 0.6
COUNTERPART_IOU: Final = 0.8
# With fewer faces to keep, 99 % of them is all of them.
LEAST_FACES: Final = 100
# A variant that is faster by less than this is not worth another runtime.
MAX_TIME_RATIO: Final = 0.95


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """How far two answers are apart in one of their outputs.

    Attributes:
        differences: (n,), of the numbers that are compared.
        tolerance: The largest that is allowed.
    """

    differences: NDArray[np.float64]
    tolerance: float


@dataclass(frozen=True, slots=True)
class AccuracyChange:
    """How a model's answers differ from the reference's.

    Attributes:
        faces: Number of faces of which the reference is sure.
        kept: Number of these that have a counterpart.
        precision_loss: Average precision of the reference less the variant's, by level of
            WIDER FACE; empty where no faces are labelled.
    """

    faces: int
    kept: int
    precision_loss: Mapping[str, float]

    @property
    def is_gated(self) -> bool:
        """Whether there was enough to judge by."""
        return self.faces >= LEAST_FACES and bool(self.precision_loss)

    @property
    def passes(self) -> bool:
        """Whether the variant may stand in for the reference."""
        return (
            self.is_gated
            and self.kept >= LEAST_KEPT * self.faces
            # NaN, of a level without faces, passes nothing.
            and all(loss <= MAX_PRECISION_LOSS for loss in self.precision_loss.values())
        )


def compute_excess(ours: Outputs, reference: Outputs) -> float:
    """Return the largest difference of two answers in units of the tolerance.

    At most 1 means parity; NaN if one of the numbers is NaN.

    Args:
        ours: Outputs of a network by name.
        reference: The same of the reference.
    """
    ratios = [
        each.differences / each.tolerance for each in compare_outputs(ours, reference).values()
    ]
    return float(np.concatenate(ratios).max(initial=0))


def compare_outputs(ours: Outputs, reference: Outputs) -> dict[str, OutputDifference]:
    """Return by output how far two answers of a network are apart.

    BlazeFace's are "regressions" (of anchors that may be a face's), "all anchors" and
    "probabilities"; those of the other networks are their outputs.

    Args:
        ours: Outputs of a network by name.
        reference: The same of the reference.
    """
    if not {"logits", "regressions"} <= reference.keys():  # then it is no BlazeFace
        tolerance = MTCNN_TOLERANCE if "probabilities" in reference else LOGIT_TOLERANCE
        return {
            name: OutputDifference(_compute_differences(ours[name], theirs).ravel(), tolerance)
            for name, theirs in reference.items()
        }
    regressions = _compute_differences(ours["regressions"], reference["regressions"])  # (N, A, 16)
    probabilities = _to_probabilities(reference["logits"])  # (N, A)
    differences = {
        "regressions": regressions[probabilities >= LEAST_PROBABILITY],
        "all anchors": regressions / _compute_growth(reference["regressions"]),
        "probabilities": _compute_differences(_to_probabilities(ours["logits"]), probabilities),
    }
    return {
        name: OutputDifference(differences[name].ravel(), tolerance)
        for name, tolerance in BLAZEFACE_TOLERANCES.items()
    }


def count_kept(boxes: Boxes, reference: Boxes, scores: Scores) -> tuple[int, int]:
    """Return how many faces the reference is sure of, and how many have a counterpart.

    A box is the counterpart of one face at most.

    Args:
        boxes: (N, 4), in question.
        reference: (M, 4).
        scores: (M,), the reference's.
    """
    sure = reference[scores >= SURE_SCORE]  # (S, 4)
    free = np.ones(len(boxes), bool)  # (N,)
    kept = 0
    for face in sure:
        overlaps = np.where(free, box_iou(face, boxes), 0)  # (N,)
        if overlaps.max(initial=0) >= COUNTERPART_IOU:
            free[overlaps.argmax()] = False
            kept += 1
    return len(sure), kept


def find_fastest(times_ms: Sequence[float], passing: Sequence[bool]) -> int:
    """Return the place of the fastest that passes; the first, the reference, if none is worth it.

    Args:
        times_ms: The reference's first.
        passing: For each, whether it passed its gate.
    """
    allowed = [place for place, passed in enumerate(passing) if passed and place]
    best = min(allowed, key=lambda place: times_ms[place], default=0)
    return best if times_ms[best] <= MAX_TIME_RATIO * times_ms[0] else 0


def _compute_differences(ours: NDArray[Any], reference: NDArray[Any]) -> NDArray[np.float64]:
    differences: NDArray[np.float64] = np.abs(ours.astype(np.float64) - reference)
    return differences


def _compute_growth(regressions: NDArray[Any]) -> NDArray[np.float64]:
    """Return how many times larger the tolerance of all anchors is, (N, 1, 1), in each picture."""
    largest = np.abs(regressions).max(axis=(1, 2), keepdims=True)  # (N, 1, 1)
    growth: NDArray[np.float64] = 1 + largest.astype(np.float64) / DOUBLED_AT_PX
    return growth


def _to_probabilities(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Return the probabilities that logits are used for, (N, A) both."""
    # Beyond 100 a float64 sigmoid does not change, and its exponential would overflow.
    clipped = np.clip(logits.astype(np.float64), -100, 100)
    probabilities: NDArray[np.float64] = 1 / (1 + np.exp(-clipped))
    return probabilities
