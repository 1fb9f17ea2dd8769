"""Choices of the labelled faces, by level, by size and by share of the picture."""

from itertools import pairwise
from math import inf
from typing import Final

import numpy as np

from phiz.boxes.geometry import box_area
from phiz.lab.accuracy.precision import FloatArray, Mask
from phiz.lab.accuracy.predictions import Prediction

# Height of a labelled face, pixels. WIDER FACE calls small what is below 50, large above 300;
# its levels begin at about 50, 30 and 10.
HEIGHTS_PX: Final = (0, 20, 50, 100, 300)
# Share of the picture that a box takes. BlazeFace was trained for faces of at least 20 %
# (front) and 5 % (back) of it (Bazarevsky et al. 2019, section 4).
AREA_SHARES: Final = (0.0, 0.05, 0.2)


def mask_heights(prediction: Prediction, counted: Mask) -> dict[str, Mask]:
    """Return by range of heights which faces (F,) count."""
    boxes = prediction.label.faces
    heights = (boxes[:, 3] - boxes[:, 1]).astype(np.float64)  # (F,)
    return {
        f"{low} px and more" if high == inf else f"{low} to {high} px": mask
        for (low, high), mask in _mask_ranges(heights, HEIGHTS_PX, counted)
    }


def mask_shares(prediction: Prediction, counted: Mask) -> dict[str, Mask]:
    """Return by range of shares of the picture which faces (F,) count."""
    width, height = prediction.size_wh
    shares = box_area(prediction.label.faces).astype(np.float64) / (width * height)  # (F,)
    return {
        f"{low:.0%} and more" if high == inf else f"{low:.0%} to {high:.0%}": mask
        for (low, high), mask in _mask_ranges(shares, AREA_SHARES, counted)
    }


def _mask_ranges(
    values: FloatArray, limits: tuple[float, ...], counted: Mask
) -> list[tuple[tuple[float, float], Mask]]:
    return [
        ((low, high), counted & (low <= values) & (values < high))
        for low, high in pairwise((*limits, inf))
    ]
