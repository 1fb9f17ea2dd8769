"""BlazeFace once more, as plainly as it can be written, on its own file in LiteRT.

Nothing of phiz is in it: one loop over the output, one number at a time, in double precision.
Sampling is MediaPipe's (``reference``), to positions of 1/32 pixel as OpenCV rounds them.
"""

from dataclasses import dataclass
from math import exp, floor
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

GRIDS = ((16, 2), (8, 6))  # cells a side, predictions a cell
MAX_OVERLAP = 0.3
SUBPIXEL_STEPS = 32

Prediction = tuple[float, NDArray[np.float64]]
"""A score, and a box (4,), pixels."""


@dataclass(frozen=True, slots=True)
class PlainBlazeFace:
    """A network of 896 predictions in LiteRT."""

    interpreter: Interpreter

    @classmethod
    def open(cls, network: bytes) -> "PlainBlazeFace":
        """Return a network from the bytes of its file."""
        interpreter = Interpreter(model_content=network, num_threads=1)
        interpreter.allocate_tensors()
        return cls(interpreter)

    def detect(self, image: NDArray[np.uint8], min_score: float) -> list[Prediction]:
        """Return scores and boxes in a picture (H, W, 3), by falling score."""
        (given,) = self.interpreter.get_input_details()
        size = int(given["shape"][1])
        square = letterbox_square(image, size)  # (S, S, 3)
        pixels = (square / 127.5 - 1).astype(np.float32)[None]
        self.interpreter.set_tensor(given["index"], pixels)
        self.interpreter.invoke()
        outputs = [
            self.interpreter.get_tensor(output["index"])[0]
            for output in self.interpreter.get_output_details()
        ]
        regressions = next(each for each in outputs if each.shape[-1] == 16)  # noqa: PLR2004  box and 6 points
        logits = next(each for each in outputs if each.shape[-1] == 1)
        found = blend_predictions(decode_predictions(regressions, logits, size, min_score))
        return [shown for each in found if (shown := unletterbox(each, image, size)) is not None]


def letterbox_square(image: NDArray[np.uint8], size: int) -> NDArray[np.float64]:
    """Return a picture (H, W, 3) in the middle of a black square (S, S, 3), values 0 to 255."""
    height, width, _ = image.shape
    longer = max(height, width)
    black = np.zeros((1, 1, 3))
    rows, upper = compute_taps(size, longer, (longer - height) / 2)
    columns, left = compute_taps(size, longer, (longer - width) / 2)
    total = np.zeros((size, size, 3))
    for down in (0, 1):
        for across in (0, 1):
            y, x = rows + down, columns + across
            inside = ((y >= 0) & (y < height))[:, None] & ((x >= 0) & (x < width))[None]
            values = image[np.clip(y, 0, height - 1)][:, np.clip(x, 0, width - 1)]
            weights = (upper if down else 1 - upper)[:, None] * (left if across else 1 - left)
            total += np.where(inside[..., None], values, black) * weights[..., None]
    return np.floor(total + 0.5)


def compute_taps(
    size: int, longer: int, bar: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the first of the two pixels of each line (S,), and the weight of the second (S,)."""
    places = [floor((line * longer / size - bar) * SUBPIXEL_STEPS + 0.5) for line in range(size)]
    whole = np.array([place // SUBPIXEL_STEPS for place in places])
    part = np.array([place % SUBPIXEL_STEPS / SUBPIXEL_STEPS for place in places])
    return whole, part


def decode_predictions(
    regressions: Any,  # noqa: ANN401  LiteRT's
    logits: Any,  # noqa: ANN401  LiteRT's
    size: int,
    min_score: float,
) -> list[Prediction]:
    """Return the predictions that score enough, in pixels of the square."""
    predictions = []
    place = 0
    for cells, repeats in GRIDS:
        for row in range(cells):
            for column in range(cells):
                for _ in range(repeats):
                    score = 1 / (1 + exp(-min(max(float(logits[place, 0]), -80), 80)))
                    x, y, width, height = map(float, regressions[place, :4])
                    x += (column + 0.5) / cells * size
                    y += (row + 0.5) / cells * size
                    box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
                    if score >= min_score:
                        predictions.append((score, np.array(box)))
                    place += 1
    return predictions


def blend_predictions(predictions: list[Prediction]) -> list[Prediction]:
    """Return the mean of each group, weighed by score, with the score of its best."""
    left = sorted(predictions, key=lambda prediction: -prediction[0])
    means = []
    while left:
        best = left[0]
        group = [
            each for each in left if each is best or compute_iou(best[1], each[1]) > MAX_OVERLAP
        ]
        total = sum(score for score, _ in group)
        means.append((best[0], np.sum([score * box for score, box in group], axis=0) / total))
        left = [each for each in left if not any(each is member for member in group)]
    return means


def compute_iou(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the intersection over the union of two boxes (4,)."""
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]) for box in (one, other)]
    union = sum(areas) - width * height
    return width * height / union if union > 0 else 0.0


def unletterbox(prediction: Prediction, image: NDArray[np.uint8], size: int) -> Prediction | None:
    """Return a prediction in pixels of the picture (H, W, 3), or None if it lies beside it."""
    height, width, _ = image.shape
    longer = max(height, width)
    score, box = prediction
    bars = np.array([longer - width, longer - height] * 2) / 2
    cut = np.clip(box * longer / size - bars, 0, [width, height, width, height])
    if min(cut[2] - cut[0], cut[3] - cut[1]) < 1:
        return None
    return score, cut
