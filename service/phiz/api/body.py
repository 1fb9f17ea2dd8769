"""Reads the body of a request as a stream, up to its limits, and writes nothing to disk."""

import asyncio
from codecs import BOM_UTF8
from collections.abc import Iterable
from typing import Final, Protocol

from starlette.requests import Request

from phiz.api.content.form import MULTIPART_FORM, FormReader
from phiz.api.content.json_object import JsonReader
from phiz.api.content.size_limit import SizeLimit
from phiz.api.content.upload import IMAGE_FIELD, Upload
from phiz.api.options import quote_text
from phiz.api.request_record import get_record
from phiz.api.server.bodies import BodyReservation, take_body
from phiz.api.service import BodyLimits
from phiz.errors import ContentCodingError, MalformedBodyError, UnsupportedImageError
from phiz.image.foreign_formats import describe_foreign_format
from phiz.image.formats import sniff_format
from phiz.wire.messages import JSON

OCTET_STREAM: Final = "application/octet-stream"
URL_ENCODED: Final = "application/x-www-form-urlencoded"
_SNIFFED_BYTES: Final = 12  # tell an image from JSON
_COMPARED_BYTES: Final = 512  # of an image; text has fewer different values among so many


async def read_upload(
    request: Request,
    limits: BodyLimits,
    reservation: BodyReservation,
    image_field: str = IMAGE_FIELD,
) -> Upload:
    """Return the images and fields of a request, once its body is complete.

    Args:
        request: The request.
        limits: Limits of the images and of the time.
        reservation: Counts every byte.
        image_field: Name of a field or member with an image, for advice.

    Raises:
        BodyTimeoutError: The body is not complete in time, or too slow.
        ContentCodingError: The body is compressed.
        UnsupportedImageError: The body is no form, no JSON and no image.
        ImageBytesError: The image is larger than the limit, by the announced length or by the bytes
            that have arrived.
        MalformedBodyError: The form or the JSON cannot be parsed, or the image has lost bytes.
        MissingImageError: The form or the JSON has no image.
        OptionError: A field is too long for any option.
        OverloadedError: All bodies together have too many bytes.
        ClientDisconnect: The client left before the last byte.
    """
    length, coding, content_type = _read_fields(request.scope["headers"])
    if coding.lower() not in {"", "identity"}:
        raise ContentCodingError(
            f"the body has the Content-Encoding {quote_text(coding)}, which is not supported; send"
            " it without compression"
        )
    reader = _choose_reader(content_type, limits, image_field)
    if length.isdecimal():
        reader.check_length(int(length))
    body = take_body(request.scope)
    if body is not None:
        get_record(request.scope).bytes_in += len(body)
        if body:
            reader.feed(body, reservation)
        return reader.finish()
    try:
        async with asyncio.timeout(None) as timeout:
            reservation.start_timeout(timeout, limits.timeout_s)
            async for piece in request.stream():
                if piece:  # the last one is empty
                    reader.feed(piece, reservation)
    except TimeoutError:
        raise reservation.build_timeout_error() from None
    finally:
        reservation.finish_receiving()
    return reader.finish()


class BodyReader(Protocol):
    """Reads a body piece by piece."""

    def check_length(self, length: int) -> None:
        """Check the announced length of the body."""

    def feed(self, piece: bytes, reservation: BodyReservation) -> None:
        """Read a piece, whose bytes are counted."""

    def finish(self) -> Upload:
        """Return the images and fields of the whole body."""


def _read_fields(headers: Iterable[tuple[bytes, bytes]]) -> tuple[str, str, str]:
    """Return length, coding and type of a body by its headers."""
    length, content_type, codings = b"", b"", []
    for name, value in headers:
        if name == b"content-length":
            length = value
        elif name == b"content-type":
            content_type = content_type or value
        elif name == b"content-encoding":  # it may be repeated
            codings.append(value)
    coding = b", ".join(codings)
    return length.decode("latin-1"), coding.decode("latin-1"), content_type.decode("latin-1")


