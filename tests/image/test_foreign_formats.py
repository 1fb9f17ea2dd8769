import base64
import struct

import pytest

from phiz.image.foreign_formats import describe_foreign_format

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xdb\0\x43\0"
WEBP = b"RIFF\x24\0\0\0WEBPVP8 " + bytes(20)


def boxed(major: bytes, *compatible: bytes) -> bytes:
    """A file that begins with a box of brands."""
    brands = b"".join(compatible)
    return struct.pack(">I4s4sI", 16 + len(brands), b"ftyp", major, 0) + brands + bytes(100)


@pytest.mark.parametrize(
    ("image_bytes", "kind", "advice"),
    [
        pytest.param(boxed(b"heic", b"mif1", b"heic"), "HEIC", "convert", id="heic"),
        pytest.param(
            boxed(b"mif1", b"mif1", b"heix"), "HEIC", "convert", id="heic-by-second-brand"
        ),
        pytest.param(boxed(b"msf1", b"iso8", b"hevc"), "HEIC", "convert", id="heic-sequence"),
        pytest.param(boxed(b"isom", b"mp41"), "MP4", "frames", id="mp4"),
        pytest.param(boxed(b"qt  "), "MP4", "frames", id="quicktime"),
        pytest.param(b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), "JPEG XL", "convert", id="jxl"),
        pytest.param(b"\xff\x0a\xfa" + bytes(20), "JPEG XL", "convert", id="jxl-codestream"),
        pytest.param(b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", "convert", id="jp2"),
        pytest.param(b"\xff\x4f\xff\x51\0\x2f", "JPEG 2000", "convert", id="j2k-codestream"),
        pytest.param(b"%PDF-1.7\n1 0 obj", "PDF", "pages", id="pdf"),
        pytest.param(b"PK\x03\x04" + bytes(20), "archive", "extract", id="zip"),
        pytest.param(b"\x1f\x8b\x08" + bytes(20), "archive", "extract", id="gzip"),
        pytest.param(b"\n<!DOCTYPE html><svg></svg>", "HTML", "download", id="html"),
        pytest.param(b"\xef\xbb\xbf<html lang=en>", "HTML", "download", id="html-with-mark"),
        pytest.param(b"<svg width='9'>", "SVG", "render", id="svg"),
        pytest.param(b"<?xml version='1.0'?>\n<svg>", "SVG", "render", id="svg-in-xml"),
        pytest.param(b'{"image": "/9j/4AAQ"}', "JSON", "application/json", id="json"),
        pytest.param(b'[\n  {"image": 1}]', "JSON", "application/json", id="json-array"),
        pytest.param(
            b"data:image/png;base64,iVBORw0KGgo=", "data URL", "after the comma", id="data-url"
        ),
        pytest.param(base64.b64encode(PNG), "base64 text", "decode", id="base64-png"),
        pytest.param(base64.b64encode(WEBP), "base64 text", "decode", id="base64-webp"),
        pytest.param(
            b"\r\n" + base64.urlsafe_b64encode(JPEG),
            "base64 text",
            "decode",
            id="url-safe-base64",
        ),
    ],
)
def test_foreign_formats_have_name_and_advice(image_bytes: bytes, kind: str, advice: str) -> None:
    description = describe_foreign_format(image_bytes)
    assert description is not None
    name, _, rest = description.partition("; ")
    assert kind in name
    assert advice in rest


@pytest.mark.parametrize(
    "image_bytes",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(2000), id="zeros"),
        pytest.param(b"This is not a picture.\n" * 40, id="text"),
        pytest.param(b"<?xml version='1.0'?><a/>", id="xml"),
        pytest.param(boxed(b"mif1", b"avif"), id="avif"),
        pytest.param(JPEG, id="jpeg"),
        pytest.param(PNG, id="png"),
    ],
)
def test_other_files_have_no_name(image_bytes: bytes) -> None:
    assert describe_foreign_format(image_bytes) is None
