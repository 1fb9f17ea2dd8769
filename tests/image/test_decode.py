import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, features
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from phiz.errors import (
    EmptyImageError,
    ImageBytesError,
    ImageError,
    ImagePixelsError,
    UndecodableImageError,
    UnsupportedImageError,
)
from phiz.image.decode import decode_image, open_image
from phiz.image.formats import sniff_format
from phiz.image.headers import find_gif_blocks, find_png_chunks
from phiz.image.jpeg_header import find_jpeg_segments
from phiz.image.limits import DecodingLimits, check_scans
from phiz.image.pixels import unpack_rgb
from tests.image.corpus.bmp import BITFIELDS, encode_bmp, pack_words
from tests.image.corpus.bmp_cases import READ_ALPHA
from tests.image.corpus.heif_file import encode_heic, shape_grid, take_picture, write_heif
from tests.image.corpus.picture import draw_samples
from tests.malformed import malformed_inputs

LIMITS = DecodingLimits(max_bytes=20 * 1024 * 1024, max_pixels=50_000_000)


def scene() -> Image.Image:
    """A picture in which no turn or swap of channels goes unseen: 48 x 32."""
    y, x = np.mgrid[0:32, 0:48]
    channels = [x * 5, y * 7, 255 - (x + y) * 3]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def save(image: Image.Image, name: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **options)
    return out.getvalue()


def png_chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def rgb(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB"))


def assert_is_an_image(image: NDArray[np.uint8]) -> None:
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert image.size > 0
    assert image.flags.c_contiguous


LOSSLESS = [
    pytest.param("RGB", "PNG", {}, id="png-rgb"),
    pytest.param("RGB", "PNG", {"compress_level": 0}, id="png-stored"),
    pytest.param("L", "PNG", {}, id="png-grey"),
    pytest.param("1", "PNG", {}, id="png-one-bit"),
    pytest.param("P", "PNG", {}, id="png-palette"),
    pytest.param("P", "PNG", {"bits": 4}, id="png-palette-4-bits"),
    pytest.param("RGB", "WEBP", {"lossless": True}, id="webp-lossless"),
    pytest.param("RGB", "BMP", {}, id="bmp-rgb"),
    pytest.param("L", "BMP", {}, id="bmp-grey"),
    pytest.param("1", "BMP", {}, id="bmp-one-bit"),
    pytest.param("P", "BMP", {}, id="bmp-palette"),
    pytest.param("P", "GIF", {}, id="gif-palette"),
    pytest.param("L", "GIF", {}, id="gif-grey"),
    pytest.param("P", "GIF", {"interlace": True}, id="gif-interlaced"),
    pytest.param("RGB", "TIFF", {}, id="tiff-rgb"),
    pytest.param("RGB", "TIFF", {"compression": "tiff_lzw"}, id="tiff-lzw"),
    pytest.param("RGB", "TIFF", {"compression": "tiff_deflate"}, id="tiff-deflate"),
    pytest.param("RGB", "TIFF", {"compression": "packbits"}, id="tiff-packbits"),
    pytest.param("1", "TIFF", {}, id="tiff-one-bit"),
    pytest.param("L", "TIFF", {}, id="tiff-grey"),
    pytest.param("P", "TIFF", {}, id="tiff-palette"),
    pytest.param("CMYK", "TIFF", {}, id="tiff-cmyk"),
]


@pytest.mark.parametrize(("mode", "name", "options"), LOSSLESS)
def test_lossless_formats_give_the_picture_that_was_saved(
    mode: str, name: str, options: dict[str, object]
) -> None:
    picture = scene().convert(mode)
    if "bits" in options:
        picture = scene().quantize(16)
    image = decode_image(save(picture, name, **options), LIMITS)
    assert_is_an_image(image)
    np.testing.assert_array_equal(image, rgb(picture))


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        pytest.param("RGB", {}, id="baseline"),
        pytest.param("RGB", {"progressive": True}, id="progressive"),
        pytest.param("RGB", {"subsampling": "4:4:4", "quality": 95}, id="no-subsampling"),
        pytest.param("RGB", {"restart_marker_rows": 1}, id="restart-markers"),
        pytest.param("RGB", {"icc_profile": b"profile" * 20_000}, id="profile-in-three-segments"),
        pytest.param("L", {}, id="grey"),
        pytest.param("CMYK", {}, id="cmyk-of-adobe"),
    ],
)
def test_a_jpeg_is_bit_equal_to_pillows_own_decoding(mode: str, options: dict[str, object]) -> None:
    image_bytes = save(scene().convert(mode), "JPEG", **options)
    image = decode_image(image_bytes, LIMITS)
    assert_is_an_image(image)
    np.testing.assert_array_equal(image, rgb(Image.open(io.BytesIO(image_bytes))))
    assert np.abs(image.astype(int) - rgb(scene().convert(mode))).mean() < 8


