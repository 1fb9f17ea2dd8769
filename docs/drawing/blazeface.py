"""Pictures of BlazeFace: its anchors, and its candidates before and after blending."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from drawing.canvas import (
    BLACK,
    DIMMED,
    GAP,
    GREEN,
    PAPER,
    PHOTOS,
    TITLE_HEIGHT,
    WIDTH,
    Box,
    Canvas,
    Panel,
    Picture,
    choose_colour,
    read_photo,
    to_box,
)
from numpy.typing import NDArray

from phiz.boxes.geometry import Letterbox
from phiz.detectors.anchors import GRIDS_896
from phiz.detectors.blazeface import OVERSAMPLING, BlazeFace, decode_predictions
from phiz.faces import Boxes, DetectOptions, Indices, RgbImage, Scores
from phiz.image.lazy import LazyImage
from phiz.image.resample import letterbox_image
from phiz.options import Overlap

PORTRAIT: Final = PHOTOS / "selfie_360x640.png"
PORTRAIT_PART: Final = (0, 85, 360, 445)  # a square, so that the letterbox has no bars
CORNER_PX: Final = 60  # side of the part that is enlarged
MOVES_PX: Final = (-6, -4, -2, 0, 2, 4, 6)  # of the image, in each direction
GRID_SLICES: Final = (slice(0, 512), slice(512, 896))  # of the anchors
LEGEND_HEIGHT: Final = 44
LEGEND_PX: Final = 20
OVERLAPS: Final[tuple[Overlap, ...]] = ("nms", "blend")


@dataclass(frozen=True, slots=True)
class Answer:
    """The raw answer of BlazeFace to a square photograph."""

    detector: BlazeFace
    letterbox: Letterbox
    outputs: Mapping[str, NDArray[np.float32]]

    def decode_anchors(self) -> tuple[Boxes, Scores]:
        """Return box (A, 4) and score (A,) of every anchor, in pixels of the photograph."""
        boxes, _, scores = decode_predictions(
            self.outputs["regressions"][0],
            self.outputs["logits"][0],
            self.detector.anchors,
            self.detector.spec.size,
            0,
        )
        return self.letterbox.to_image_points(boxes.reshape(-1, 2, 2)).reshape(-1, 4), scores

    def find_face(self, overlap: Overlap) -> Boxes:
        """Return the box (4,) of the one face."""
        side = round(self.letterbox.size * self.letterbox.scale)
        options = DetectOptions(overlap=overlap)
        (face,) = self.detector.decode_faces(self.outputs, self.letterbox, (side, side), options)
        return np.array(face.box, np.float32)


def read_portrait() -> RgbImage:
    """Return the square part of the portrait."""
    left, top, right, bottom = PORTRAIT_PART
    return read_photo(PORTRAIT)[top:bottom, left:right]


def ask_blazeface(detector: BlazeFace, move_xy: tuple[int, int] = (0, 0)) -> Answer:
    """Return the answer to the portrait, moved by whole pixels to the left and up."""
    photo = read_photo(PORTRAIT)
    margin = max(MOVES_PX)
    left, top, right, bottom = np.array(PORTRAIT_PART) + margin + np.tile(move_xy, 2)
    edged = np.pad(photo, ((margin, margin), (margin, margin), (0, 0)), "edge")
    image = LazyImage.from_array(np.ascontiguousarray(edged[top:bottom, left:right]))
    letterbox = Letterbox.fit(image.width, image.height, detector.spec.size)
    scaled = image.decode_scaled(OVERSAMPLING * detector.spec.size)
    square = letterbox_image(scaled, letterbox, detector.sampling)
    return Answer(detector, letterbox, detector.session.run(square[None]))


def draw_anchors(detector: BlazeFace) -> Picture:
    """Return both grids of anchors, their scores, and the boxes of those that find the face."""
    boxes, scores = ask_blazeface(detector).decode_anchors()
    photo = read_portrait()
    side = (WIDTH - GAP) // 2
    canvas = Canvas(WIDTH, TITLE_HEIGHT + side + LEGEND_HEIGHT)
    counts = []
    for (cells, repeats), anchors, x in zip(GRIDS_896, GRID_SLICES, (0, side + GAP), strict=True):
        panel = Panel(canvas, (x, TITLE_HEIGHT), (0, 0, *photo.shape[1::-1]), side / len(photo))
        panel.add_photo(photo, DIMMED)
        panel.add_title(f"{cells} by {cells} cells, {repeats} anchors in each")
        centres = detector.anchors[anchors] * len(photo)
        _draw_grid(panel, centres[::repeats], scores[anchors].reshape(-1, repeats).max(axis=1))
        found = find_candidates(scores[anchors], detector.spec.min_score)
        _draw_predictions(panel, centres[found], boxes[anchors][found], scores[anchors][found])
        counts.append((len(centres), len(found), len(np.unique(found // repeats))))
    _draw_legend(canvas, TITLE_HEIGHT + side + LEGEND_HEIGHT / 2)
    (fine, fine_found, fine_cells), (coarse, coarse_found, coarse_cells) = counts
    caption = (
        f"The anchors of `{detector.name}`. The fine grid has {fine} anchors, the coarse grid "
        f"{coarse}. A dot is the centre of a cell, which all its anchors share. The colour of a "
        f"cell is the best score of its anchors. {fine_found + coarse_found} anchors score "
        f"{detector.spec.min_score} or more: {fine_found} in {fine_cells} cells of the fine grid, "
        f"and {coarse_found} in {coarse_cells} cells of the coarse grid. Each predicts one of the "
        "boxes, all of the same face. A line leads from an anchor to the middle of its box."
    )
    return Picture(canvas.finish(), caption)


def _draw_grid(panel: Panel, centres: NDArray[np.float32], scores: Scores) -> None:
    """Draw cells by their centres (C, 2) and best scores (C,)."""
    half = float(centres[0, 0])
    for (x, y), score in zip(centres.tolist(), scores.tolist(), strict=True):
        cell = panel.to_box((x - half, y - half, x + half, y + half))
        panel.canvas.fill_box(cell, choose_colour(score), 0.75 * score**0.5)
        panel.canvas.add_box(cell, (128, 128, 128), 0.67)
        panel.canvas.add_dot(panel.to_point((x, y)), PAPER, 2, 0.67)


def _draw_predictions(
    panel: Panel, centres: NDArray[np.float32], boxes: Boxes, scores: Scores
) -> None:
    """Draw the predictions of anchors by centres (N, 2), boxes (N, 4) and scores (N,)."""
    canvas = panel.canvas
    lines = []
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2  # (N, 2)
    for place, (score, box) in enumerate(zip(scores.tolist(), boxes, strict=True)):
        canvas.add_box(panel.to_box(to_box(box)), choose_colour(score), 2.67, 0.67)
        start, end = (panel.to_point(points[place].tolist()) for points in (centres, middles))
        lines.append((start, end, choose_colour(score)))
    for width, colour in ((5, BLACK), (2.33, PAPER)):
        for start, end, _ in lines:
            canvas.add_line(start, end, colour, width)
    for start, _, colour in lines:
        canvas.add_dot(start, colour, 6, 1.33)


def _draw_legend(canvas: Canvas, y: float) -> None:
    """Draw the colours of scores around a height."""
    left, width, steps = 420, 360, 60
    canvas.add_text((left - 14, y), "score 0", LEGEND_PX, "rm")
    for step in range(steps):
        x, colour = left + width * step / steps, choose_colour(step / (steps - 1))
        canvas.fill_box((x, y - LEGEND_PX / 2, x + width / steps, y + LEGEND_PX / 2), colour, 1)
    canvas.add_text((left + width + 14, y), "1", LEGEND_PX, "lm")


def draw_blending(detector: BlazeFace) -> Picture:
    """Return the candidates of a face, and what suppression and blending make of them."""
    answer = ask_blazeface(detector)
    boxes, scores = answer.decode_anchors()
    found = find_candidates(scores, detector.spec.min_score)
    titles = ("A face and its corner", f"{len(found)} candidates", "Suppression", "Blending")
    side = (WIDTH - 3 * GAP) / 4
    canvas = Canvas(WIDTH, round(TITLE_HEIGHT + side))
    overview, candidates, *resolved = _draw_panels(canvas, side, answer.find_face("blend"), titles)
    for box, score in zip(boxes[found], scores[found].tolist(), strict=True):
        candidates.add_corner(to_box(box), choose_colour(score), 2, 0.67)
    canvas.add_box(overview.to_box(to_box(answer.find_face("blend"))), GREEN, 3, 1)
    canvas.add_box(overview.to_box(candidates.region), PAPER, 2, 1)
    deviations = []
    for panel, overlap in zip(resolved, OVERLAPS, strict=True):
        moved = find_moved_faces(detector, overlap)  # (M, 4)
        deviations.append(float(np.sqrt(moved.var(axis=0).mean())))
        for box in moved:
            panel.add_corner(to_box(box), PAPER, 0.67)
        panel.add_corner(to_box(answer.find_face(overlap)), GREEN, 3, 1)
    caption = (
        f"Candidates of `{detector.name}`, and the face. One corner is enlarged. The {len(found)} "
        f"candidates score {detector.spec.min_score} or more, and have the colours of their "
        "scores. The thick line is the box that suppression or blending makes of them. The thin "
        f"lines are the boxes when the image moves by up to {max(MOVES_PX)} pixels each way, "
        f"{len(MOVES_PX) ** 2} times in all. A steady detector would give one line. The sides of "
        f"these boxes have a standard deviation of {deviations[0]:.1f} pixels with suppression, "
        f"and of {deviations[1]:.1f} with blending."
    )
    return Picture(canvas.finish(), caption)


def _draw_panels(canvas: Canvas, side: float, face: Boxes, titles: Sequence[str]) -> list[Panel]:
    """Draw the whole portrait, and the corner of the face in the other panels."""
    photo = read_portrait()
    corner, panels = _find_corner(face), []
    for column, title in enumerate(titles):
        region = corner if column else (0, 0, *photo.shape[1::-1])
        scale = side / (region[2] - region[0])
        panel = Panel(canvas, (column * (side + GAP), TITLE_HEIGHT), region, scale)
        panel.add_photo(photo, DIMMED)
        panel.add_title(title)
        panels.append(panel)
    return panels


def find_candidates(scores: Scores, min_score: float) -> Indices:
    """Return the anchors (N,) whose scores reach a limit, the best last, on top of the others."""
    found = np.flatnonzero(scores >= min_score)
    return found[np.argsort(scores[found])]


def find_moved_faces(detector: BlazeFace, overlap: Overlap) -> Boxes:
    """Return the boxes (M, 4) of the face in the moved portrait, moved back."""
    moves = [(x, y) for y in MOVES_PX for x in MOVES_PX]
    found = [ask_blazeface(detector, move).find_face(overlap) + np.tile(move, 2) for move in moves]
    return np.array(found, np.float32)


def _find_corner(box: Boxes) -> Box:
    """Return a square around the upper left corner of a box (4,), on whole pixels."""
    x, y = (round(float(side)) for side in box[:2])
    return x - CORNER_PX // 3, y - CORNER_PX // 3, x + 2 * CORNER_PX // 3, y + 2 * CORNER_PX // 3
