"""Draws the pictures of detectors.md with the detectors themselves, and writes their captions.

python docs/pictures.py
"""

import io
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from drawing.blazeface import draw_anchors, draw_blending
from drawing.canvas import Picture
from drawing.cascade import draw_cascade
from PIL import Image as Pillow

from phiz.detectors.blazeface import BlazeFace
from phiz.detectors.factory import load_detectors
from phiz.detectors.mtcnn import Mtcnn
from phiz.models import catalog

FOLDER: Final = Path(__file__).parent
PAGE: Final = FOLDER / "detectors.md"
QUALITY: Final = 50
LINE_WIDTH: Final = 100


def draw_pictures(folder: Path) -> dict[str, Picture]:
    """Return the pictures by the names of their files.

    Args:
        folder: Folder of the built models.
    """
    detectors = load_detectors(catalog.load_catalog(), folder, "half-pixel", ("front", "mtcnn"))
    front, mtcnn = detectors["front"], detectors["mtcnn"]
    assert isinstance(front, BlazeFace)
    assert isinstance(mtcnn, Mtcnn)
    return {
        "anchors.webp": draw_anchors(front),
        "blending.webp": draw_blending(front),
        "cascade.webp": draw_cascade(mtcnn),
    }


def encode_picture(image: Pillow.Image) -> bytes:
    """Return the file of a picture."""
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY, method=6)
    return file.getvalue()


def replace_captions(text: str, pictures: Mapping[str, Picture]) -> str:
    """Return the text of the page with the captions of today: the paragraphs below the pictures."""
    for name, picture in pictures.items():
        before, link, after = text.partition(f"]({name})\n\n")
        _, end, rest = after.partition("\n\n")
        caption = textwrap.fill(f"*{picture.caption}*", LINE_WIDTH, break_on_hyphens=False)
        text = f"{before}{link}{caption}{end}{rest}"
    return text


def write_pictures(folder: Path) -> None:
    """Write the pictures and their captions."""
    pictures = draw_pictures(folder)
    for name, picture in pictures.items():
        (FOLDER / name).write_bytes(encode_picture(picture.image))
    PAGE.write_text(replace_captions(PAGE.read_text("utf-8"), pictures), "utf-8")


if __name__ == "__main__":
    write_pictures(catalog.get_default_folder())
