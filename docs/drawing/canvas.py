"""A canvas for the pictures of the documentation: smooth lines, and letters of one font."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageEnhance, ImageFont

from phiz.faces import Boxes, RgbImage

Colour: TypeAlias = tuple[int, int, int]
Box: TypeAlias = tuple[float, float, float, float]
Point: TypeAlias = tuple[float, float]

# Public domain, by NASA.
PHOTOS: Final = Path(__file__).parents[2] / "tests" / "pictures"
PAPER: Final[Colour] = (255, 255, 255)
INK: Final[Colour] = (31, 41, 55)
GREEN: Final[Colour] = (0, 255, 128)  # of a face, as phiz draws it
BLACK: Final[Colour] = (0, 0, 0)
WIDTH: Final = 1200
TITLE_PX: Final = 23
TITLE_HEIGHT: Final = 40
GAP: Final = 20
DIMMED: Final = 0.7  # photographs below lines
SUPERSAMPLING: Final = 3  # pixels drawn for each pixel of the picture, each way
# Colours of scores from 0 to 1, from dark to bright.
SCORE_COLOURS: Final = np.array(
    [(70, 30, 180), (150, 40, 200), (225, 60, 130), (255, 140, 50), (255, 240, 60)], np.float32
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture and the text below it.

    Attributes:
        image: The pixels.
        caption: What it shows, with figures that were computed with it.
    """

    image: Pillow.Image
    caption: str


class Canvas:
    """A white picture; coordinates are its pixels, and may be fractions."""

    def __init__(self, width: int, height: int) -> None:
        self._size_wh = width, height
        self._image = Pillow.new("RGB", (width * SUPERSAMPLING, height * SUPERSAMPLING), PAPER)
        self._draw = ImageDraw.Draw(self._image, "RGBA")  # fills may be transparent

    def finish(self) -> Pillow.Image:
        """Return the picture."""
        return self._image.resize(self._size_wh, Pillow.Resampling.BOX)

    def add_photo(self, photo: RgbImage, box: Box, brightness: float = 1) -> None:
        """Draw a photograph; below full brightness it is grey, and lines on it are seen."""
        corners = [round(side) for side in _enlarge(box)]
        size = corners[2] - corners[0], corners[3] - corners[1]
        image = Pillow.fromarray(photo).resize(size, Pillow.Resampling.BICUBIC)
        if brightness < 1:
            image = ImageEnhance.Color(image).enhance(brightness / 2)
            image = ImageEnhance.Brightness(image).enhance(brightness)
        self._image.paste(image, (corners[0], corners[1]))

    def add_box(self, box: Box, colour: Colour, width: float, edge: float = 0) -> None:
        """Draw an outline whose middle is the border of the box, with a dark edge on both sides."""
        if edge:
            self.add_box(box, BLACK, width + 2 * edge)
        half = width / 2
        x1, y1, x2, y2 = box
        outer = _enlarge((x1 - half, y1 - half, x2 + half, y2 + half))
        self._draw.rectangle(outer, outline=colour, width=round(width * SUPERSAMPLING))

    def fill_box(self, box: Box, colour: Colour, opacity: float) -> None:
        """Cover a box with a colour, 0 for not at all and 1 for completely."""
        self._draw.rectangle(_enlarge(box), fill=(*colour, round(255 * opacity)))

    def add_line(self, start: Point, end: Point, colour: Colour, width: float) -> None:
        """Draw a straight line."""
        self._draw.line(_enlarge((*start, *end)), fill=colour, width=round(width * SUPERSAMPLING))

    def add_dot(self, centre: Point, colour: Colour, radius: float, edge: float = 0) -> None:
        """Draw a dot with a dark edge around it."""
        x, y = (side * SUPERSAMPLING for side in centre)
        if edge:
            self._draw.circle((x, y), (radius + edge) * SUPERSAMPLING, fill=BLACK)
        self._draw.circle((x, y), radius * SUPERSAMPLING, fill=colour)

    def add_text(self, place: Point, text: str, size: float, anchor: str) -> None:
        """Write a line of text; the anchor says which point of it is the place, as in Pillow."""
        font = ImageFont.load_default(size * SUPERSAMPLING)
        xy = place[0] * SUPERSAMPLING, place[1] * SUPERSAMPLING
        self._draw.text(xy, text, INK, font, anchor)


class Panel:
    """A part of a canvas that shows a part of a photograph; coordinates are the photograph's."""

    def __init__(self, canvas: Canvas, place: Point, region: Box, scale: float) -> None:
        """Store the part.

        Args:
            canvas: Where it is drawn.
            place: Its upper left corner.
            region: The part of the photograph that it shows.
            scale: Pixels of the canvas for one of the photograph.
        """
        self.canvas = canvas
        self.place = place
        self.region = region
        self.scale = scale

    def to_point(self, point: Point) -> Point:
        """Return a point of the photograph on the canvas."""
        x, y = self.place
        left, top = self.region[:2]
        return x + (point[0] - left) * self.scale, y + (point[1] - top) * self.scale

    def to_box(self, box: Box) -> Box:
        """Return a box of the photograph on the canvas."""
        return *self.to_point((box[0], box[1])), *self.to_point((box[2], box[3]))

    def add_photo(self, photo: RgbImage, brightness: float = 1) -> None:
        """Draw the part of a photograph."""
        x1, y1, x2, y2 = (round(side) for side in self.region)
        self.canvas.add_photo(photo[y1:y2, x1:x2], self.to_box(self.region), brightness)

    def add_corner(self, box: Box, colour: Colour, width: float, edge: float = 0) -> None:
        """Draw the upper left corner of a box, as far as the part shows it."""
        x, y = self.to_point((box[0], box[1]))
        _, _, right, bottom = self.to_box(self.region)
        for wide, ink in ((width + 2 * edge, BLACK), (width, colour))[not edge :]:
            self.canvas.fill_box((x - wide / 2, y - wide / 2, right, y + wide / 2), ink, 1)
            self.canvas.fill_box((x - wide / 2, y - wide / 2, x + wide / 2, bottom), ink, 1)

    def add_title(self, title: str) -> None:
        """Write a line above the part."""
        x, y = self.place
        self.canvas.add_text((x + 1, y - TITLE_PX / 2), title, TITLE_PX, "ls")


def read_photo(path: Path) -> RgbImage:
    """Return the pixels of a photograph."""
    return np.asarray(Pillow.open(path).convert("RGB"))


def to_box(box: Boxes) -> Box:
    """Return one box (4,) of an array."""
    x1, y1, x2, y2 = box.tolist()
    return x1, y1, x2, y2


def choose_colour(score: float) -> Colour:
    """Return the colour of a score, 0 to 1."""
    place = score * (len(SCORE_COLOURS) - 1)
    steps = np.arange(len(SCORE_COLOURS))
    red, green, blue = (round(np.interp(place, steps, column)) for column in SCORE_COLOURS.T)
    return red, green, blue


def _enlarge(box: Box) -> Box:
    x1, y1, x2, y2 = box
    return x1 * SUPERSAMPLING, y1 * SUPERSAMPLING, x2 * SUPERSAMPLING, y2 * SUPERSAMPLING