def _choose_reader(content_type: str, limits: BodyLimits, image_field: str) -> BodyReader:
    """Return the reader of a body of some type.

    Raises:
        MalformedBodyError: It is a form without a usable boundary.
        UnsupportedImageError: No body of this type has several images.
    """
    media_type = (content_type or OCTET_STREAM).partition(";")[0].strip().lower()
    if media_type == MULTIPART_FORM:
        return FormReader(content_type, limits, image_field)
    if media_type == JSON or (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        reader = JsonReader(limits, image_field)
        if limits.max_images > 1:
            return reader
        return _SniffingReader(reader, _ImageReader(JSON, limits.max_image_bytes, image_field))
    if limits.max_images == 1:
        return _ImageReader(media_type, limits.max_image_bytes, image_field)
    raise UnsupportedImageError(_describe_media_type(media_type, limits.max_images, image_field))


def _describe_media_type(media_type: str, max_images: int, image_field: str) -> str:
    """Return the error of a body that is no image, and what to send instead."""
    form = f"the content type is {quote_text(media_type)}; send a form ({MULTIPART_FORM}) with"
    if max_images > 1:
        return (
            f"{form} one field {image_field!r} per image (curl: -F {image_field}=@a.jpg"
            f" -F {image_field}=@b.jpg), or {JSON} with a list of images in base64"
        )
    if media_type == URL_ENCODED:
        return (
            f"the body is not an image, and its content type is {media_type}, which curl sends with"
            " -d and --data-binary, and -d also removes line breaks from the file; use -F"
            f" {image_field}=@face.jpg, or --data-binary @face.jpg"
        )
    return (
        f"the body is not an image, and {form} the image in the field {image_field!r}, or the image"
        f" itself (curl: -F {image_field}=@face.jpg, or --data-binary @face.jpg)"
    )


class _ImageReader:
    """Reads an image that is the whole body."""

    def __init__(self, media_type: str, max_bytes: int, image_field: str) -> None:
        self._media_type = media_type
        self._limit = SizeLimit(max_bytes)
        self._image_field = image_field
        self._pieces: list[bytes] = []

    def check_length(self, length: int) -> None:
        self._limit.check_length(length)

    def feed(self, piece: bytes, reservation: BodyReservation) -> None:
        self._limit.count(piece, reservation)
        self._pieces.append(piece)

    def finish(self) -> Upload:
        """Return the image.

        Raises:
            UnsupportedImageError: The content type is another one than that of an image, and so are
                the bytes. A file of a known other kind is left to the worker, which has advice for
                it.
            MalformedBodyError: The image has lost bytes.
        """
        image_bytes = b"".join(self._pieces)
        is_image = self._media_type.startswith(("image/", OCTET_STREAM))
        if not is_image and sniff_format(image_bytes) is None:
            if image_bytes[:_COMPARED_BYTES].removeprefix(BOM_UTF8).lstrip().startswith(b"{"):
                raise UnsupportedImageError(
                    f"the body is JSON, but the content type is {quote_text(self._media_type)};"
                    " send it with the content type application/json (curl: --json @request.json)"
                )
            if describe_foreign_format(image_bytes) is None:
                problem = _describe_media_type(self._media_type, 1, self._image_field)
                raise UnsupportedImageError(problem)
        if b"\0" not in image_bytes and _has_lost_bytes(image_bytes):
            raise MalformedBodyError(
                "the image has lost its line breaks and zero bytes, which curl's -d removes; use"
                " --data-binary @face.jpg"
            )
        return Upload((image_bytes,))


class _SniffingReader:
    """Reads JSON, or an image that was sent with the content type of JSON."""

    def __init__(self, json: JsonReader, image: _ImageReader) -> None:
        self._json, self._image = json, image
        self._chosen: BodyReader | None = None
        self._head = b""
        self._reservation: BodyReservation | None = None

    def check_length(self, length: int) -> None:
        self._json.check_length(length)  # the longer one; an image is counted as it arrives

    def feed(self, piece: bytes, reservation: BodyReservation) -> None:
        if self._chosen is None:
            piece = self._head = self._head + piece
            self._reservation = reservation
            if len(piece) < _SNIFFED_BYTES:
                return
            self._chosen = self._image if _is_image_head(piece) else self._json
        self._chosen.feed(piece, reservation)

    def finish(self) -> Upload:
        """Return the image, or the images and the other members of the object.

        Raises:
            PhizError: As the chosen reader.
        """
        if self._chosen is None and self._reservation is not None:  # too short for an image
            self._json.feed(self._head, self._reservation)
        return (self._chosen or self._json).finish()


def _is_image_head(head: bytes) -> bool:
    """Return whether a body begins as an image, or as a film, for which a worker has advice."""
    return sniff_format(head) is not None or head[4:8] == b"ftyp"


def _has_lost_bytes(image_bytes: bytes) -> bool:
    """Return whether a file without zero bytes is compressed data, and has no line break either."""
    head = image_bytes[:_COMPARED_BYTES]
    is_compressed = len(head) == _COMPARED_BYTES and len(set(head)) > _COMPARED_BYTES // 4
    return is_compressed and b"\n" not in image_bytes and b"\r" not in image_bytes
