"""Second boxes over one face, in portraits and in close-ups cropped from them.

Only the labelled face of a portrait is known, so another box elsewhere may be a bystander. A second
box over the labelled face is a false alarm. Heads that fill the image get most of them.
"""

from typing import Final

import numpy as np

from phiz.boxes.geometry import box_area, clip_boxes, compute_intersections
from phiz.faces import Boxes, RgbImage
from phiz.lab.accuracy.predictions import Prediction, to_boxes

CROP_MARGINS: Final = (-0.12, -0.05, 0.0, 0.05, 0.2)
"""Of a crop around the labelled box, shares of the box's sides."""
MIN_COVERED_SHARE: Final = 0.5  # of the smaller of two boxes that show the same face


def crop_to_face(image: RgbImage, box: Boxes, margin: float) -> tuple[RgbImage, Boxes]:
    """Return the crop (h, w, 3) of an image (H, W, 3) around a box (4,), and the box in it.

    The crop ends at the border of the image. A crop that is smaller than the box clips it.

    Args:
        image: (H, W, 3).
        box: (4,), of a labelled face, in pixels of the image.
        margin: Share of the box's sides that is added on each side.
    """
    height, width, _ = image.shape
    sides = box[2:] - box[:2]  # (2,)
    outer = np.concatenate([box[:2] - margin * sides, box[2:] + margin * sides])  # (4,)
    left, top, right, bottom = clip_boxes(np.round(outer), width, height).astype(int).tolist()
    crop = image[top:bottom, left:right]
    return crop, clip_boxes(box - np.tile([left, top], 2), right - left, bottom - top)


def count_second_boxes(prediction: Prediction) -> int:
    """Return the number of boxes over the labelled faces beyond one for each face."""
    boxes = to_boxes(prediction.faces)  # (N, 4)
    second = 0
    for face in prediction.label.faces:
        smaller = np.minimum(box_area(face), box_area(boxes))  # (N,)
        is_over = compute_intersections(face, boxes) >= MIN_COVERED_SHARE * smaller  # (N,)
        second += max(0, int(is_over.sum()) - 1)
    return second
