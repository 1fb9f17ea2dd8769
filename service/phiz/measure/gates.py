"""What a faster way to run a network must not change, and the choice among those that pass.

Float32 is held against the reference number by number, with the tolerances that the
conversion is held to. Anything less precise is held against what it is for: the faces that
the model finds on labelled photographs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.faces import Boxes, Scores
from phiz.geometry import iou

Outputs: TypeAlias = Mapping[str, NDArray[Any]]

# What float32 arithmetic in another order accounts for. BlazeFace's regressions are pixels
# of its square input, MTCNN's are parts of a box, as its landmarks are.
PROBABILITY_TOLERANCE: Final[Mapping[str, float]] = {"logits": 1.4e-6, "probabilities": 2.2e-6}
PART_TOLERANCE: Final = 2.2e-6
PIXEL_TOLERANCE: Final = 2e-4
# Where it sees no face, BlazeFace may regress to a thousand pixels, with an error in
# proportion.
PIXEL_RELATIVE_TOLERANCE: Final = 1e-6

MAX_PRECISION_LOSS: Final = 0.005  # of average precision, at each level
LEAST_KEPT: Final = 0.99  # of the faces that the reference is sure of
SURE_SCORE: Final = 0.6
SAME_FACE_IOU: Final = 0.8
# With fewer faces to keep, 99 % of them is all of them.
LEAST_FACES: Final = 100
# A variant that is faster by less than this is not worth another runtime.
WORTHWHILE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Change:
    """How a model's answers differ from the reference's.

    Attributes:
        faces: That the reference is sure of.
        kept: Of them, that have a counterpart.
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


def excess(ours: Outputs, reference: Outputs) -> float:
    """Return the largest difference of two answers in units of what is allowed.

    At most 1 means parity; NaN if one of the numbers is NaN.

    Args:
        ours: Outputs of a network by name.
        reference: The same of the reference.
    """
    ratios = [
        np.abs(_read(ours, name) - _read(reference, name)) / _allowed(reference, name)
        for name in reference
    ]
    return float(np.concatenate([ratio.ravel() for ratio in ratios]).max(initial=0))


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
        overlaps = np.where(free, iou(face, boxes), 0)  # (N,)
        if overlaps.max(initial=0) >= SAME_FACE_IOU:
            free[overlaps.argmax()] = False
            kept += 1
    return len(sure), kept


def fastest(times_ms: Sequence[float], passing: Sequence[bool]) -> int:
    """Return the place of the fastest that passes; the first, the reference, if none is worth it.

    Args:
        times_ms: The reference's first.
        passing: For each, whether it passed its gate.
    """
    allowed = [place for place, passed in enumerate(passing) if passed and place]
    best = min(allowed, key=lambda place: times_ms[place], default=0)
    return best if times_ms[best] <= WORTHWHILE * times_ms[0] else 0


def _read(outputs: Outputs, name: str) -> NDArray[np.float64]:
    """Return an output, and logits as the probabilities that they are used for."""
    numbers = outputs[name].astype(np.float64)
    if name != "logits":
        return numbers
    # Beyond 100 a float64 sigmoid does not change, and its exponential would overflow.
    shares: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(numbers, -100, 100)))
    return shares


def _allowed(reference: Outputs, name: str) -> NDArray[np.float64] | float:
    if name in PROBABILITY_TOLERANCE:
        return PROBABILITY_TOLERANCE[name]
    if "logits" not in reference:  # then it is one of MTCNN's
        return PART_TOLERANCE
    return PIXEL_TOLERANCE + PIXEL_RELATIVE_TOLERANCE * np.abs(_read(reference, name))
