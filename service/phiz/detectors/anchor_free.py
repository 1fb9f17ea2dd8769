"""YuNet and CenterFace: one network that finds a face at each position of a map.

Wu, Peng, Yu: YuNet: A Tiny Millisecond-level Face Detector, 2023 (Machine Intelligence Research
20, 656-665). Xu, Yan, Xiong, Wang, Lv: CenterFace: Joint Face Detection and Alignment Using Face as
Point, 2019 (arXiv:1911.03599).

Both take images of any size. Small faces need a large one, which takes time in proportion to its
pixels.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.blending import blend_around
from phiz.boxes.geometry import clip_boxes, compute_shorter_sides
from phiz.boxes.nms import find_single_faces, nms
from phiz.detectors.time_budget import TimeBudget, measure_step_s
from phiz.faces import Boxes, Detections, DetectOptions, Keypoints, Scores, build_faces
from phiz.image.lazy import SCALE_FACTORS, LazyImage, ScaledImage
from phiz.image.resample import Sampling, fit_image
from phiz.options import Overlap
from phiz.runtime import Session
from phiz.timings import Stopwatch

ANCHOR_FREE_LANDMARKS: Final = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
INPUT_MULTIPLE_PX: Final = 32  # sides of the input are multiples of this
TRIAL_SHAPE_HW: Final = (480, 640)  # of the input for the measurement of costs
MAX_ALIGNMENT: Final = 1.07  # of a scale, to one of decoding
# A budget reduces the input no further.
MIN_INPUT_SIZE: Final = 160
# exp() of more than 88 overflows float32.
LOGIT_LIMIT: Final = 80.0
LOG_SIDE_LIMIT: Final = 12.0  # of strides; more than any image has pixels
# Predictions with this score vote for a better face, however high the score limit is.
MIN_BLENDED_SCORE: Final = 0.1
# Maximum predictions before overlaps are resolved, best first. Crowds have a few thousand.
MAX_PREDICTIONS: Final = 10_000
MIN_VISIBLE_SIDE_PX: Final = 1.0

FacePredictions: TypeAlias = tuple[Boxes, Keypoints, Scores]
Decoder: TypeAlias = Callable[[Mapping[str, NDArray[np.float32]], float], FacePredictions]
"""Turns the maps (C, h, w) of one image into predictions of at least a score, in input pixels."""


@dataclass(frozen=True, slots=True)
class AnchorFreeSpec:
    """The numbers of one model.

    Attributes:
        input_size: Default longer side of the input, pixels.
        max_input_pixels: Pixels of the largest input, which its memory is in proportion to.
        min_face: Side of the smallest face that the network finds reliably, pixels of the input.
        min_score: Default score limit.
        overlap_limit: IoU above which two predictions are of one face.
    """

    input_size: float
    max_input_pixels: float
    min_face: float
    min_score: float
    overlap_limit: float


@dataclass(frozen=True, slots=True)
class AnchorFree:
    """A loaded network. Thresholds come with each call.

    Attributes:
        name: Name of the model.
        spec: Its numbers.
        session: The network.
        decode: Decodes its maps.
        sampling: How images are resized.
        get_cost_s: Returns the seconds per pixel of the input on this machine. The first call
            measures them, because only callers with a budget need them.
    """

    name: str
    spec: AnchorFreeSpec
    session: Session
    decode: Decoder
    sampling: Sampling
    get_cost_s: Callable[[], float]

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return the faces of an image, best first, in its pixels.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        size_wh = image.width, image.height
        if options.budget_ms is not None:
            self.get_cost_s()
            stopwatch.lap("queue")  # measuring the cost does not count towards the budget
        scale = self.choose_scale(size_wh, options, stopwatch)
        scaled = image.decode_scaled(max(size_wh) / scale)
        stopwatch.lap("decode")
        if options.budget_ms is not None:  # less of it is left now
            scale = self.choose_scale(size_wh, options, stopwatch)
        min_score = self.spec.min_score if options.min_score is None else options.min_score
        boxes, keypoints, scores = self.predict(
            scaled, size_wh, scale, stopwatch, min_score=min_score, overlap=options.overlap
        )
        boxes = clip_boxes(boxes, *size_wh)  # (F, 4)
        single = find_single_faces(boxes, scores, size_wh)  # (F',)
        min_side_px = options.min_face or MIN_VISIBLE_SIDE_PX
        is_visible = compute_shorter_sides(boxes[single]) >= min_side_px  # (F',)
        best = single[is_visible][: options.max_faces]
        faces = build_faces(
            boxes[best], scores[best], keypoints[best], ANCHOR_FREE_LANDMARKS, self.name
        )
        stopwatch.lap("postprocess")
        return Detections(faces)

    def predict(  # noqa: PLR0913  one pass over an image
        self,
        scaled: ScaledImage,
        size_wh: tuple[int, int],
        scale: float,
        stopwatch: Stopwatch,
        *,
        min_score: float,
        overlap: Overlap,
    ) -> FacePredictions:
        """Return one prediction for each face, best first, in pixels of the image.

        Args:
            scaled: The image, perhaps at a smaller scale.
            size_wh: Its width and height at full scale.
            scale: Pixels of the image for one of the input.
            stopwatch: The stopwatch of the request.
            min_score: Least score of a prediction.
            overlap: How overlapping predictions are merged.
        """
        shape_hw = compute_input_shape(size_wh, scale)
        pixels = fit_image(scaled, scale, shape_hw, self.sampling)  # (H, W, 3)
        stopwatch.lap("preprocess")
        outputs = self.session.run(pixels[None])
        stopwatch.lap("inference")
        maps = {name: batch[0] for name, batch in outputs.items()}
        predictions = self.decode(maps, min(min_score, MIN_BLENDED_SCORE))
        boxes, keypoints, scores = self._resolve_overlaps(*predictions, min_score, overlap)
        return boxes * np.float32(scale), keypoints * np.float32(scale), scores

    def choose_scale(
        self, size_wh: tuple[int, int], options: DetectOptions, stopwatch: Stopwatch
    ) -> float:
        """Return how many pixels of the image are one of the input, along a side."""
        width, height = size_wh
        scale = max(
            1.0,
            max(size_wh) / (options.input_size or self.spec.input_size),
            (options.min_face or 0) / self.spec.min_face,
            math.sqrt(width * height / self.spec.max_input_pixels),
        )
        if options.input_size is None:
            scale = align_scale(scale)
        if options.budget_ms is None:
            return scale
        left_s = max(TimeBudget(options.budget_ms / 1000, stopwatch).get_remaining_s(), 1e-6)
        affordable = math.sqrt(width * height * self.get_cost_s() / left_s)
        return max(scale, min(affordable, max(size_wh) / MIN_INPUT_SIZE))

    def _resolve_overlaps(
        self, boxes: Boxes, keypoints: Keypoints, scores: Scores, min_score: float, overlap: Overlap
    ) -> FacePredictions:
        """Return one prediction for each face, by falling score."""
        limit = self.spec.overlap_limit
        eligible = np.flatnonzero(scores >= min_score)
        leaders = eligible[nms(boxes[eligible], scores[eligible], limit)]  # (G,)
        if overlap == "nms":
            return boxes[leaders], keypoints[leaders], scores[leaders]
        blended, points = blend_around(boxes, keypoints, scores, leaders, limit)
        return blended, points, scores[leaders]


def align_scale(scale: float) -> float:
    """Return the scale, or a scale of decoding that is barely larger.

    Such an input needs no resizing, which takes a quarter of the time of YuNet: 1920 pixels become
    960 instead of 1024.
    """
    aligned = (factor for factor in SCALE_FACTORS if scale <= factor <= MAX_ALIGNMENT * scale)
    return float(next(aligned, scale))


def measure_cost_s(session: Session) -> float:
    """Return the seconds per pixel of the input, measured in about 0.1 seconds."""
    pixels = np.random.default_rng(1).integers(0, 256, (1, *TRIAL_SHAPE_HW, 3), np.uint8)
    return measure_step_s(lambda: session.run(pixels)) / (pixels.size // 3)


def compute_input_shape(size_wh: tuple[int, int], scale: float) -> tuple[int, int]:
    """Return height and width of the input, multiples of 32 that hold the scaled image."""
    width, height = (
        INPUT_MULTIPLE_PX * math.ceil(side / scale / INPUT_MULTIPLE_PX - 1e-6) for side in size_wh
    )
    return max(height, INPUT_MULTIPLE_PX), max(width, INPUT_MULTIPLE_PX)


def decode_yunet(maps: Mapping[str, NDArray[np.float32]], min_score: float) -> FacePredictions:
    """Return the predictions of YuNet that score at least ``min_score``, in pixels of the input.

    A score is the geometric mean of the probabilities of a face and of an object. The centre is
    relative to the corner of a cell, in strides; the size is a logarithm of strides. Source:
    ``face_detect.cpp`` in opencv/opencv.

    Args:
        maps: ``stride8``, ``stride16`` and ``stride32``, (16, h, w) each.
        min_score: 0 to 1.

    Returns:
        Boxes (N, 4), keypoints (N, 5, 2), scores (N,).
    """
    # Neither probability may be below the square of the score.
    min_logit = compute_logit(min_score**2)
    found = []
    for stride in (8, 16, 32):
        cells = maps[f"stride{stride}"]  # (16, h, w)
        values, corners = _select_cells(cells, np.minimum(cells[0], cells[1]) >= min_logit)
        scores = np.sqrt(compute_sigmoid(values[:, 0]) * compute_sigmoid(values[:, 1]))  # (N,)
        centres = values[:, 2:4] + corners  # (N, 2)
        halves = np.exp(np.minimum(values[:, 4:6], LOG_SIDE_LIMIT)) / 2  # (N, 2)
        keypoints = values[:, 6:].reshape(-1, 5, 2) + corners[:, None]  # (N, 5, 2)
        boxes = np.concatenate([centres - halves, centres + halves], axis=1)  # (N, 4)
        found.append((boxes * np.float32(stride), keypoints * np.float32(stride), scores))
    boxes, keypoints, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return _keep_best(boxes, keypoints, scores, min_score)


def decode_centerface(maps: Mapping[str, NDArray[np.float32]], min_score: float) -> FacePredictions:
    """Return the predictions of CenterFace that score at least ``min_score``, in input pixels.

    The centre is relative to a cell, in strides; the size is a logarithm of strides; landmarks are
    relative to the box. All are y before x. Source: ``centerface.py`` in Star-Clouds/CenterFace.

    Args:
        maps: ``stride4`` (15, h, w).
        min_score: 0 to 1.

    Returns:
        Boxes (N, 4), keypoints (N, 5, 2), scores (N,).
    """
    stride = np.float32(4)
    cells = maps["stride4"]
    values, corners = _select_cells(cells, cells[0] >= compute_logit(min_score))
    scores = compute_sigmoid(values[:, 0])  # (N,)
    sides = np.exp(np.minimum(values[:, 2:0:-1], LOG_SIDE_LIMIT)) * stride  # (N, 2)
    centres = (corners + values[:, 4:2:-1] + np.float32(0.5)) * stride  # (N, 2)
    low = centres - sides * np.float32(0.5)  # (N, 2)
    shares = values[:, 5:15].reshape(-1, 5, 2)[..., ::-1]  # (N, 5, 2)
    keypoints: Keypoints = shares * sides[:, None] + low[:, None]  # (N, 5, 2)
    return _keep_best(np.concatenate([low, low + sides], axis=1), keypoints, scores, min_score)


def compute_logit(probability: float) -> float:
    """Return the logarithm of the odds, limited for a probability of 0 or 1."""
    if not 0 < probability < 1:
        return math.copysign(LOGIT_LIMIT, probability - 0.5)
    return math.log(probability / (1 - probability))


def compute_sigmoid(logits: NDArray[np.float32]) -> Scores:
    """Return the probabilities (N,) of logits (N,)."""
    probabilities: Scores = np.float32(1) / (
        np.float32(1) + np.exp(-np.clip(logits, -LOGIT_LIMIT, LOGIT_LIMIT))
    )
    return probabilities


def _select_cells(
    cells: NDArray[np.float32], is_selected: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the values (N, C) and the columns and rows (N, 2) of selected cells of (C, h, w)."""
    places = np.flatnonzero(is_selected)  # (N,)
    rows, columns = np.divmod(places, is_selected.shape[1])  # (N,) each
    values = cells.reshape(len(cells), -1)[:, places].T  # (N, C)
    return values, np.stack([columns, rows], axis=1).astype(np.float32)


def _keep_best(
    boxes: Boxes, keypoints: Keypoints, scores: Scores, min_score: float
) -> FacePredictions:
    """Return at most ``MAX_PREDICTIONS`` that score at least ``min_score``, best first."""
    order = np.argsort(-scores, kind="stable")[:MAX_PREDICTIONS]  # (N,)
    order = order[scores[order] >= min_score]
    return boxes[order], keypoints[order], scores[order]
