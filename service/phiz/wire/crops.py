"""Crops in one answer: a ZIP archive, a form (RFC 7578) or JSON with base64 (RFC 4648).

Each has the answer of a detection, in which each face also has a ``crop``. In JSON this holds the
image itself, and otherwise the name of its file.
"""

import base64
import io
import re
import stat
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, Final

from phiz.editing.crop import FaceCrop
from phiz.editing.encode import Picture
from phiz.options import CropFormat
from phiz.wire.json_text import encode_json
from phiz.wire.messages import JSON

DOCUMENT_NAME: Final = "faces.json"
ZIP: Final = "application/zip"
_SUFFIXES: Final[Mapping[str, str]] = {"image/jpeg": "jpg", "image/png": "png"}
CROP_NAME: Final = re.compile(rf"face-[0-9]+\.({'|'.join(_SUFFIXES.values())})")
"""The names that ``list_names`` gives."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first moment of ZIP: an archive tells no time
_FILE_MODE: Final = stat.S_IFREG | 0o644  # Python's own lets nobody else read an unpacked file


def pack_crops(
    answer: dict[str, Any],
    crops: Sequence[FaceCrop],
    pictures: Sequence[Picture],
    crop_format: CropFormat,
) -> tuple[bytes, str]:
    """Return the body of an answer and its media type.

    Args:
        answer: The answer of the detection as plain values; its faces get their ``crop``.
        crops: The crop of each face.
        pictures: The file of each crop.
        crop_format: What the body is.
    """
    names = list_names(pictures)
    for face, crop, picture, name in zip(answer["faces"], crops, pictures, names, strict=True):
        face["crop"] = describe_crop(crop, picture)
        if crop_format == "json":
            face["crop"]["image"] = base64.b64encode(picture.content).decode("ascii")
        else:
            face["crop"]["file"] = name
    document = encode_json(answer)
    if crop_format == "json":
        return document, JSON
    files = [
        (name, picture.media_type, picture.content)
        for name, picture in zip(names, pictures, strict=True)
    ]
    if crop_format == "zip":
        return _pack_zip([(DOCUMENT_NAME, JSON, document), *files]), ZIP
    return _pack_form(document, files)


def list_names(pictures: Sequence[Picture]) -> list[str]:
    """Return the name of each crop's file: ``face-1.jpg``, with as many digits as the last one."""
    digits = len(str(len(pictures)))
    return [
        f"face-{number:0{digits}}.{_SUFFIXES[picture.media_type]}"
        for number, picture in enumerate(pictures, 1)
    ]


def describe_crop(crop: FaceCrop, picture: Picture) -> dict[str, Any]:
    """Return how a crop was made, as plain values."""
    return {
        "media_type": picture.media_type,
        "size": crop.image.width,
        "align": crop.align,
        # Shares of a pixel matter over the width of an image.
        "transform": [[round(value, 6) for value in row] for row in crop.transform.tolist()],
    }


def _pack_zip(files: Sequence[tuple[str, str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, _, content in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = _FILE_MODE << 16  # APPNOTE.TXT section 4.4.15, as Info-ZIP does
            archive.writestr(entry, content)
    return stream.getvalue()


def _pack_form(document: bytes, files: Sequence[tuple[str, str, bytes]]) -> tuple[bytes, str]:
    boundary = uuid.uuid4().hex
    fields = [("faces", DOCUMENT_NAME, JSON, document), *(("crop", *file) for file in files)]
    pieces = []
    for field, name, media_type, content in fields:
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
            f"Content-Type: {media_type}\r\n\r\n"
        )
        pieces += [head.encode(), content, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces), f"multipart/form-data; boundary={boundary}"
