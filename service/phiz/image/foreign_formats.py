"""Names files that are no images of a supported format, with advice for each kind.

Sources: ISO/IEC 14496-12 section 4.3 and 23008-12 annex B (brands of ``ftyp``), ISO/IEC 18181-2
(JPEG XL), ISO/IEC 15444-1 (JPEG 2000), RFC 2397 (data URLs).
"""

import re
from typing import Final

_HEAD_BYTES: Final = 1024  # enough to know each kind by

_HEIC_ADVICE: Final = (
    "install its decoder beside the service with pip install 'phiz[heif]', convert it, or choose"
    " Most Compatible in the iPhone's camera settings"
)
_KINDS: Final[tuple[tuple[re.Pattern[bytes], str, str], ...]] = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), kind, advice)
    for pattern, kind, advice in (
        (
            rb".{4}ftyp(?!(.{4}){0,30}?avi[fs])(.{4}){0,30}?(hei[cfmsvx]|hev[cmsx]|mif1|msf1)",
            "an HEIC image",
            _HEIC_ADVICE,
        ),
        (rb".{4}ftyp(?!(.{4}){0,30}?avi[fs])", "a video (MP4)", "extract single frames"),
        (rb"\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a", "a JPEG XL image", "convert it"),
        (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "a JPEG 2000 image", "convert it"),
        (rb"\s*%PDF-", "a PDF document", "convert its pages"),
        (rb"\x1f\x8b|PK\x03\x04", "a compressed archive", "extract its files"),
        (
            rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body)",
            "an HTML page",
            "check the download of the image",
        ),
        (rb"(\xef\xbb\xbf)?\s*<(svg|.*<svg)", "an SVG drawing", "render it"),
        (
            rb"data:[^,]{0,100},",
            "a data URL",
            "decode the part after the comma, or send it in JSON",
        ),
        (rb"(\xef\xbb\xbf)?\s*[\[{]\s*[\"{\[\]}\d]", "JSON", "send it as application/json"),
        (rb"\s*[\w+/-]{32}", "base64 text", "decode it, or send it in JSON"),
    )
)


def describe_foreign_format(image_bytes: bytes) -> str | None:
    """Return the kind of a file and advice, as the rest of a sentence; None if it is unknown."""
    head = image_bytes[:_HEAD_BYTES]
    for pattern, kind, advice in _KINDS:
        if pattern.match(head):
            return f"are {kind}; {advice}"
    return None
