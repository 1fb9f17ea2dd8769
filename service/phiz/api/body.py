"""Reads the body of a request as a stream, up to its limits, and writes nothing to disk."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser
from starlette.requests import Request

from phiz.api.options import quote_text
from phiz.api.server.bodies import BODY_COMPLETE_KEY, BodyReservation
from phiz.api.service import BodyLimits
from phiz.errors import (
    ContentCodingError,
    ImageBytesError,
    MalformedBodyError,
    MissingImageError,
    OptionError,
    UnsupportedImageError,
)

MULTIPART_FORM = "multipart/form-data"
OCTET_STREAM = "application/octet-stream"
URL_ENCODED = "application/x-www-form-urlencoded"
IMAGE_FIELD = "image"

FORM_OVERHEAD_BYTES = 64 * 1024  # boundaries, headers of parts and options, beside the images
MAX_FIELDS = 31  # beside the images
MAX_FIELD_BYTES = 1024
# Many clients do not quote a boundary with "=", "/" or ":", which RFC 2046 requires.
_BOUNDARY: Final = re.compile(r';\s*boundary=(?:"([^"]*)"|([^\s;"]*))', re.IGNORECASE)
_FILE_NAME: Final = re.compile(rb"[^\0-\x1f\"*<>?|]{1,250}\.\w{1,5}")
_URL: Final = re.compile(rb"https?://", re.IGNORECASE)
_COMPARED_BYTES: Final = 512  # of an image; text has fewer different values among so many


@dataclass(frozen=True, slots=True)
class Upload:
    """The content of a body.

    Attributes:
        images: At least one, encoded as it was sent.
        fields: Name and text of each other field of a form, in its order.
    """

    images: tuple[bytes, ...]
    fields: tuple[tuple[str, str], ...] = ()


async def read_upload(request: Request, limits: BodyLimits, reservation: BodyReservation) -> Upload:
    """Return the images and fields of a request, once its body is complete.

    Raises:
        BodyTimeoutError: The body is not complete in time, or too slow.
        ContentCodingError: The body is compressed.
        UnsupportedImageError: The content type is neither a form nor an image.
        ImageBytesError: The image is larger than the limit, by the announced length or by the bytes
            that have arrived.
        MalformedBodyError: The form cannot be parsed, or the image has lost bytes.
        MissingImageError: The form has no image.
        OptionError: A field is too long for any option.
        OverloadedError: All bodies together have too many bytes.
        ClientDisconnect: The client left before the last byte.
    """
    headers = request.headers
    coding = ", ".join(headers.getlist("content-encoding"))  # a header may be repeated
    if coding.lower() not in {"", "identity"}:
        raise ContentCodingError(
            f"the body has the Content-Encoding {quote_text(coding)}, which is not supported; send"
            " it without compression"
        )
    content_type = headers.get("content-type", OCTET_STREAM)
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == MULTIPART_FORM:
        reading = _read_form(request, content_type, limits, reservation)
    elif limits.max_images == 1 and media_type.startswith(("image/", OCTET_STREAM)):
        reading = _read_image(request, limits.max_image_bytes, reservation)
    else:
        raise UnsupportedImageError(_describe_media_type(media_type, limits.max_images))
    if request.scope.get(BODY_COMPLETE_KEY):
        return await reading
    try:
        async with asyncio.timeout(None) as timeout:
            reservation.start_timeout(timeout, limits.timeout_s)
            return await reading
    except TimeoutError:
        raise reservation.build_timeout_error() from None
    finally:
        reservation.finish_receiving()


def _describe_media_type(media_type: str, max_images: int) -> str:
    """Return the error of a content type, and what to send instead."""
    form = f"the content type is {quote_text(media_type)}; send a form ({MULTIPART_FORM}) with"
    if max_images > 1:
        return f"{form} one field {IMAGE_FIELD!r} per image (curl: -F image=@a.jpg -F image=@b.jpg)"
    if media_type == URL_ENCODED:
        return (
            f"the content type is {media_type}, which curl sends with -d and --data-binary, and -d"
            " also removes line breaks from the file; use -F image=@face.jpg, or --data-binary"
            " @face.jpg -H 'content-type: image/jpeg'"
        )
    return (
        f"{form} the image in the field {IMAGE_FIELD!r}, or the image itself as image/jpeg,"
        f" image/png, … or {OCTET_STREAM} (curl: -F image=@face.jpg, or --data-binary @face.jpg"
        " -H 'content-type: image/jpeg')"
    )


async def _read_image(request: Request, max_bytes: int, reservation: BodyReservation) -> Upload:
    chunks = [chunk async for chunk in _receive_chunks(request, reservation, max_bytes)]
    image_bytes = b"".join(chunks)
    if b"\0" not in image_bytes and _has_lost_bytes(image_bytes):
        raise MalformedBodyError(
            "the image has lost its line breaks and zero bytes, which curl's -d removes; use"
            " --data-binary @face.jpg"
        )
    return Upload((image_bytes,))


def _has_lost_bytes(image_bytes: bytes) -> bool:
    """Return whether a file without zero bytes is compressed data, and has no line break either."""
    head = image_bytes[:_COMPARED_BYTES]
    is_compressed = len(head) == _COMPARED_BYTES and len(set(head)) > _COMPARED_BYTES // 4
    return is_compressed and b"\n" not in image_bytes and b"\r" not in image_bytes


async def _read_form(
    request: Request, content_type: str, limits: BodyLimits, reservation: BodyReservation
) -> Upload:
    found = _BOUNDARY.search(content_type)
    boundary = (found[1] or found[2] or "") if found is not None else ""
    if not boundary:
        raise MalformedBodyError(
            "the content type has no boundary; leave the header Content-Type to the client, which"
            " adds the boundary of its form"
        )
    chunks = _receive_chunks(request, reservation, limits.max_body_bytes, FORM_OVERHEAD_BYTES)
    form = _FormBuilder(limits.max_images, limits.max_image_bytes)
    try:
        # Headers are decoded as latin-1, but the parser encodes text as UTF-8.
        parser = PushMultipartParser(
            boundary.encode("latin-1"), max_segment_count=MAX_FIELDS + limits.max_images
        )
        async for chunk in chunks:
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    form.start_field(event.name, is_file=event.filename is not None)
                elif event is not None:  # which ends a field
                    form.add_chunk(event)
        parser.close()  # a form that is cut short is an error here
    except MultipartError as error:
        # The first argument is the parser's own text; a second one quotes the body.
        raise MalformedBodyError(f"cannot read the form: {error.args[0]}") from error
    return form.to_upload()


async def _receive_chunks(
    request: Request, reservation: BodyReservation, max_bytes: int, overhead_bytes: int = 0
) -> AsyncIterator[bytes]:
    """Yield the body as it arrives.

    Args:
        request: The request.
        reservation: Counts every byte.
        max_bytes: Limit of the images.
        overhead_bytes: Limit of the rest of the form.

    Raises:
        ImageBytesError: The body has more bytes, as announced or so far.
        OverloadedError: All bodies together have too many bytes.
        ClientDisconnect: The client left before the last byte.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes + overhead_bytes:
        raise _build_size_error(f"the body has {length} bytes", max_bytes, overhead_bytes)
    async for chunk in request.stream():
        if chunk:  # the last one is empty
            reservation.add_bytes(len(chunk))
            if reservation.size_bytes > max_bytes + overhead_bytes:
                received = f"{reservation.size_bytes} bytes have arrived so far"
                raise _build_size_error(received, max_bytes, overhead_bytes)
            yield chunk


