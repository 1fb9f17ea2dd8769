"""Contact sheets: many parts of photographs side by side, for a person to look through."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from phiz.faces import Boxes, RgbImage

COLUMNS: Final = 8
MAX_TILES: Final = 48  # tiles of a sheet
TILE_PX: Final = 176
CAPTION_PX: Final = 16
GAP_PX: Final = 4
FONT_PX: Final = 11
TILE_CONTEXT: Final = 2.5  # sides of the box that a tile shows
MIN_TILE_PX: Final = 24  # of the photograph, so that a tile shows more than a few pixels

BACKGROUND_RGB: Final = (24, 28, 32)
TEXT_RGB: Final = (235, 235, 235)
LABELLED_RGB: Final = (80, 220, 120)
DETECTED_RGB: Final = (255, 150, 30)
HIGHLIGHT_RGB: Final = (255, 60, 60)


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

    image: RgbImage
    box: Boxes
    labelled: Boxes
    detected: Boxes
    caption: tuple[str, str]


def cut_tile(
    image: RgbImage, box: Boxes, labelled: Boxes, detected: Boxes, caption: tuple[str, str]
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
    side = max(round(float(sides.max()) * TILE_CONTEXT), MIN_TILE_PX)
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
    font = ImageFont.load_default(FONT_PX)
    width = max(GAP_PX + columns * step_x, round(font.getlength(title)) + 2 * GAP_PX)
    sheet = Pillow.new("RGB", (width, CAPTION_PX + GAP_PX + rows * step_y), BACKGROUND_RGB)
    ImageDraw.Draw(sheet).text((GAP_PX, GAP_PX), title, fill=TEXT_RGB, font=font)
    for place, tile in enumerate(tiles):
        x = GAP_PX + place % columns * step_x
        y = CAPTION_PX + GAP_PX + place // columns * step_y
        sheet.paste(_draw_tile(tile), (x, y))
        text, name = tile.caption
        room = TILE_PX - font.getlength(f"{text}  ")
        caption = f"{text}  {_trim_text(name, font, room)}"
        ImageDraw.Draw(sheet).text((x, y + TILE_PX), caption, fill=TEXT_RGB, font=font)
    return sheet


def _draw_tile(tile: Tile) -> Pillow.Image:
    image = Pillow.fromarray(tile.image)
    canvas = ImageDraw.Draw(image)
    for boxes, colour, width in (
        (tile.labelled, LABELLED_RGB, 1),
        (tile.detected, DETECTED_RGB, 1),
        (tile.box[None], HIGHLIGHT_RGB, 2),
    ):
        for x1, y1, x2, y2 in np.round(boxes).tolist():
            # A box is half-open and Pillow's corners are not.
            canvas.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), None, colour, width)
    return image


def _trim_text(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """Return the end of a text that is no wider than so many pixels."""
    while text and font.getlength(text) > width:
        text = text[1:]
    return text
