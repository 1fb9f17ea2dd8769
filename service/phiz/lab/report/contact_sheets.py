"""Contact sheets: many parts of photographs side by side, for a person to look through."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from phiz.faces import Boxes, Image

COLUMNS: Final = 8
MOST: Final = 48  # tiles of a sheet
TILE_PX: Final = 176
CAPTION_PX: Final = 16
GAP_PX: Final = 4
LETTERS_PX: Final = 11
CONTEXT: Final = 2.5  # sides of the box that a tile shows
SMALLEST_PX: Final = 24  # of the photograph, so that a tile shows more than a few pixels

GROUND: Final = (24, 28, 32)
INK: Final = (235, 235, 235)
LABELLED: Final = (80, 220, 120)
DETECTED: Final = (255, 150, 30)
IN_QUESTION: Final = (255, 60, 60)


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a photograph.

    Attributes:
        image: (h, w, 3), the part.
        box: (4,), what is in question, pixels of the part, as all boxes.
        labelled: (F, 4).
        detected: (D, 4).
        caption: Below it: what is told, and a name, of whose end there is as much as fits.
    """

    image: Image
    box: Boxes
    labelled: Boxes
    detected: Boxes
    caption: tuple[str, str]


def cut_tile(
    image: Image, box: Boxes, labelled: Boxes, detected: Boxes, caption: tuple[str, str]
) -> Tile:
    """Return the part of a photograph (H, W, 3) around a box, black beyond its border.

    Args:
        image: The photograph.
        box: (4,), pixels of the photograph, as all boxes.
        labelled: (F, 4).
        detected: (D, 4).
        caption: Below it: what is told, and a name.
    """
    sides = box[2:] - box[:2]  # (2,)
    side = max(round(float(sides.max()) * CONTEXT), SMALLEST_PX)
    left, top = np.round((box[:2] + box[2:]) / 2 - side / 2).astype(int).tolist()
    part = Pillow.fromarray(image).crop((left, top, left + side, top + side))
    scale = TILE_PX / side
    origin = np.array([left, top, left, top], np.float32)
    return Tile(
        np.asarray(part.resize((TILE_PX, TILE_PX), Pillow.Resampling.BILINEAR)),
        (box - origin) * scale,
        (labelled - origin) * scale,
        (detected - origin) * scale,
        caption,
    )


def draw_sheet(title: str, tiles: Sequence[Tile]) -> Pillow.Image:
    """Return a picture of tiles in rows, under a title and what the colours mean."""
    title = f"{title} (red: in question, green: labelled, orange: detected)"
    columns = max(1, min(COLUMNS, len(tiles)))
    rows = -(-len(tiles) // columns)
    step_x, step_y = TILE_PX + GAP_PX, TILE_PX + CAPTION_PX + GAP_PX
    font = ImageFont.load_default(LETTERS_PX)
    width = max(GAP_PX + columns * step_x, round(font.getlength(title)) + 2 * GAP_PX)
    sheet = Pillow.new("RGB", (width, CAPTION_PX + GAP_PX + rows * step_y), GROUND)
    ImageDraw.Draw(sheet).text((GAP_PX, GAP_PX), title, fill=INK, font=font)
    for place, tile in enumerate(tiles):
        x = GAP_PX + place % columns * step_x
        y = CAPTION_PX + GAP_PX + place // columns * step_y
        sheet.paste(_drawn(tile), (x, y))
        told, name = tile.caption
        room = TILE_PX - font.getlength(f"{told}  ")
        caption = f"{told}  {_fitting(name, font, room)}"
        ImageDraw.Draw(sheet).text((x, y + TILE_PX), caption, fill=INK, font=font)
    return sheet


def _drawn(tile: Tile) -> Pillow.Image:
    picture = Pillow.fromarray(tile.image)
    canvas = ImageDraw.Draw(picture)
    for boxes, colour, width in (
        (tile.labelled, LABELLED, 1),
        (tile.detected, DETECTED, 1),
        (tile.box[None], IN_QUESTION, 2),
    ):
        for x1, y1, x2, y2 in np.round(boxes).tolist():
            # A box is half-open and Pillow's corners are not.
            canvas.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), None, colour, width)
    return picture


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """Return the end of a text that is no wider than so many pixels."""
    while text and font.getlength(text) > width:
        text = text[1:]
    return text
