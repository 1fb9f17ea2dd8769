"""A picture of MTCNN: the pyramid of an image, and what each network leaves of its proposals."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from drawing.canvas import (
    DIMMED,
    GAP,
    GREEN,
    PHOTOS,
    TITLE_HEIGHT,
    WIDTH,
    Box,
    Canvas,
    Colour,
    Panel,
    Picture,
    choose_colour,
    read_photo,
    to_box,
)

from phiz.boxes.geometry import clip_boxes
from phiz.detectors.mtcnn import MIN_ONET_VOTE_SCORE, Mtcnn, Predictions
from phiz.detectors.pyramid import CELL_PX, compute_scales
from phiz.faces import Boxes, DetectOptions, Face, RgbImage
from phiz.image.integral import compute_integral
from phiz.image.lazy import LazyImage
from phiz.timings import Stopwatch

GROUP: Final = PHOTOS / "group_640x480.png"
PLAIN: Final[Colour] = (255, 200, 60)  # of a box whose score is not shown
LANDMARK: Final[Colour] = (255, 224, 0)
LEVEL_GAP: Final = 8
COUNT_HEIGHT: Final = 36  # below a level
COUNT_PX: Final = 18


@dataclass(frozen=True, slots=True)
class Stages:
    """The boxes that each stage of the cascade leaves of an image.

    Attributes:
        scales: Scale of each level of the pyramid.
        levels: P-Net's proposals on each, (N, 9).
        proposals: Those of all levels, (N, 4), square.
        refined: The boxes that R-Net leaves, (M, 4), square.
        predicted: O-Net's boxes that vote, (K, 4).
        faces: The answer.
    """

    scales: list[float]
    levels: list[Predictions]
    proposals: Boxes
    refined: Boxes
    predicted: Boxes
    faces: tuple[Face, ...]


def run_stages(detector: Mtcnn, photo: RgbImage) -> Stages:
    """Return what each stage of the cascade leaves of a photograph."""
    image, stopwatch, spec = LazyImage.from_array(photo), Stopwatch(), detector.spec
    scales = compute_scales(image.height, image.width, spec.min_face, spec.factor)
    sums = compute_integral(image.decode_full())
    levels = [detector.propose_level(sums, scale, stopwatch) for scale in scales]
    proposals = detector.propose_boxes(sums, scales, stopwatch)
    refined = detector.refine_boxes(sums, proposals, stopwatch)
    predicted, _, _ = detector.run_onet(sums, refined, MIN_ONET_VOTE_SCORE, stopwatch)
    faces = detector.detect(image, DetectOptions(), stopwatch).faces
    return Stages(scales, levels, proposals, refined, predicted, faces)


def draw_cascade(detector: Mtcnn) -> Picture:
    """Return the pyramid with P-Net's proposals, and what each network leaves of them."""
    photo = read_photo(GROUP)
    height, width = photo.shape[:2]
    stages = run_stages(detector, photo)
    levels_width = WIDTH - LEVEL_GAP * (len(stages.scales) - 1)
    shrink = levels_width / (width * sum(stages.scales))
    top = 2 * TITLE_HEIGHT + COUNT_HEIGHT + height * stages.scales[0] * shrink
    scale = (WIDTH - 2 * GAP) / 3 / width
    canvas = Canvas(WIDTH, round(top + height * scale))
    _draw_pyramid(canvas, photo, stages, shrink)
    _draw_stages(canvas, photo, stages, top, scale)
    caption = (
        f"MTCNN on an image of {width} × {height} pixels. Above: a window of P-Net has {CELL_PX} "
        "pixels of its level, so that large faces are found on small levels. The colours are those "
        f"of scores. Below: the {len(stages.proposals)} proposals of all levels in the image; the "
        f"{len(stages.refined)} that R-Net leaves, moved and resized; and the {len(stages.faces)} "
        f"faces (thick) that O-Net's {len(stages.predicted)} boxes (thin) are blended into."
    )
    return Picture(canvas.finish(), caption)


def _draw_pyramid(canvas: Canvas, photo: RgbImage, stages: Stages, shrink: float) -> None:
    """Draw all levels in a row, on one line, with the proposals on each."""
    height, width = photo.shape[:2]
    bottom = TITLE_HEIGHT + height * stages.scales[0] * shrink
    x = 0.0
    for scale, level in zip(stages.scales, stages.levels, strict=True):
        shown = scale * shrink
        panel = Panel(canvas, (x, bottom - height * shown), _measure(photo), shown)
        if not x:
            panel.add_title(
                f"A pyramid of {len(stages.scales)} levels, and the number of P-Net's proposals"
            )
        panel.add_photo(photo, DIMMED)
        _draw_boxes(panel, level[:, :4], [choose_colour(score) for score in level[:, 4].tolist()])
        middle = x + width * shown / 2
        canvas.add_text((middle, bottom + COUNT_PX + 4), f"{len(level)}", COUNT_PX, "ms")
        x += width * shown + LEVEL_GAP


def _draw_stages(canvas: Canvas, photo: RgbImage, stages: Stages, top: float, scale: float) -> None:
    """Draw what each of the three networks leaves, side by side."""
    height, width = photo.shape[:2]
    parts = (
        (f"P-Net proposes {len(stages.proposals)}", stages.proposals),
        (f"R-Net leaves {len(stages.refined)}", stages.refined),
        (f"O-Net finds {len(stages.faces)} faces", stages.predicted),
    )
    for column, (title, boxes) in enumerate(parts):
        place = (column * (width * scale + GAP), top)
        panel = Panel(canvas, place, _measure(photo), scale)
        panel.add_photo(photo, DIMMED)
        panel.add_title(title)
        _draw_boxes(panel, clip_boxes(boxes, width, height), [PLAIN] * len(boxes))
    for face in stages.faces:
        canvas.add_box(panel.to_box(face.box), GREEN, 3, 1)
        for point in face.landmarks.values():
            canvas.add_dot(panel.to_point(point), LANDMARK, 2.67, 0.67)


def _measure(photo: RgbImage) -> Box:
    """Return the whole of a photograph, as a box."""
    height, width = photo.shape[:2]
    return 0.0, 0.0, float(width), float(height)


def _draw_boxes(panel: Panel, boxes: Boxes, colours: Iterable[Colour]) -> None:
    """Draw boxes (N, 4) as thin lines."""
    for box, colour in zip(boxes, colours, strict=True):
        panel.canvas.add_box(panel.to_box(to_box(box)), colour, 1)
