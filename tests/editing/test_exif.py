"""Exif: what is kept byte for byte, and that no picture is."""

import io
import struct
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from PIL import ExifTags
from PIL import Image as Pillow

from phiz.editing.exif import clean_exif, read_exif
from phiz.editing.stored import open_stored
from phiz.image.formats import ImageFormat, sniff_format
from phiz.image.limits import DecodingLimits
from phiz.image.tiff import TiffDirectory, iter_directories, read_directory
from phiz.options import PictureFormat
from tests.image.corpus.heif_file import encode_heic

BASE, IFD = ExifTags.Base, ExifTags.IFD
LIMITS = DecodingLimits(1 << 20, 10_000)
WORDS = "Fête à Zürich, 東京 ✨"
UTF_8 = WORDS.encode() + b"\0"
PLACEHOLDER = b"-" * (len(UTF_8) - 1) + b"\0"
PREVIEW = b"\xff\xd8\xff" + bytes(range(256)) * 9


def build_exif() -> Pillow.Exif:
    exif = Pillow.Exif()
    exif[BASE.Make] = "Camera"
    exif[BASE.Orientation] = 3
    exif[BASE.ImageDescription] = "words " * 300
    exif[BASE.XMLPacket] = b"<x:xmpmeta/>"
    exif[BASE.ImageResources] = PREVIEW
    exif[BASE.PrintImageMatching] = PREVIEW
    exif.get_ifd(IFD.Exif).update(
        {
            BASE.ExposureTime: 0.25,
            BASE.DateTimeOriginal: "2024:01:02 03:04:05",
            BASE.MakerNote: PREVIEW,
            BASE.UserComment: PREVIEW,
        }
    )
    exif.get_ifd(IFD.GPSInfo).update({1: "N", 2: (51.0, 30.0, 0.5)})
    return exif


def read(exif_bytes: bytes) -> Pillow.Exif:
    exif = Pillow.Exif()
    exif.load(exif_bytes)
    return exif


def test_exif_is_kept_without_previews() -> None:
    cleaned = clean_exif(build_exif().tobytes(), 3)
    assert PREVIEW not in cleaned
    assert b"xmpmeta" not in cleaned
    exif = read(cleaned)
    assert exif[BASE.Make] == "Camera"
    assert exif[BASE.Orientation] == 3
    assert exif[BASE.ImageDescription].startswith("words words")
    details = exif.get_ifd(IFD.Exif)
    assert set(details) == {BASE.ExposureTime, BASE.DateTimeOriginal}
    assert exif.get_ifd(IFD.GPSInfo) == {1: "N", 2: (51.0, 30.0, 0.5)}


def test_the_thumbnail_of_a_camera_is_not_kept() -> None:
    exif = bytearray(build_exif().tobytes())
    # The next directory, of the thumbnail, which Pillow does not write.
    start = len(b"Exif\0\0")
    order: Literal["little", "big"] = "little" if exif[start : start + 2] == b"II" else "big"
    first = start + 8
    count = int.from_bytes(exif[first : first + 2], order)
    link = first + 2 + 12 * count
    exif[link : link + 4] = (len(exif) - start).to_bytes(4, order)
    entries = [(0x0103, 3, 6), (0x0201, 4, len(exif) - start + 42), (0x0202, 4, len(PREVIEW))]
    directory = len(entries).to_bytes(2, order) + b"".join(
        tag.to_bytes(2, order)
        + kind.to_bytes(2, order)
        + (1).to_bytes(4, order)
        + (value.to_bytes(4, order) if kind == 4 else value.to_bytes(2, order) + bytes(2))
        for tag, kind, value in entries
    )
    whole = bytes(exif) + directory + bytes(4) + PREVIEW
    assert read(whole).get_ifd(IFD.IFD1)[0x0202] == len(PREVIEW)
    cleaned = clean_exif(whole, 1)
    assert PREVIEW[:20] not in cleaned
    assert read(cleaned).get_ifd(IFD.IFD1) == {}
    assert read(cleaned)[BASE.Make] == "Camera"


@pytest.mark.parametrize("damaged", [b"", b"nothing", b"Exif\0\0II*\0\xff\xff\xff\xff", bytes(99)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_damaged_exif_leaves_the_orientation(damaged: bytes, orientation: int) -> None:
    cleaned = clean_exif(damaged, orientation)
    if orientation == 1:
        assert cleaned == b""
    else:
        assert dict(read(cleaned)) == {BASE.Orientation: 6}


def test_exif_that_would_be_too_long_is_not_kept() -> None:
    exif = Pillow.Exif()
    exif[BASE.ImageDescription] = "x" * 70_000
    assert dict(read(clean_exif(exif.tobytes(), 8))) == {BASE.Orientation: 8}


def write_exif(order: Literal["<", ">"], tags: Sequence[tuple[int, int, int, bytes]]) -> bytes:
    """Return a structure of one directory, from number, type, count and bytes of each tag."""
    data_start = 8 + 2 + 12 * len(tags) + 4
    entries, data = struct.pack(f"{order}H", len(tags)), b""
    for number, kind, count, value in tags:
        entries += struct.pack(f"{order}HHI", number, kind, count)
        if len(value) <= 4:
            entries += value.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", data_start + len(data))
            data += value + b"\0" * (len(value) % 2)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}I", 8) + entries + bytes(4) + data


def read_tags(exif: bytes) -> dict[int, tuple[int, bytes]]:
    """Return type and bytes of each tag of the first directory."""
    directory = next(iter_directories(exif.removeprefix(b"Exif\0\0")))
    return {number: read_value(directory, number) for number in directory.tags}


def read_value(directory: TiffDirectory, number: int) -> tuple[int, bytes]:
    tag = directory.tags[number]
    size = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 129: 1}[tag.value_type] * tag.count
    (offset,) = struct.unpack(f"{directory.byte_order}I", tag.content)
    value = tag.content[:size] if size <= 4 else directory.image_bytes[offset : offset + size]
    return tag.value_type, value


