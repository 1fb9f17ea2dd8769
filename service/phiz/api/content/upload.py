"""The content of a body, and the names under which clients send images."""

import re
from dataclasses import dataclass
from typing import Final

from phiz.api.options import quote_text
from phiz.errors import OptionError

IMAGE_FIELD: Final = "image"
IMAGES_FIELD: Final = "images"
# Of DeepStack, CompreFace, Face++, CKEditor, and the usual tutorials of frameworks.
IMAGE_FIELDS: Final = (
    IMAGE_FIELD,
    IMAGES_FIELD,
    "image_file",
    "img",
    "file",
    "files",
    "photo",
    "picture",
    "upload",
)
"""Names of a form's field, or of a JSON object's member, with an image."""
OVERHEAD_BYTES: Final = 64 * 1024  # boundaries, headers of parts and options, beside the images
MAX_FIELD_BYTES: Final = 1024
_FILE_NAME: Final = re.compile(rb"[^\0-\x1f\"*<>?|]{1,250}\.\w{1,5}")
_URL: Final = re.compile(rb"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Upload:
    """The content of a body.

    Attributes:
        images: At least one, encoded as it was sent.
        fields: Name and text of each other field of a form, or member of a JSON object, in its
            order.
    """

    images: tuple[bytes, ...]
    fields: tuple[tuple[str, str], ...] = ()


def is_image_field(name: str) -> bool:
    """Return whether a field or member has an image by its name. PHP's clients add ``[]``."""
    return name.removesuffix("[]") in IMAGE_FIELDS


def describe_image_names(image_field: str) -> str:
    """Return the advice of a body without an image: the first name, and the others."""
    others = (name for name in IMAGE_FIELDS if name != image_field)
    return f"{image_field!r} (or {', '.join(others)})"


def describe_file_name(where: str, content: bytes, remedy: str) -> str | None:
    """Return the error of a name or an address in place of an image, or None for other text.

    Args:
        where: The place of the text, such as ``the field 'image'``.
        content: The text.
        remedy: How to send a file there.
    """
    is_url = _URL.match(content) is not None
    if not is_url and not _FILE_NAME.fullmatch(content):
        return None
    text = quote_text(content.decode("utf-8", "replace"))
    if is_url:
        return (
            f"{where} has the address {text}; download the image, and send its bytes; a service"
            " that fetches images takes the address as the query parameter url"
        )
    return f"{where} has the text {text} instead of a file; {remedy}"


def build_length_error(what: str, name: str) -> OptionError:
    """Return the error of a field or member that is too long for any option."""
    return OptionError(
        f"the {what} {quote_text(name)} exceeds the limit of {MAX_FIELD_BYTES} bytes; no option is"
        " that long"
    )
