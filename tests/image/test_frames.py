import io
from typing import Any, Literal

import pytest
from PIL import Image as Pillow

from phiz.errors import UndecodableImageError
from phiz.image.formats import sniff_format
from phiz.image.frames import has_several_frames, is_lossless_webp

RED, BLUE = (Pillow.new("RGB", (16, 16), colour) for colour in ("red", "blue"))


def save(kind: str, image: Pillow.Image = RED, **arguments: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **arguments)
    return file.getvalue()


def ask(image_bytes: bytes) -> bool:
    image_format = sniff_format(image_bytes)
    assert image_format is not None
    return has_several_frames(image_format, image_bytes)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_still_has_one_frame(kind: str) -> None:
    assert not ask(save(kind))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_an_animation_and_a_document_have_several(kind: str) -> None:
    assert ask(save(kind, save_all=True, append_images=[BLUE]))


def test_a_thumbnail_is_no_page() -> None:
    pages = save("TIFF", save_all=True, append_images=[BLUE])
    # The second directory gets the tag of a reduced image instead of its first tag, the width.
    order: Literal["little"] = "little"
    first = int.from_bytes(pages[4:8], order)
    count = int.from_bytes(pages[first : first + 2], order)
    link = first + 2 + 12 * count
    second = int.from_bytes(pages[link : link + 4], order)
    reduced = (254).to_bytes(2, order) + (4).to_bytes(2, order) + (1).to_bytes(4, order) * 2
    changed = pages[: second + 2] + reduced + pages[second + 14 :]
    assert not ask(changed)


def test_a_truncated_animation_of_gif_has_one_frame_or_is_damaged() -> None:
    animation = save("GIF", save_all=True, append_images=[BLUE])
    with pytest.raises(UndecodableImageError):
        ask(animation[:9])


@pytest.mark.parametrize(
    ("mode", "arguments", "expected"),
    [
        pytest.param("RGB", {"lossless": True}, True, id="lossless"),
        pytest.param("RGBA", {"lossless": True, "exif": b"Exif\0\0II*\0"}, True, id="extended"),
        pytest.param("RGB", {}, False, id="lossy"),
        pytest.param("RGBA", {}, False, id="lossy-with-alpha"),
    ],
)
def test_losses_of_a_webp_are_told(mode: str, arguments: dict[str, Any], *, expected: bool) -> None:
    image = Pillow.radial_gradient("L").convert(mode)
    if mode == "RGBA":
        image.putalpha(Pillow.linear_gradient("L"))
    assert is_lossless_webp(save("WEBP", image, **arguments)) == expected


@pytest.mark.parametrize("end", range(12, 60, 3))
def test_a_truncated_webp_ends(end: int) -> None:
    animation = save("WEBP", save_all=True, append_images=[BLUE])
    assert isinstance(has_several_frames("WebP", animation[:end]), bool)
    assert not is_lossless_webp(animation[:14])
