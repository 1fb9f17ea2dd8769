"""Writes formats.md, the page of the image formats and their varieties that are read.

python docs/formats.py > docs/formats.md
"""

import sys
from collections.abc import Iterator
from typing import Final

from phiz.image.decode import SUPPORTED_FORMATS
from phiz.image.varieties import REMEDIES, VARIETIES, Variety

INTRODUCTION: Final = """\
# Image formats

A format has many varieties: colours, depths, compressions. The service reads the varieties below.
For each, a test compares the pixels with those of a second decoder, libvips or FFmpeg. They differ
by at most 1 of 255, by 2 if the compression is lossy, and by 3 in a HEIC of 10 bits.

All other varieties get status 415 with `unsupported_image`. The detail names the variety and says
how to save it:

```json
{
  "type": "about:blank",
  "title": "Unsupported Media Type",
  "status": 415,
  "code": "unsupported_image",
  "detail": "this variety of TIFF is not supported: CIELab, 8 bits, LZW; save it with 8 bits \
per channel and LZW, deflate or no compression, or as a PNG"
}
```

A file that the decoder cannot read to its end gets 400 with `undecodable_image`.

- HEIC needs the extra `heif`: `pip install 'phiz[heif]'`. Without it, the error says so.
- BigTIFF is not supported, and the error names it.
- Only the first of several frames or pages is read. Thumbnails and masks of a TIFF are skipped.
- Transparent pixels are blended with white.
- The Exif orientation is applied; of a HEIC, its own turns and crops. Colour profiles are not.
- In a 16-bit TIFF, grey of 9 to 15 bits is scaled by the tag `MaxSampleValue` or `SMaxSampleValue`.
- A JPEG without its end marker is read. A JPEG without some of its pixels is refused.

Every combination of the values in a row is read. A dash stands for the usual case.
"""


def write_page() -> str:
    """Return the page."""
    sections = (section for name in SUPPORTED_FORMATS for section in _write_section(name))
    return "\n".join([INTRODUCTION, *sections])


def _write_section(image_format: str) -> Iterator[str]:
    varieties = next(rows for name, rows in VARIETIES.items() if name == image_format)
    remedy = next(text for name, text in REMEDIES.items() if name == image_format)
    names = [name for name in varieties[0] if any(any(row[name]) for row in varieties)]
    yield f"## {image_format}\n"
    yield _write_line(names)
    yield "|---" * len(names) + "|"
    for row in varieties:
        yield _write_line([_write_values(row, name) for name in names])
    yield f"\nAny other {image_format} is refused: {remedy}.\n"


def _write_values(row: Variety, name: str) -> str:
    return "; ".join(value or "-" for value in row[name])


def _write_line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(write_page().rstrip() + "\n")
