"""Edits of many images: the files that are made of an image and its faces, and their names.

Names are relative to a folder, with slashes. The last file of an image is written last, so an image
whose last file exists is finished.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, NamedTuple, Protocol

import orjson

from phiz.editing.crop import crop_faces
from phiz.editing.options import BlurOptions, CropOptions
from phiz.editing.redact import cover_faces
from phiz.editing.render import encode_crops, read_rgb_profile
from phiz.faces import DetectionResult
from phiz.image.decode import open_image
from phiz.image.limits import DecodingLimits
from phiz.wire.crops import DOCUMENT_NAME, describe_crop, list_names
from phiz.wire.encode import encode_result

# Of formats that a covered image keeps; others become PNG.
_KEPT_SUFFIXES: Final = frozenset({".jfif", ".jpeg", ".jpg", ".png", ".webp"})


class EditedFile(NamedTuple):
    """A file that was made of an image, by its name."""

    name: str
    content: bytes


class ImageEdit(Protocol):
    """An edit of an image."""

    def get_last_name(self, name: str) -> str:
        """Return the name of the file that is written last for an image of a name."""

    def edit(
        self, name: str, image_bytes: bytes, result: DetectionResult, limits: DecodingLimits
    ) -> Iterator[EditedFile]:
        """Yield the files of an image of a name, given its faces.

        Raises:
            ImageError: The image cannot be edited.
        """


@dataclass(frozen=True, slots=True)
class BlurEdit:
    """The image with its faces covered, under its own name, with ``.png`` if it becomes one."""

    options: BlurOptions

    def get_last_name(self, name: str) -> str:
        """Return the name of the covered image."""
        is_kept = PurePosixPath(name).suffix.lower() in _KEPT_SUFFIXES
        return name if is_kept else f"{name}.png"

    def edit(
        self, name: str, image_bytes: bytes, result: DetectionResult, limits: DecodingLimits
    ) -> Iterator[EditedFile]:
        """Yield the covered image.

        Raises:
            ImageError: As ``cover_faces``.
        """
        picture = cover_faces(image_bytes, result.faces, self.options, limits)
        yield EditedFile(self.get_last_name(name), picture.content)


@dataclass(frozen=True, slots=True)
class CropEdit:
    """A folder of the image's name, with a file for each face and ``faces.json``."""

    options: CropOptions

    def get_last_name(self, name: str) -> str:
        """Return the name of the document, which an image without faces has too."""
        return f"{name}/{DOCUMENT_NAME}"

    def edit(
        self, name: str, image_bytes: bytes, result: DetectionResult, limits: DecodingLimits
    ) -> Iterator[EditedFile]:
        """Yield the crops, and then the document.

        Raises:
            ImageError: As ``crop_faces`` and ``encode_crops``.
        """
        crops = crop_faces(open_image(image_bytes, limits), result.faces, self.options)
        profile = read_rgb_profile(image_bytes)
        pictures = encode_crops(crops, self.options.encoding, limits, profile)
        names = list_names(pictures)
        answer = encode_result(result)
        for face, crop, picture, file in zip(answer["faces"], crops, pictures, names, strict=True):
            face["crop"] = {**describe_crop(crop, picture), "file": file}
            yield EditedFile(f"{name}/{file}", picture.content)
        document = orjson.dumps(answer, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        yield EditedFile(self.get_last_name(name), document)