@pytest.mark.parametrize(
    ("width", "height"),
    [
        pytest.param(1, 1, id="one-pixel"),
        pytest.param(1, 3000, id="column"),
        pytest.param(3000, 1, id="row"),
        pytest.param(512, 256, id="one-band-exactly"),
        pytest.param(512, 257, id="one-band-and-a-row"),
        pytest.param(512, 800, id="four-bands"),
        pytest.param(65_000, 5, id="wide"),
    ],
)
def test_sizes_around_the_bands_in_which_pixels_are_copied(width: int, height: int) -> None:
    image = scene().resize((width, height))
    np.testing.assert_array_equal(decode_image(save(image, "BMP"), LIMITS), rgb(image))


LOSSY = ["WEBP", *(["AVIF"] if features.check("avif") else [])]


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_formats_give_nearly_the_picture_that_was_saved(name: str) -> None:
    image = decode_image(save(scene(), name, quality=90), LIMITS)
    assert_is_an_image(image)
    assert np.abs(image.astype(int) - rgb(scene())).mean() < 8


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_taken(name: str) -> None:
    frames = [Image.new("RGB", (9, 7), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if name == "WEBP" else {}
    image_bytes = save(frames[0], name, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(decode_image(image_bytes, LIMITS), rgb(frames[0]))


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_and_rounded_not_clipped(name: str) -> None:
    deep = np.array([[0, 128, 129, 256, 257, 32_768, 65_406, 65_407, 65_535]], np.uint16)
    image = decode_image(save(Image.fromarray(deep), name), LIMITS)
    np.testing.assert_array_equal(image[0, :, 0], np.rint(deep[0] / 257))
    np.testing.assert_array_equal(image[..., 0], image[..., 2])


def test_one_transparent_grey_of_sixteen_bits_becomes_white() -> None:
    deep = np.array([[25_700, 25_701, 51_400]], np.uint16)  # the first two are alike in 8 bits
    image_bytes = save(Image.fromarray(deep), "PNG")
    transparent = png_chunk(b"tRNS", struct.pack(">H", 25_700))
    image = decode_image(
        image_bytes.replace(image_bytes[33:], transparent + image_bytes[33:]), LIMITS
    )
    np.testing.assert_array_equal(image[0, :, 2], [255, 100, 200])


def test_big_endian_sixteen_bit_grey() -> None:
    deep = np.array([[0, 257, 25_700, 65_535]], np.uint16)
    header = struct.pack(">4sIH", b"MM\0*", 16, 8)
    tags = [(256, 4), (257, 1), (258, 16), (259, 1), (262, 1), (273, 8), (278, 1), (279, 8)]
    entries = b"".join(struct.pack(">2HI2H", tag, 3, 1, value, 0) for tag, value in tags)
    image_bytes = header[:8] + deep.astype(">u2").tobytes() + header[8:] + entries + bytes(4)
    np.testing.assert_array_equal(decode_image(image_bytes, LIMITS)[0, :, 1], [0, 1, 100, 255])


def half_transparent(mode: str) -> Image.Image:
    """Two pixels of one colour, the first opaque, the second wholly transparent."""
    image = Image.new("RGBA", (2, 1), (200, 100, 50, 255))
    image.putpixel((1, 0), (200, 100, 50, 0))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("picture", "name", "options"),
    [
        pytest.param(half_transparent("RGBA"), "PNG", {}, id="png-rgba"),
        pytest.param(half_transparent("LA"), "PNG", {}, id="png-grey-alpha"),
        pytest.param(half_transparent("RGBA").quantize(), "PNG", {}, id="png-palette-alphas"),
        pytest.param(half_transparent("RGBA"), "WEBP", {"lossless": True}, id="webp"),
        pytest.param(half_transparent("RGBA"), "TIFF", {}, id="tiff"),
        pytest.param(half_transparent("RGBA"), "GIF", {}, id="gif"),
    ],
)
def test_what_is_transparent_becomes_white(
    picture: Image.Image, name: str, options: dict[str, object]
) -> None:
    image = decode_image(save(picture, name, **options), LIMITS)
    opaque = picture.convert("RGBA").getpixel((0, 0))
    assert isinstance(opaque, tuple)
    np.testing.assert_array_equal(image[0], [opaque[:3], [255, 255, 255]])


@pytest.mark.parametrize("masks", READ_ALPHA.values(), ids=READ_ALPHA)
def test_bmp_whose_alpha_is_zero_everywhere_is_opaque(masks: tuple[int, ...]) -> None:
    samples = draw_samples(8, 4)
    samples[..., 3] = 0
    words = pack_words(samples, masks)
    file = encode_bmp(words, 32, header_bytes=124, compression=BITFIELDS, masks=masks)
    assert np.array_equal(decode_image(file, LIMITS), samples[..., :3])


@pytest.mark.parametrize(
    ("mode", "colour"),
    [pytest.param("RGB", (9, 8, 7), id="rgb"), pytest.param("L", 9, id="grey")],
)
def test_one_transparent_colour_of_a_png_becomes_white(
    mode: str, colour: int | tuple[int, int, int]
) -> None:
    picture = Image.new(mode, (2, 1), colour)
    picture.putpixel((0, 0), 90 if mode == "L" else (90, 90, 90))
    image = decode_image(save(picture, "PNG", transparency=colour), LIMITS)
    np.testing.assert_array_equal(image[0], [[90, 90, 90], [255, 255, 255]])


def test_alpha_is_a_weighted_mean_with_white() -> None:
    image = Image.new("RGBA", (1, 1), (0, 100, 255, 51))  # a fifth
    np.testing.assert_array_equal(decode_image(save(image, "PNG"), LIMITS)[0, 0], [204, 224, 255])


TURNS: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}


def oriented(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_exif_orientation_is_applied(name: str, orientation: int) -> None:
    options: dict[str, object] = {"lossless": True} if name == "WEBP" else {}
    upright = decode_image(save(scene(), name, **options), LIMITS)
    if name == "TIFF":
        tags = ImageFileDirectory_v2()
        tags[0x0112] = orientation
        image_bytes = save(scene(), name, tiffinfo=tags)
    else:
        image_bytes = save(scene(), name, exif=oriented(orientation), **options)
    image = decode_image(image_bytes, LIMITS)
    assert_is_an_image(image)
    np.testing.assert_array_equal(image, TURNS[orientation](upright))


@pytest.mark.parametrize("name", LOSSY)
def test_the_orientation_of_a_lossy_picture_is_applied(name: str) -> None:
    assert decode_image(save(scene(), name, exif=oriented(6)), LIMITS).shape == (48, 32, 3)


@pytest.mark.parametrize("value", [0, 9, 255])
def test_an_orientation_that_does_not_exist_is_none(value: int) -> None:
    plain = decode_image(save(scene(), "JPEG"), LIMITS)
    np.testing.assert_array_equal(
        decode_image(save(scene(), "JPEG", exif=oriented(value)), LIMITS), plain
    )


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=64), st.booleans())
def test_damaged_exif_does_not_cost_the_picture(name: str, noise: bytes, whole: bool) -> None:  # noqa: FBT001 - hypothesis passes it by position
    exif = b"Exif\0\0" + (oriented(1)[6:20] if whole else b"") + noise
    options = {"lossless": True} if name == "WEBP" else {}
    image = decode_image(save(scene(), name, exif=exif, **options), LIMITS)
    assert sorted(image.shape) == [3, 32, 48]


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_limits_are_met_exactly_or_not_at_all(name: str) -> None:
    image_bytes = save(scene(), name)
    at_limit = DecodingLimits(max_bytes=len(image_bytes), max_pixels=48 * 32)
    assert decode_image(image_bytes, at_limit).shape == (32, 48, 3)
    with pytest.raises(
        ImageBytesError, match=rf"{len(image_bytes)} bytes; the limit is {len(image_bytes) - 1} "
    ):
        decode_image(image_bytes, DecodingLimits(at_limit.max_bytes - 1, at_limit.max_pixels))
    with pytest.raises(ImagePixelsError, match="48 x 32, 1536 pixels; the limit is 1535 pixels"):
        decode_image(image_bytes, DecodingLimits(at_limit.max_bytes, at_limit.max_pixels - 1))