def _build_size_error(found: str, max_bytes: int, overhead_bytes: int = 0) -> ImageBytesError:
    rest = f" for the image and {overhead_bytes} for the rest of the form" if overhead_bytes else ""
    return ImageBytesError(f"{found}; the limit is {max_bytes}{rest}; send a smaller image")


@dataclass(slots=True)
class _FormBuilder:
    """Collects the fields that the parser finds.

    Attributes:
        max_images: Maximum number of fields with an image.
        max_image_bytes: Maximum size of each image.
        image_count: Number of fields with an image so far.
        fields: Name and pieces of each field, and whether it is a file.
        field_bytes: Size of the last field so far.
    """

    max_images: int
    max_image_bytes: int
    image_count: int = 0
    fields: list[tuple[str, list[bytes], bool]] = field(default_factory=list)
    field_bytes: int = 0

    def start_field(self, name: str, *, is_file: bool) -> None:
        """Begin a field.

        Raises:
            MalformedBodyError: There is one image too many.
        """
        self.image_count += name == IMAGE_FIELD
        if self.image_count > self.max_images:
            raise MalformedBodyError(
                f"the form exceeds the limit of {self.max_images} fields {IMAGE_FIELD!r}; send one"
                " image per request, or several to /detect/batch"
            )
        self.fields.append((name, [], is_file))
        self.field_bytes = 0

    def add_chunk(self, chunk: bytes) -> None:
        """Add a piece of the last field.

        Raises:
            ImageBytesError: The image has more bytes than the limit.
        """
        name, chunks, _ = self.fields[-1]
        self.field_bytes += len(chunk)
        if name == IMAGE_FIELD:
            if self.field_bytes > self.max_image_bytes:
                received = f"{self.field_bytes} bytes of an image have arrived so far"
                raise _build_size_error(received, self.max_image_bytes)
        elif self.field_bytes > MAX_FIELD_BYTES + len(chunk):
            return  # too long: it is refused in the end, unless the form has no image
        chunks.append(chunk)

    def to_upload(self) -> Upload:
        """Return images and fields of the whole form.

        Raises:
            MissingImageError: There is no image.
            OptionError: A field is too long for any option.
        """
        images: list[bytes] = []
        others: list[tuple[str, bytes]] = []
        for name, chunks, is_file in self.fields:
            content = b"".join(chunks)
            if name != IMAGE_FIELD:
                others.append((name, content))
                continue
            if not is_file and _FILE_NAME.fullmatch(content):
                raise MissingImageError(_describe_file_name(content))
            images.append(content)
        if not images:
            raise MissingImageError(
                f"the form has no field {IMAGE_FIELD!r}; it has"
                f" {', '.join(quote_text(name) for name, _ in others) or 'no fields'}; send the"
                f" image in a field {IMAGE_FIELD!r}"
            )
        return Upload(tuple(images), tuple(_decode_field(*other) for other in others))


def _describe_file_name(content: bytes) -> str:
    """Return the error of a field with a name or an address in place of an image."""
    text = quote_text(content.decode("utf-8", "replace"))
    if _URL.match(content):
        return (
            f"the field {IMAGE_FIELD!r} has the address {text}; download the image, and send its"
            " bytes; a service that fetches images takes the address as the query parameter url"
        )
    return (
        f"the field {IMAGE_FIELD!r} has the text {text} instead of a file; with curl, write @"
        f" before the name of the file: -F {IMAGE_FIELD}=@face.jpg"
    )


def _decode_field(name: str, content: bytes) -> tuple[str, str]:
    if len(content) > MAX_FIELD_BYTES:
        raise OptionError(
            f"the form field {quote_text(name)} exceeds the limit of {MAX_FIELD_BYTES} bytes;"
            " no option is that long"
        )
    return name, content.decode("utf-8", "replace")
