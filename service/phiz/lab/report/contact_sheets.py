"""Contact sheets: many parts of photographs side by side, for a person to look through."""

from collections.abc import Sequence
from typing import Final, TypeAlias

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


Tile: TypeAlias = tuple[Pillow.Image, str, str]
"""A part of a photograph and its caption: a text, and a name, of whose end as much as fits."""


def draw_tile(image: RgbImage, box: Boxes, labelled: Boxes, detected: Boxes) -> Pillow.Image:
    """Return the part of a photograph (H, W, 3) around a box, black beyond its border.

    Args:
        image: The photograph.
        box: (4,), in question; pixels of the photograph, as all boxes. It is drawn on top.
        labelled: (F, 4), drawn too.
        detected: (D, 4), drawn too.
    """
    side = max(round(float((box[2:] - box[:2]).max()) * TILE_CONTEXT), MIN_TILE_PX)
    left, top = np.round((box[:2] + box[2:]) / 2 - side / 2).astype(int).tolist()
    part = Pillow.fromarray(image).crop((left, top, left + side, top + side))
    tile = part.resize((TILE_PX, TILE_PX), Pillow.Resampling.BILINEAR)
    canvas = ImageDraw.Draw(tile)
    origin = np.array([left, top, left, top], np.float32)
    for boxes, colour, width in (
        (labelled, LABELLED_RGB, 1),
        (detected, DETECTED_RGB, 1),
        (box[None], HIGHLIGHT_RGB, 2),
    ):
        for x1, y1, x2, y2 in np.round((boxes - origin) * (TILE_PX / side)).tolist():
            # A box is half-open and Pillow's corners are not.
            canvas.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), None, colour, width)
    return tile


def draw_sheet(title: str, tiles: Sequence[Tile]) -> Pillow.Image:
    """Return a picture of tiles in rows, under a title and the meaning of the colours."""
    title = f"{title} (red: in question, green: labelled, orange: detected)"
    columns = max(1, min(COLUMNS, len(tiles)))
    rows = -(-len(tiles) // columns)
    step_x, step_y = TILE_PX + GAP_PX, TILE_PX + CAPTION_PX + GAP_PX
    font = ImageFont.load_default(FONT_PX)
    width = max(GAP_PX + columns * step_x, round(font.getlength(title)) + 2 * GAP_PX)
    sheet = Pillow.new("RGB", (width, CAPTION_PX + GAP_PX + rows * step_y), BACKGROUND_RGB)
    ImageDraw.Draw(sheet).text((GAP_PX, GAP_PX), title, fill=TEXT_RGB, font=font)
    for place, (tile, text, name) in enumerate(tiles):
        x = GAP_PX + place % columns * step_x
        y = CAPTION_PX + GAP_PX + place // columns * step_y
        sheet.paste(tile, (x, y))
        room = TILE_PX - font.getlength(f"{text}  ")
        caption = f"{text}  {_trim_text(name, font, room)}"
        ImageDraw.Draw(sheet).text((x, y + TILE_PX), caption, fill=TEXT_RGB, font=font)
    return sheet


def _trim_text(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """Return the end of a text that is no wider than so many pixels."""
    while text and font.getlength(text) > width:
        text = text[1:]
    return text