LARGE_WH = (1601, 800)  # an eighth has 201 x 100, a half 801 x 400
LARGE = scene().resize(LARGE_WH)


@pytest.mark.parametrize(
    ("max_pixels", "finest"),
    [
        pytest.param(1601 * 800, 1, id="whole"),
        pytest.param(1601 * 800 - 1, 2, id="half"),
        pytest.param(801 * 400, 2, id="half-exactly"),
        pytest.param(801 * 400 - 1, 4, id="quarter"),
        pytest.param(201 * 100, 8, id="eighth-exactly"),
    ],
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_limit_of_a_jpeg_is_of_the_decoded_pixels(
    orientation: int, max_pixels: int, finest: int
) -> None:
    file = save(LARGE, "JPEG", exif=oriented(orientation))
    limits = DecodingLimits(len(file), max_pixels)
    image = open_image(file, limits)
    assert {image.width, image.height} == set(LARGE_WH)
    assert image.decode_scaled(1).factor == 8
    assert image.decode_scaled(np.inf).factor == finest
    assert image.get_finest_scale().factor == finest
    assert image.rotate_to_upright(6).decode_scaled(np.inf).factor == finest
    if finest > 1:
        with pytest.raises(ImagePixelsError, match="choose a model that reads large JPEGs at a"):
            image.decode_full()


def test_damage_of_a_jpeg_over_the_limit_of_pixels_is_not_tolerated() -> None:
    file = bytearray(save(LARGE, "JPEG"))
    file[-900:-800] = bytes(100)
    damaged = bytes(file)
    assert open_image(damaged, LIMITS).decode_scaled(1).factor == 8
    image = open_image(damaged, DecodingLimits(len(damaged), 1601 * 800 - 1))
    with pytest.raises(UndecodableImageError, match=f"the JPEG of {len(damaged)} bytes is damaged"):
        image.decode_scaled(1)


def test_jpeg_with_too_many_pixels_at_every_scale_is_refused() -> None:
    file = save(LARGE, "JPEG")
    with pytest.raises(
        ImagePixelsError,
        match="1601 x 800, 1280800 pixels; the limit is 20099 pixels at a scale of 1/8; send a",
    ):
        open_image(file, DecodingLimits(len(file), 201 * 100 - 1))


@pytest.mark.parametrize(
    ("mode", "channel_bytes"),
    [
        pytest.param("L", 2, id="grey"),
        pytest.param("RGB", 3, id="420"),
        pytest.param("CMYK", 8, id="cmyk"),
    ],
)
def test_coefficients_of_a_progressive_jpeg_count(mode: str, channel_bytes: float) -> None:
    side = 1600  # whole blocks
    file = save(scene().resize((side, side)).convert(mode), "JPEG", progressive=True)
    # An eighth takes 8 bytes for each of its pixels beside them, of 16 for each of the limit.
    needed_bytes = channel_bytes * side**2 + 8 * (side // 8) ** 2
    at_limit = DecodingLimits(len(file), -(-int(needed_bytes) // 16))
    assert open_image(file, at_limit).decode_scaled(1).factor == 8
    with pytest.raises(ImagePixelsError, match=r"its scans need \d+ bytes .* as a baseline JPEG"):
        open_image(file, DecodingLimits(len(file), at_limit.max_pixels - 1))


def test_jpeg_has_a_limit_of_pixels_at_any_scale() -> None:
    file = save(scene(), "JPEG")
    frame = file.index(b"\xff\xc0") + 5
    large = file[:frame] + struct.pack(">2H", 40_000, 25_001) + file[frame + 4 :]
    with pytest.raises(ImagePixelsError, match="1000040000 pixels; the limit is 1000000000"):
        open_image(large, DecodingLimits(10**9, 10**9))


def test_the_pixel_limit_counts_both_sides_of_a_turned_picture() -> None:
    image_bytes = save(scene(), "JPEG", exif=oriented(6))
    assert decode_image(image_bytes, DecodingLimits(len(image_bytes), 48 * 32)).shape == (48, 32, 3)
    with pytest.raises(ImagePixelsError):
        decode_image(image_bytes, DecodingLimits(len(image_bytes), 48 * 32 - 1))


def tiff(**changes: int) -> bytes:
    """A grey TIFF of 16 x 16 in one strip, some of whose tags have other values or counts."""
    tags = {
        "width": (256, 1, 16),
        "height": (257, 1, 16),
        "bits": (258, 1, 8),
        "compression": (259, 1, 1),
        "photometric": (262, 1, 1),
        "strips": (273, 1, 122),
        "rows": (278, 1, 16),
        "strip_bytes": (279, 1, 256),
        "extra": (600, 1, 0),
    }
    for name, value in changes.items():
        number, count, _ = tags[name]
        tags[name] = (number, value if name in {"extra", "strips"} else count, value)
    entries = b"".join(struct.pack("<2H2I", tag, 4, *rest) for tag, *rest in tags.values())
    return struct.pack("<4sIH", b"II*\0", 8, len(tags)) + entries + bytes(4) + bytes(range(256))


def test_a_tiff_that_does_not_say_too_much() -> None:
    np.testing.assert_array_equal(decode_image(tiff(), LIMITS)[..., 0].ravel(), range(256))


def test_a_tile_has_no_more_pixels_than_a_picture() -> None:
    file = tiff()
    for tag, side in (((278, 4, 1, 16), 322), ((600, 4, 1, 0), 323)):  # rows, and a tag of no use
        file = file.replace(struct.pack("<2H2I", *tag), struct.pack("<2H2I", side, 4, 1, 8000))
    message = "the image is 8000 x 8000, 64000000 pixels; the limit is 50000000 pixels"
    with pytest.raises(ImagePixelsError, match=message):
        decode_image(file, LIMITS)


@pytest.mark.parametrize(
    ("orientation", "origin_xy"),
    [
        pytest.param(1, (0, 0), id="as-stored"),
        pytest.param(2, (-7, 0), id="mirrored"),
        pytest.param(3, (-7, -3), id="half-turn"),
        pytest.param(4, (0, -3), id="upside-down"),
        pytest.param(5, (0, 0), id="transposed"),
        pytest.param(6, (-3, 0), id="quarter-right"),
        pytest.param(7, (-3, -7), id="transversed"),
        pytest.param(8, (0, -7), id="quarter-left"),
    ],
)
def test_scaled_jpeg_begins_with_its_partial_block_where_a_side_is_flipped(
    orientation: int, origin_xy: tuple[int, int]
) -> None:
    # Blocks of 8 cover 264 x 200 pixels: 7 columns and 3 rows more than the picture has.
    y, x = np.mgrid[:197, :257]
    ramps = Image.fromarray(np.stack([x // 2, y, x * 0 + 128], axis=-1).astype(np.uint8))
    image_bytes = save(ramps, "JPEG", quality=100, subsampling=0, exif=oriented(orientation))
    image = open_image(image_bytes, LIMITS)
    scaled = image.decode_scaled(32)
    assert (scaled.factor, scaled.origin_xy) == (8, origin_xy)
    full, blocks = unpack_rgb(image.decode_full()), unpack_rgb(scaled.pixels)
    left, top = origin_xy
    for row, column in ((1, 1), (12, 9), (-2, -2)):  # whole blocks, counted from either end
        y1, x1 = (
            8 * (index % count) + offset
            for index, count, offset in zip(
                (row, column), blocks.shape[:2], (top, left), strict=True
            )
        )
        means = full[y1 : y1 + 8, x1 : x1 + 8].mean(axis=(0, 1))
        assert blocks[row, column] == pytest.approx(means, abs=1.5)


@pytest.mark.parametrize(
    ("image_bytes", "error", "message"),
    [
        pytest.param(b"", EmptyImageError, "empty", id="empty"),
        pytest.param(b"<html>", UnsupportedImageError, "send one of JPEG, PNG", id="html"),
        pytest.param(save(scene(), "PPM"), UnsupportedImageError, "send one of", id="ppm"),
        pytest.param(save(scene(), "EPS"), UnsupportedImageError, "send one of", id="postscript"),
        pytest.param(save(scene(), "ICO"), UnsupportedImageError, "send one of", id="icon"),
        pytest.param(
            save(scene().convert("F"), "TIFF"),
            UnsupportedImageError,
            "grey, 32 bits, floating-point, uncompressed; save it with 8 bits",
            id="tiff-float",
        ),
        pytest.param(
            save(scene().convert("I"), "TIFF"),
            UnsupportedImageError,
            "grey, 32 bits, signed, uncompressed; save it with 8 bits",
            id="tiff-32-bits",
        ),
        pytest.param(
            save(scene(), "TIFF", compression="jpeg"),
            UnsupportedImageError,
            "8 bits, JPEG; .* LZW, deflate or no compression",
            id="tiff-jpeg",
        ),
        pytest.param(
            save(scene().convert("1"), "TIFF", compression="group4"),
            UnsupportedImageError,
            "CCITT group 4; .* LZW, deflate or no compression",
            id="tiff-fax",
        ),
        pytest.param(
            tiff(compression=50_000), UnsupportedImageError, "Zstandard; save it", id="tiff-zstd"
        ),
        pytest.param(
            tiff(strips=65_537),
            UndecodableImageError,
            "the TIFF has 65537 strips or tiles; the limit is 65536",
            id="tiff-strips",
        ),
        pytest.param(
            save(scene(), "JPEG")[:400], UndecodableImageError, "JPEG of 400 bytes", id="jpeg-cut"
        ),
        pytest.param(
            save(scene(), "PNG")[:60], UndecodableImageError, "PNG of 60 bytes", id="png-cut"
        ),
    ],
)
def test_each_error_says_what_to_do(
    image_bytes: bytes, error: type[ImageError], message: str
) -> None:
    with pytest.raises(error, match=message):
        decode_image(image_bytes, LIMITS)


def test_scans_of_a_jpeg_are_limited() -> None:
    image_bytes = save(scene(), "JPEG", progressive=True)
    scans = image_bytes.count(b"\xff\xda")
    last = image_bytes[image_bytes.rindex(b"\xff\xda") : -2]
    at_limit = image_bytes[:-2] + last * (100 - scans)
    assert decode_image(at_limit + image_bytes[-2:], LIMITS).shape == (32, 48, 3)
    with pytest.raises(UndecodableImageError, match="the limit of 100 scans"):
        decode_image(at_limit + last + image_bytes[-2:], LIMITS)


@pytest.mark.parametrize(
    ("size_wh", "limit"),
    [
        pytest.param((48, 32), 100, id="small"),
        pytest.param((10_000, 1000), 100, id="10-megapixels"),
        pytest.param((10_101, 1000), 99, id="just-over-10-megapixels"),
        pytest.param((7000, 7000), 20, id="49-megapixels"),
        pytest.param((20_000, 10_000), 16, id="200-megapixels"),
    ],
)
def test_the_larger_a_jpeg_the_fewer_scans_it_may_have(
    size_wh: tuple[int, int], limit: int
) -> None:
    image_bytes = save(scene(), "JPEG", progressive=True)
    last = image_bytes[image_bytes.rindex(b"\xff\xda") : -2]
    at_limit = image_bytes[:-2] + last * (limit - image_bytes.count(b"\xff\xda"))
    check_scans(at_limit + image_bytes[-2:], size_wh)
    with pytest.raises(UndecodableImageError, match=f"the limit of {limit} scans"):
        check_scans(at_limit + last + image_bytes[-2:], size_wh)


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_scans_are_limited_by_the_size_that_the_header_announces(mode: str) -> None:
    image_bytes = save(scene().convert(mode), "JPEG", progressive=True)
    last = image_bytes[image_bytes.rindex(b"\xff\xda") : -2]
    many = image_bytes[:-2] + last * 20 + image_bytes[-2:]
    assert decode_image(many, LIMITS).shape == (32, 48, 3)
    frame = many.index(b"\xff\xc2") + 5
    large = many[:frame] + struct.pack(">2H", 7000, 7000) + many[frame + 4 :]
    with pytest.raises(UndecodableImageError, match="the limit of 20 scans for 7000 x 7000"):
        decode_image(large, LIMITS)


@pytest.mark.parametrize(("compression", "bits"), [(1, 8), (2, 4)])
def test_run_lengths_of_a_bmp_are_not_read(compression: int, bits: int) -> None:
    header = struct.pack("<I2i2H6I", 40, 2, 1, 1, bits, compression, 4, 0, 0, 2, 0)
    file = struct.pack("<2sI2HI", b"BM", 66, 0, 0, 62) + header + bytes(8) + b"\2\0\0\1"
    with pytest.raises(
        UnsupportedImageError, match=rf"run lengths of {bits} bits; save it without compression"
    ):
        decode_image(file, LIMITS)


def test_a_bmp_with_a_header_too_short_for_a_compression_is_read() -> None:
    pixels = bytes([9, 9, 9, 5, 1, 0, 0, 0])  # where other headers would name run lengths
    header = struct.pack("<I4H", 12, 2, 1, 1, 24)
    file = struct.pack("<2sI2HI", b"BM", 34, 0, 0, 26) + header + pixels
    assert file[30:34] == b"\1\0\0\0"
    assert decode_image(file, LIMITS).tolist() == [[[9, 9, 9], [0, 1, 5]]]


@pytest.mark.parametrize(
    ("good", "at", "part", "limit", "message"),
    [
        pytest.param(
            *(save(scene(), "JPEG"), 2, b"\xff\xe0\0\2", 4096),
            "JPEG exceeds the limit of 4096 segments before the pixels",
            id="jpeg-segments",
        ),
        pytest.param(
            *(save(scene(), "PNG"), 33, png_chunk(b"prVt", b""), 16_384),
            "PNG exceeds the limit of 16384 chunks",
            id="png-chunks",
        ),
        pytest.param(
            *(save(scene(), "PNG"), 33, png_chunk(b"IDAT", b""), 16_384),
            "PNG exceeds the limit of 16384 chunks",
            id="png-chunks-of-pixels",
        ),
        pytest.param(
            *(save(scene().convert("P"), "GIF"), -1, b"\0", 4096),
            "GIF exceeds the limit of 4096 blocks before the pixels",
            id="gif-stray-bytes",
        ),
    ],
)
def test_parts_of_a_file_are_limited(
    good: bytes, at: int, part: bytes, limit: int, message: str
) -> None:
    name = sniff_format(good)
    parts = {"JPEG": find_jpeg_segments, "PNG": find_png_chunks, "GIF": find_gif_blocks}[name or ""]
    if name == "GIF":
        at = next(find_gif_blocks(good))
    left = limit - len(list(parts(good)))
    np.testing.assert_array_equal(
        decode_image(good[:at] + part * left + good[at:], LIMITS), decode_image(good, LIMITS)
    )
    with pytest.raises(UndecodableImageError, match=message):
        decode_image(good[:at] + part * (left + 1) + good[at:], LIMITS)


JPEGS = {
    "baseline": save(scene().resize((320, 240)), "JPEG"),
    "progressive": save(scene().resize((320, 240)), "JPEG", progressive=True),
    "grey": save(scene().resize((320, 240)).convert("L"), "JPEG"),
    "CMYK": save(scene().resize((320, 240)).convert("CMYK"), "JPEG"),
    "turned": save(scene().resize((320, 240)), "JPEG", exif=oriented(6)),
}


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg_without_its_end_marker_is_complete(name: str) -> None:
    whole = JPEGS[name]
    np.testing.assert_array_equal(decode_image(whole[:-2], LIMITS), decode_image(whole, LIMITS))
    eighth, same = (
        unpack_rgb(open_image(file, LIMITS).decode_scaled(40).pixels)
        for file in (whole, whole[:-2])
    )
    np.testing.assert_array_equal(eighth, same)


@pytest.mark.parametrize("cut", [3, 10, 40, 0.2], ids=str)
@pytest.mark.parametrize("name", JPEGS)
def test_jpeg_without_some_of_its_pixels_is_refused(name: str, cut: float) -> None:
    whole = JPEGS[name]
    left = whole[: -cut if isinstance(cut, int) else -int(cut * len(whole))]
    image = open_image(left, LIMITS)
    for min_side_px in (40, np.inf):
        with pytest.raises(UndecodableImageError, match=f"JPEG of {len(left)} bytes is damaged"):
            image.decode_scaled(min_side_px)


def test_fill_before_a_segment_is_no_damage() -> None:
    good = save(scene(), "JPEG")
    image = decode_image(good[:2] + b"\xff" * 1_000_000 + good[2:], LIMITS)
    np.testing.assert_array_equal(image, decode_image(good, LIMITS))


MALFORMED = malformed_inputs()


def test_there_are_enough_malformed_inputs_and_each_has_its_name() -> None:
    assert len({name for name, _ in MALFORMED}) == len(MALFORMED) >= 200
    assert malformed_inputs() == MALFORMED


@pytest.mark.parametrize("image_bytes", [pytest.param(data, id=name) for name, data in MALFORMED])
def test_malformed_input_is_refused(image_bytes: bytes) -> None:
    with pytest.raises(ImageError) as caught:
        decode_image(image_bytes, LIMITS)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert len(str(caught.value)) < 200


SEEDS = {
    "JPEG": save(scene(), "JPEG", exif=oriented(6)),
    "JPEG progressive": save(scene(), "JPEG", progressive=True),
    "PNG": save(scene(), "PNG", exif=oriented(3)),
    "PNG palette": save(scene().quantize(16), "PNG", transparency=3),
    "WebP": save(scene(), "WEBP"),
    "WebP lossless": save(half_transparent("RGBA"), "WEBP", lossless=True),
    "GIF": save(scene().convert("P"), "GIF"),
    "BMP": save(scene(), "BMP"),
    "TIFF": save(scene(), "TIFF"),
    "TIFF deflate": save(scene(), "TIFF", compression="tiff_deflate"),
    **({"AVIF": save(scene(), "AVIF")} if "AVIF" in LOSSY else {}),
}


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_changed_bytes_give_a_picture_or_an_image_error(name: str, data: st.DataObject) -> None:
    changed = bytearray(SEEDS[name])
    places = st.integers(0, min(len(changed) - 1, data.draw(st.sampled_from([64, 512, 10**6]))))
    for at, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1)):
        changed[at] = value
    end = data.draw(st.sampled_from([len(changed), len(changed), len(changed) // 2]))
    try:
        image = decode_image(bytes(changed[:end]), DecodingLimits(10**6, 10**6))
    except ImageError:
        return
    assert_is_an_image(image)


def test_threads_share_nothing() -> None:
    images = list(SEEDS.values()) * 8
    expected = [decode_image(image_bytes, LIMITS) for image_bytes in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda data: decode_image(data, LIMITS), images))
    for image, same in zip(found, expected, strict=True):
        np.testing.assert_array_equal(image, same)


def damaged_lzw() -> bytes:
    image_bytes = bytearray(save(scene(), "TIFF", compression="tiff_lzw"))
    image_bytes[200:400] = b"\xff\x5a" * 100
    return bytes(image_bytes)


@pytest.mark.parametrize(
    ("image_bytes", "expected"),
    [
        pytest.param(tiff(extra=4000), "(16, 16, 3)", id="tag-is-cut-off"),
        pytest.param(damaged_lzw(), "UndecodableImageError", id="libtiff-has-an-error"),
        pytest.param(tiff(width=17, compression=5), "UndecodableImageError", id="no-lzw"),
        pytest.param(tiff(bits=12), "UndecodableImageError", id="too-few-bytes"),
    ],
)
def test_pillow_and_libtiff_write_nothing(image_bytes: bytes, expected: str) -> None:
    """Their warnings, log records and lines are about files of clients."""
    script = """
import logging, sys
from phiz.errors import ImageError
from phiz.image.decode import decode_image
from phiz.image.limits import DecodingLimits
logging.basicConfig(level=logging.DEBUG)
try:
    print(decode_image(sys.stdin.buffer.read(), DecodingLimits(10**6, 10**6)).shape)
except ImageError as error:
    print(type(error).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", script],
        input=image_bytes,
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == expected
    assert done.stderr == b""


def declare_large_gif(width: int, height: int) -> bytes:
    """Return a small GIF whose screen and frame are large, and cleared after the frame."""
    gif = bytearray(save(Image.new("P", (1, 1)), "GIF", disposal=2))
    *_, frame = find_gif_blocks(bytes(gif))
    struct.pack_into("<2H", gif, 6, width, height)
    struct.pack_into("<4H", gif, frame + 1, 0, 0, width, height)
    return bytes(gif)


WIDE = (2000, 2000)


def encode_wide_grid() -> bytes:
    tile = take_picture(encode_heic(Image.new("RGB", (512, 512))))
    return write_heif([tile] * 16, shape_grid(4, 4, WIDE))


MEMORY_CASES: dict[str, tuple[Callable[[], bytes], int]] = {
    "png": (lambda: save(Image.new("RGB", WIDE), "PNG"), 8),
    "png-palette": (lambda: save(Image.new("P", WIDE), "PNG", transparency=0), 5),
    "png-grey-alpha": (lambda: save(Image.new("LA", WIDE), "PNG"), 8),
    "png-alpha": (lambda: save(Image.new("RGBA", WIDE), "PNG"), 8),
    "png-16-bits": (lambda: save(Image.new("I;16", WIDE), "PNG", transparency=0), 6),
    "gif": (lambda: save(Image.new("P", WIDE), "GIF", transparency=0), 5),
    "gif-over-the-limit": (lambda: declare_large_gif(16_000, 10_000), 0),
    "bmp-alpha": (lambda: save(Image.new("RGBA", WIDE), "BMP"), 8),
    "tiff": (lambda: save(Image.new("RGB", WIDE), "TIFF", compression="tiff_lzw"), 8),
    "webp": (lambda: save(Image.new("RGB", WIDE), "WEBP"), 12),
    "webp-alpha": (lambda: save(Image.new("RGBA", WIDE), "WEBP", lossless=True), 12),
    "heic": (encode_wide_grid, 8),
    "heic-alpha": (lambda: encode_heic(Image.new("RGBA", WIDE), quality=1), 11),
    "jpeg-cmyk": (lambda: save(Image.new("CMYK", WIDE), "JPEG"), 8),
    "jpeg-progressive": (lambda: save(Image.new("RGB", WIDE), "JPEG", progressive=True), 7),
}
"""Functions that make a file, and the most bytes that decoding takes for each of its pixels."""


@pytest.fixture(scope="module")
def peaks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    folder = tmp_path_factory.mktemp("peaks")
    for name, (encode, _) in MEMORY_CASES.items():
        (folder / name).write_bytes(encode())
    command = [
        sys.executable,
        "-m",
        "tests.image.peak",
        *(str(folder / name) for name in MEMORY_CASES),
    ]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(zip(MEMORY_CASES, map(int, output.split()), strict=True))


@pytest.mark.parametrize("name", MEMORY_CASES)
def test_decoding_takes_few_bytes_for_each_pixel(peaks: dict[str, int], name: str) -> None:
    width, height = WIDE
    _, limit = MEMORY_CASES[name]
    assert peaks[name] / (width * height) < limit + 1