@pytest.mark.parametrize("order", ["<", ">"])
def test_values_are_kept_byte_for_byte_in_their_order(order: Literal["<", ">"]) -> None:
    latin = "Zürich\0".encode("latin-1")
    ratio = struct.pack(f"{order}II", 600, 200)  # which nothing reduces to 3
    tags = [
        (BASE.ImageDescription, 2, len(UTF_8), UTF_8),
        (BASE.Make, 2, len(latin), latin),
        (BASE.Model, 2, 3, b"ab\0"),
        (BASE.XResolution, 5, 1, ratio),
        (BASE.Artist, 129, len(UTF_8), UTF_8),
        (BASE.Copyright, 2, 10, b"one\0two  \0"),
        (BASE.XPTitle, 1, 8, "Fête".encode("utf-16-le")),
    ]
    cleaned = clean_exif(write_exif(order, tags), 1)
    assert cleaned[6:8] == (b"II" if order == "<" else b"MM")
    assert read_tags(cleaned) == {number: (kind, value) for number, kind, _, value in tags}


def test_long_text_is_kept_and_a_picture_in_a_tag_of_text_is_not() -> None:
    text = (WORDS * 200).encode() + b"\0"
    tags = [
        (BASE.ImageDescription, 2, len(text), text),
        (BASE.Software, 2, len(PREVIEW), PREVIEW),
    ]
    assert read_tags(clean_exif(write_exif("<", tags), 1)) == {BASE.ImageDescription: (2, text)}


def test_a_value_without_room_is_left_out_and_others_are_kept() -> None:
    tags = [
        (number, 2, len(text), text)
        for number, text in (
            (BASE.ImageDescription, b"x" * 40_000),
            (BASE.Make, b"y" * 40_000),
            (BASE.Model, b"short\0"),
        )
    ]
    cleaned = clean_exif(write_exif(">", tags), 6)
    assert len(cleaned) <= 65_533
    assert set(read_tags(cleaned)) == {BASE.ImageDescription, BASE.Model, BASE.Orientation}


def test_directories_of_exif_place_and_interoperability_are_kept() -> None:
    exif = build_exif()
    exif.get_ifd(IFD.Exif)[IFD.Interop] = {1: "R98"}
    cleaned = clean_exif(exif.tobytes(), 1)
    assert read(cleaned).get_ifd(IFD.Interop) == {1: "R98"}
    assert read(cleaned).get_ifd(IFD.GPSInfo)[1] == "N"
    source = cleaned.removeprefix(b"Exif\0\0")
    first = next(iter_directories(source))
    place = first.read_value(IFD.Exif, 0)
    assert BASE.ExposureTime in read_directory(source, first.byte_order, place).tags
    assert place % 2 == 0


def test_a_directory_that_refers_to_itself_ends() -> None:
    exif = write_exif("<", [(IFD.Exif, 4, 1, (8).to_bytes(4, "little")), (BASE.Make, 2, 2, b"a\0")])
    assert read(clean_exif(exif, 1))[BASE.Make] == "a"


def save(kind: str, exif: bytes, mode: str = "RGB", **arguments: Any) -> bytes:
    image = Pillow.new(mode, (30, 20), "teal")
    if kind == "HEIC":
        return encode_heic(image, exif=exif)
    file = io.BytesIO()
    image.save(file, kind, exif=exif, **arguments)
    return file.getvalue()


@pytest.mark.parametrize("target", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIC", "AVIF", "TIFF"])
def test_exif_is_kept_from_each_format_to_each(kind: str, target: PictureFormat) -> None:
    # The writers of these two encode text, so it is put into their files.
    text = PLACEHOLDER if kind in {"AVIF", "TIFF"} else UTF_8
    exif = write_exif(
        ">",
        [
            (BASE.ImageDescription, 2, len(text), text),
            (BASE.Orientation, 3, 1, b"\0\6"),
            (BASE.DateTime, 2, 20, b"2024:01:02 03:04:05\0"),
        ],
    )
    source = save(kind, b"Exif\0\0" + exif).replace(PLACEHOLDER, UTF_8)
    stored = open_stored(source, LIMITS, target)
    is_same = kind.lower() == target
    assert stored.image.size == ((30, 20) if is_same else (20, 30))
    content = stored.encode(LIMITS).content
    cleaned = read_exif(get_format(content), content)
    written = read_tags(cleaned)
    assert written[BASE.ImageDescription] == (2, UTF_8)
    assert written[BASE.DateTime] == (2, b"2024:01:02 03:04:05\0")
    assert read(cleaned).get(BASE.Orientation, 1) == (6 if is_same else 1)
    assert BASE.ImageWidth not in written


def test_exif_behind_the_pixels_of_a_png_is_kept() -> None:
    png = save("PNG", b"Exif\0\0" + write_exif("<", [(BASE.Make, 2, 4, b"Cam\0")]))
    start = png.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(png[start : start + 4], "big")
    last = png.index(b"IEND") - 4
    moved = png[:start] + png[end:last] + png[start:end] + png[last:]
    content = open_stored(moved, LIMITS).encode(LIMITS).content
    assert read_tags(read_exif("PNG", content)) == {BASE.Make: (2, b"Cam\0")}


def get_format(content: bytes) -> ImageFormat:
    image_format = sniff_format(content)
    assert image_format is not None
    return image_format
