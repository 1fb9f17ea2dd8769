"""The body of a request, read as a stream: no more of it is kept than the limit, none on disk."""

import asyncio
from dataclasses import dataclass
from typing import Self

from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)
from starlette.requests import Request

from phiz.api.admission import BodyReservation
from phiz.api.options import quote_text
from phiz.api.service import RequestLimits
from phiz.errors import (
    BodyTimeoutError,
    ImageBytesError,
    MalformedBodyError,
    MissingImageError,
    OptionError,
    UnsupportedImageError,
)

MULTIPART_FORM = "multipart/form-data"
OCTET_STREAM = "application/octet-stream"
IMAGE_FIELD = "image"

# What a form may have beside the picture: boundaries, headers of parts, options.
FORM_OVERHEAD_BYTES = 64 * 1024
MAX_FIELDS = 31  # beside the pictures
MAX_FIELD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """What a body holds.

    Attributes:
        images: As they were sent, encoded; at least one.
        fields: Name and text of each other field of a form, in its order.
    """

    images: tuple[bytes, ...]
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What a body may hold.

    Attributes:
        max_images: So many.
        max_image_bytes: The largest picture.
        max_body_bytes: All pictures together.
        timeout_s: Until the whole body is there.
    """

    max_images: int
    max_image_bytes: int
    max_body_bytes: int
    timeout_s: float

    @classmethod
    def for_image(cls, limits: RequestLimits) -> Self:
        """Return the limits of a body with one image."""
        return cls(1, limits.max_image_bytes, limits.max_image_bytes, limits.body_timeout_s)

    @classmethod
    def for_batch(cls, limits: RequestLimits) -> Self:
        """Return the limits of a body with several images."""
        # More than the queue holds could never be admitted.
        queued = limits.max_images if limits.max_queued is None else limits.max_queued
        max_images = min(limits.max_images, queued)
        return cls(max_images, limits.max_image_bytes, limits.max_body_bytes, limits.body_timeout_s)


async def read_upload(request: Request, limits: BodyLimits, reservation: BodyReservation) -> Upload:
    """Return the pictures and the fields of a request, once its last byte is there.

    Args:
        request: Its body must not have been touched.
        limits: What it may hold.
        reservation: Is told of every byte.

    Raises:
        BodyTimeoutError: It is not.
        UnsupportedImageError: The content type is neither a form nor a picture.
        ImageBytesError: The picture is larger than the limit, by the announced length or
            by what has come so far.
        MalformedBodyError: The form cannot be parsed.
        MissingImageError: The form has no picture.
        OptionError: A field is too long for any option.
        OverloadedError: There are too many bytes here already.
        ClientDisconnect: The client left before the last byte.
    """
    media_type, parameters = parse_options_header(request.headers.get("content-type", OCTET_STREAM))
    if media_type == MULTIPART_FORM:
        reading = _read_form(request, parameters.get("boundary", ""), limits, reservation)
    elif limits.max_images == 1 and _is_image_type(media_type):
        reading = _read_image(request, limits.max_image_bytes, reservation)
    else:
        raise UnsupportedImageError(_describe_media_type(media_type, limits.max_images))
    try:
        async with asyncio.timeout(limits.timeout_s):
            return await reading
    except TimeoutError:
        raise BodyTimeoutError(
            f"the body was not complete after the limit of {limits.timeout_s} s;"
            " send a smaller image"
        ) from None


def _is_image_type(media_type: str) -> bool:
    return media_type == OCTET_STREAM or media_type.startswith("image/")


def _describe_media_type(media_type: str, max_images: int) -> str:
    """Return what is wrong with the content type of a body, and what to send instead."""
    if max_images > 1:
        return (
            f"the content type is {quote_text(media_type)}; send a form ({MULTIPART_FORM}) with"
            f" one field {IMAGE_FIELD!r} per image (curl: -F image=@a.jpg -F image=@b.jpg)"
        )
    return (
        f"the content type is {quote_text(media_type)}; send a form ({MULTIPART_FORM}) with the"
        f" image in the field {IMAGE_FIELD!r}, or the image itself as image/jpeg, image/png, … or"
        f" {OCTET_STREAM}"
        " (curl: -F image=@face.jpg, or --data-binary @face.jpg -H 'content-type: image/jpeg')"
    )


async def _read_image(request: Request, max_bytes: int, reservation: BodyReservation) -> Upload:
    _check_content_length(request, max_bytes, 0)
    chunks: list[bytes] = []
    async for chunk in request.stream():
        reservation.add_bytes(len(chunk))
        if reservation.size_bytes > max_bytes:
            raise _build_size_error(reservation.size_bytes, max_bytes)
        chunks.append(chunk)
    return Upload((b"".join(chunks),))


async def _read_form(
    request: Request, boundary: str, limits: BodyLimits, reservation: BodyReservation
) -> Upload:
    max_bytes = limits.max_body_bytes
    _check_content_length(request, max_bytes, FORM_OVERHEAD_BYTES)
    form = _FormBuilder(limits)
    try:
        parser = PushMultipartParser(boundary, max_segment_count=MAX_FIELDS + limits.max_images)
        # The stream ends with an empty chunk, which closes the parser: a form that is cut
        # short is an error there.
        async for chunk in request.stream():
            reservation.add_bytes(len(chunk))
            if reservation.size_bytes > max_bytes + FORM_OVERHEAD_BYTES:
                raise _build_size_error(reservation.size_bytes, max_bytes, FORM_OVERHEAD_BYTES)
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    form.start_field(event.name)
                elif event is not None:  # which ends a field
                    form.add_chunk(event)
    except MultipartError as error:
        # The first argument is the parser's own text; a second one quotes the body.
        raise MalformedBodyError(f"cannot read the form: {error.args[0]}") from error
    return form.to_upload()


def _check_content_length(request: Request, max_bytes: int, overhead_bytes: int) -> None:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes + overhead_bytes:
        raise ImageBytesError(
            f"the body has {length} bytes; the limit is {max_bytes}"
            f"{_describe_overhead(overhead_bytes)}; send a smaller image"
        )


def _build_size_error(
    received_bytes: int, max_bytes: int, overhead_bytes: int = 0
) -> ImageBytesError:
    return ImageBytesError(
        f"{received_bytes} bytes have arrived so far; the limit is {max_bytes}"
        f"{_describe_overhead(overhead_bytes)}; send a smaller image"
    )


def _describe_overhead(overhead_bytes: int) -> str:
    return f" for the image and {overhead_bytes} for the rest of the form" if overhead_bytes else ""


class _FormBuilder:
    """Gathers what the parser finds, part by part."""

    __slots__ = ("_field_bytes", "_field_name", "_fields", "_image_count", "_limits")

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._image_count = 0
        self._fields: list[tuple[str, list[bytes]]] = []
        self._field_name = ""
        self._field_bytes = 0

    def start_field(self, name: str) -> None:
        """Begin a field.

        Raises:
            MalformedBodyError: It is one image too many.
        """
        self._image_count += name == IMAGE_FIELD
        if self._image_count > self._limits.max_images:
            raise MalformedBodyError(_describe_image_limit(self._limits.max_images))
        self._fields.append((name, []))
        self._field_name = name
        self._field_bytes = 0

    def add_chunk(self, chunk: bytes) -> None:
        """Add a piece of the field that began last.

        Raises:
            ImageBytesError: Its image has more bytes than the limit.
        """
        self._field_bytes += len(chunk)
        if self._field_name == IMAGE_FIELD:
            if self._field_bytes > self._limits.max_image_bytes:
                raise _build_size_error(self._field_bytes, self._limits.max_image_bytes)
        elif self._field_bytes > MAX_FIELD_BYTES + len(chunk):
            # Too long already: it is refused in the end, unless the picture is what is missing.
            return
        self._fields[-1][1].append(chunk)

    def to_upload(self) -> Upload:
        """Return the images and the fields of the whole form."""
        others = [(name, b"".join(chunks)) for name, chunks in self._fields if name != IMAGE_FIELD]
        images = [chunks for name, chunks in self._fields if name == IMAGE_FIELD]
        if not images:
            raise MissingImageError(
                f"the form has no field {IMAGE_FIELD!r}; it has"
                f" {', '.join(quote_text(name) for name, _ in others) or 'no fields'}"
            )
        return Upload(
            tuple(map(b"".join, images)), tuple(_decode_field(*field) for field in others)
        )


def _describe_image_limit(limit: int) -> str:
    if limit > 1:
        return (
            f"the form exceeds the limit of {limit} fields {IMAGE_FIELD!r}; send several requests"
        )
    return (
        f"the form has more than one field {IMAGE_FIELD!r}; send one image per request, or"
        " several to /detect/batch"
    )


def _decode_field(name: str, content: bytes) -> tuple[str, str]:
    if len(content) > MAX_FIELD_BYTES:
        raise OptionError(
            f"the form field {quote_text(name)} exceeds the limit of {MAX_FIELD_BYTES} bytes;"
            " no option is that long"
        )
    return name, content.decode("utf-8", "replace")
