"""Image files: their headers, and the whole way to pixels."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phiz.editing.exif import MAX_EXIF_BYTES, clean_exif, clean_tiff_tags, read_exif
from phiz.editing.jpeg_copy import copy_jpeg
from phiz.errors import ImageError
from phiz.image import tiff
from phiz.image.decode import open_image
from phiz.image.foreign_formats import describe_foreign_format
from phiz.image.formats import read_brands, sniff_format
from phiz.image.headers import find_gif_blocks, find_png_chunks, read_gif_size
from phiz.image.heif import has_plain_grids, read_heif_header
from phiz.image.jpeg_header import has_more_scans, read_jpeg_header
from phiz.image.limits import DecodingLimits
from phiz.image.properties import DESCRIBE, describe_heic, describe_jpeg, describe_tiff
from phiz.image.varieties import is_read
from tests.malformed import malformed_inputs

# Small, so that an input costs milliseconds at most.
LIMITS: Final = DecodingLimits(max_bytes=100_000, max_pixels=250_000)
SEED_BYTES: Final = 4096
_CASES: Final = Path(__file__).parents[2] / "tests" / "image" / "cases"
_JPEG_SEGMENTS: Final = 100
_OF_ANY_BYTES: Final = ("PNG", "WebP", "BMP", "AVIF")  # a GIF is described by its signature


def read_headers(content: bytes) -> None:
    """Read the header of every format, whatever the first bytes say. Damage is never an error."""
    found = sniff_format(content)
    read_brands(content)
    describe_foreign_format(content)
    deque(find_png_chunks(content), maxlen=0)
    deque(find_gif_blocks(content), maxlen=0)
    read_gif_size(content)
    for image_format, describe in DESCRIBE.items():
        if image_format in {found, *_OF_ANY_BYTES}:
            describe(content)
    header = read_jpeg_header(content, _JPEG_SEGMENTS)
    describe_jpeg(header)
    has_more_scans(header.lean_bytes, 1)
    tiff.read_exif_orientation(content)
    heif = read_heif_header(content)
    if heif is not None:
        describe_heic(heif)
        has_plain_grids(content, heif)
    page = tiff.find_full_page(content)
    properties = describe_tiff(content, page)
    if page is not None:
        assert len(tiff.extract_page(page)) == len(content), "a page stays in its place"
        if is_read("TIFF", tuple(properties.items())):
            tiff.read_grey_range(page)


def copy_metadata(content: bytes) -> None:
    """Clean Exif and copy a JPEG, whatever the first bytes say. A second time changes nothing."""
    for clean in (clean_exif, clean_tiff_tags):
        exif = clean(content, 6)
        assert len(exif) <= MAX_EXIF_BYTES, "a segment of a JPEG has no room"
        assert clean_exif(exif, 6) == exif, "Exif is not clean"
    for image_format in ("PNG", "HEIC"):
        read_exif(image_format, content)
    copied = copy_jpeg(content)
    assert copied is None or copy_jpeg(copied) == copied, "the copy is not clean"


def decode(content: bytes) -> None:
    """Decode an image at its finest and at its coarsest scale."""
    try:
        image = open_image(content, LIMITS)
        width, height = image.width, image.height
        pixels = image.decode_full()
    except ImageError:
        return
    assert pixels.shape == (height, width), (pixels.shape, height, width)
    assert width * height <= LIMITS.max_pixels, (width, height)


def list_seeds() -> Iterator[bytes]:
    """Yield a small file of every variety, damaged ones, and those that users reported."""
    # Their modules need the packages of the tests.
    from tests.image.test_varieties import CORPUS  # noqa: PLC0415

    for case in CORPUS:
        yield case.image_bytes[:SEED_BYTES]
    for _, content in malformed_inputs():
        yield content[:SEED_BYTES]
    for path in sorted(_CASES.iterdir()):
        yield path.read_bytes()[:SEED_BYTES]
