"""The body of a request, read as a stream: no more of it is kept than the limit, none on disk."""

import asyncio
from dataclasses import dataclass

from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)
from starlette.requests import Request

from phiz.api.admission import BodyReservation
from phiz.api.options import quote_text
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
    try:
        async with asyncio.timeout(limits.timeout_s):
            return await _read_body(request, limits, reservation)
    except TimeoutError:
        raise BodyTimeoutError(
            f"the body was not complete after {limits.timeout_s} s, which is the limit;"
            " send a smaller picture"
        ) from None


async def _read_body(request: Request, limits: BodyLimits, reservation: BodyReservation) -> Upload:
    media_type, parameters = parse_options_header(request.headers.get("content-type", OCTET_STREAM))
    if media_type == MULTIPART_FORM:
        return await _read_form(request, parameters.get("boundary", ""), limits, reservation)
    if limits.max_images > 1:
        raise UnsupportedImageError(
            f"the content type is {quote_text(media_type)}; send a form ({MULTIPART_FORM}) with"
            " each picture in a"
            f" field {IMAGE_FIELD!r} of its own (curl: -F image=@a.jpg -F image=@b.jpg)"
        )
    if media_type == OCTET_STREAM or media_type.startswith("image/"):
        return Upload((await _read_image(request, limits.max_image_bytes, reservation),))
    raise UnsupportedImageError(
        f"the content type is {quote_text(media_type)}; send a form ({MULTIPART_FORM}) with the"
        " picture in its"
        f" field {IMAGE_FIELD!r}, or the picture itself as image/jpeg, image/png, … or"
        f" {OCTET_STREAM}"
        " (curl: -F image=@face.jpg, or --data-binary @face.jpg -H 'content-type: image/jpeg')"
    )


async def _read_image(request: Request, max_bytes: int, reservation: BodyReservation) -> bytes:
    _check_content_length(request, max_bytes, 0)
    chunks: list[bytes] = []
    async for chunk in request.stream():
        reservation.add_bytes(len(chunk))
        _check_received_bytes(reservation.size_bytes, max_bytes, 0)
        chunks.append(chunk)
    return b"".join(chunks)


async def _read_form(
    request: Request, boundary: str, limits: BodyLimits, reservation: BodyReservation
) -> Upload:
    _check_content_length(request, limits.max_body_bytes, FORM_OVERHEAD_BYTES)
    form = _FormBuilder(limits)
    try:
        parser = PushMultipartParser(boundary, max_segment_count=MAX_FIELDS + limits.max_images)
        # The stream ends with an empty chunk, which closes the parser: a form that is cut
        # short is an error there.
        async for chunk in request.stream():
            reservation.add_bytes(len(chunk))
            _check_received_bytes(
                reservation.size_bytes, limits.max_body_bytes, FORM_OVERHEAD_BYTES
            )
            for event in parser.parse(chunk):
                form.handle_event(event)
    except MultipartError as error:
        # The first argument is the parser's own text; a second one quotes the body.
        raise MalformedBodyError(f"the form cannot be read: {error.args[0]}") from error
    return form.to_upload()


def _check_content_length(request: Request, max_bytes: int, overhead_bytes: int) -> None:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes + overhead_bytes:
        raise ImageBytesError(
            f"the body has {length} bytes; the limit is {max_bytes}"
            f"{_describe_overhead(overhead_bytes)}."
            " Send a smaller picture"
        )


def _check_received_bytes(received_bytes: int, max_bytes: int, overhead_bytes: int) -> None:
    if received_bytes > max_bytes + overhead_bytes:
        raise ImageBytesError(
            f"{received_bytes} bytes have come so far; the limit is {max_bytes}"
            f"{_describe_overhead(overhead_bytes)}."
            " Send a smaller picture"
        )


def _describe_overhead(overhead_bytes: int) -> str:
    return (
        f" for the picture and {overhead_bytes} for all else in the form" if overhead_bytes else ""
    )


class _FormBuilder:
    """Gathers what the parser finds, part by part."""

    __slots__ = ("_field_bytes", "_field_name", "_fields", "_image_count", "_limits")

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._image_count = 0
        self._fields: list[tuple[str, list[bytes]]] = []
        self._field_name = ""
        self._field_bytes = 0

    def handle_event(self, event: MultipartSegment | bytes | None) -> None:
        """Take one event: the head of a part, a piece of its content, or None for its end."""
        if isinstance(event, MultipartSegment):
            self._start_field(event.name)
        elif event is not None:
            self._add_chunk(event)

    def to_upload(self) -> Upload:
        """Return picture and fields of the whole form."""
        others = [(name, b"".join(chunks)) for name, chunks in self._fields if name != IMAGE_FIELD]
        images = [chunks for name, chunks in self._fields if name == IMAGE_FIELD]
        if not images:
            raise MissingImageError(
                f"the form has no field {IMAGE_FIELD!r}; it has"
                f" {', '.join(quote_text(name) for name, _ in others) or 'no fields at all'}"
            )
        return Upload(
            tuple(map(b"".join, images)), tuple(_decode_field(*field) for field in others)
        )

    def _start_field(self, name: str) -> None:
        self._image_count += name == IMAGE_FIELD
        if self._image_count > self._limits.max_images:
            raise MalformedBodyError(_describe_image_limit(self._limits.max_images))
        self._fields.append((name, []))
        self._field_name = name
        self._field_bytes = 0

    def _add_chunk(self, chunk: bytes) -> None:
        self._field_bytes += len(chunk)
        if self._field_name == IMAGE_FIELD:
            _check_received_bytes(self._field_bytes, self._limits.max_image_bytes, 0)
        elif self._field_bytes > MAX_FIELD_BYTES + len(chunk):
            # Too long already: it is refused in the end, unless the picture is what is missing.
            return
        self._fields[-1][1].append(chunk)


def _describe_image_limit(limit: int) -> str:
    if limit > 1:
        return f"the form has more than {limit} fields {IMAGE_FIELD!r}, which is the limit"
    return (
        f"the form has more than one field {IMAGE_FIELD!r}; send one picture a request, or"
        " several to /detect/batch"
    )


def _decode_field(name: str, content: bytes) -> tuple[str, str]:
    if len(content) > MAX_FIELD_BYTES:
        raise OptionError(
            f"the form field {quote_text(name)} has more than {MAX_FIELD_BYTES} bytes;"
            " no option is that long"
        )
    return name, content.decode("utf-8", "replace")
