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

from phiz.api.admission import Body
from phiz.api.options import shown
from phiz.errors import (
    BodyTimeoutError,
    ImageBytesError,
    MalformedBodyError,
    MissingImageError,
    OptionError,
    UnsupportedImageError,
)

FORM = "multipart/form-data"
OCTETS = "application/octet-stream"
IMAGE_FIELD = "image"

# What a form may have beside the picture: boundaries, headers of parts, options.
FORM_OVERHEAD_BYTES = 64 * 1024
MAX_FIELDS = 31  # beside the pictures
MAX_FIELD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """What a body holds.

    Attributes:
        pictures: As they were sent, encoded; at least one.
        fields: Name and text of each other field of a form, in its order.
    """

    pictures: tuple[bytes, ...]
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a body may hold.

    Attributes:
        pictures: So many.
        picture_bytes: The largest picture.
        body_bytes: All pictures together.
        seconds: Until the whole body is there.
    """

    pictures: int
    picture_bytes: int
    body_bytes: int
    seconds: float


async def read_upload(request: Request, allowance: Allowance, held: Body) -> Upload:
    """Return the pictures and the fields of a request, once its last byte is there.

    Args:
        request: Its body must not have been touched.
        allowance: What it may hold.
        held: Is told of every byte.

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
        async with asyncio.timeout(allowance.seconds):
            return await _read(request, allowance, held)
    except TimeoutError:
        raise BodyTimeoutError(
            f"the body was not complete after {allowance.seconds} s, which is the limit;"
            " send a smaller picture"
        ) from None


async def _read(request: Request, allowance: Allowance, held: Body) -> Upload:
    media_type, parameters = parse_options_header(request.headers.get("content-type", OCTETS))
    if media_type == FORM:
        return await _read_form(request, parameters.get("boundary", ""), allowance, held)
    if allowance.pictures > 1:
        raise UnsupportedImageError(
            f"the content type is {shown(media_type)}; send a form ({FORM}) with each picture in a"
            f" field {IMAGE_FIELD!r} of its own (curl: -F image=@a.jpg -F image=@b.jpg)"
        )
    if media_type == OCTETS or media_type.startswith("image/"):
        return Upload((await _read_raw(request, allowance.picture_bytes, held),))
    raise UnsupportedImageError(
        f"the content type is {shown(media_type)}; send a form ({FORM}) with the picture in its"
        f" field {IMAGE_FIELD!r}, or the picture itself as image/jpeg, image/png, … or {OCTETS}"
        " (curl: -F image=@face.jpg, or --data-binary @face.jpg -H 'content-type: image/jpeg')"
    )


async def _read_raw(request: Request, max_bytes: int, held: Body) -> bytes:
    _check_announced(request, max_bytes, 0)
    chunks: list[bytes] = []
    async for chunk in request.stream():
        held.add(len(chunk))
        _check_received(held.size, max_bytes, 0)
        chunks.append(chunk)
    return b"".join(chunks)


async def _read_form(request: Request, boundary: str, allowance: Allowance, held: Body) -> Upload:
    _check_announced(request, allowance.body_bytes, FORM_OVERHEAD_BYTES)
    form = _Form(allowance)
    try:
        parser = PushMultipartParser(boundary, max_segment_count=MAX_FIELDS + allowance.pictures)
        # The stream ends with an empty chunk, which closes the parser: a form that is cut
        # short is an error there.
        async for chunk in request.stream():
            held.add(len(chunk))
            _check_received(held.size, allowance.body_bytes, FORM_OVERHEAD_BYTES)
            for event in parser.parse(chunk):
                form.take(event)
    except MultipartError as error:
        # The first argument is the parser's own text; a second one quotes the body.
        raise MalformedBodyError(f"the form cannot be read: {error.args[0]}") from error
    return form.upload()


def _check_announced(request: Request, max_bytes: int, beside_bytes: int) -> None:
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes + beside_bytes:
        raise ImageBytesError(
            f"the body has {length} bytes; the limit is {max_bytes}{_beside(beside_bytes)}."
            " Send a smaller picture"
        )


def _check_received(received: int, max_bytes: int, beside_bytes: int) -> None:
    if received > max_bytes + beside_bytes:
        raise ImageBytesError(
            f"{received} bytes have come so far; the limit is {max_bytes}{_beside(beside_bytes)}."
            " Send a smaller picture"
        )


def _beside(beside_bytes: int) -> str:
    return f" for the picture and {beside_bytes} for all else in the form" if beside_bytes else ""


class _Form:
    """Gathers what the parser finds, part by part."""

    __slots__ = ("_allowance", "_name", "_parts", "_pictures", "_size")

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._pictures = 0
        self._parts: list[tuple[str, list[bytes]]] = []
        self._name = ""
        self._size = 0

    def take(self, event: MultipartSegment | bytes | None) -> None:
        """Take one event: the head of a part, a piece of its content, or None for its end."""
        if isinstance(event, MultipartSegment):
            self._begin(event.name)
        elif event is not None:
            self._add(event)

    def upload(self) -> Upload:
        """Return picture and fields of the whole form."""
        others = [(name, b"".join(chunks)) for name, chunks in self._parts if name != IMAGE_FIELD]
        pictures = [chunks for name, chunks in self._parts if name == IMAGE_FIELD]
        if not pictures:
            raise MissingImageError(
                f"the form has no field {IMAGE_FIELD!r}; it has"
                f" {', '.join(shown(name) for name, _ in others) or 'no fields at all'}"
            )
        return Upload(tuple(map(b"".join, pictures)), tuple(_text(*field) for field in others))

    def _begin(self, name: str) -> None:
        self._pictures += name == IMAGE_FIELD
        if self._pictures > self._allowance.pictures:
            raise MalformedBodyError(_too_many(self._allowance.pictures))
        self._parts.append((name, []))
        self._name = name
        self._size = 0

    def _add(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._name == IMAGE_FIELD:
            _check_received(self._size, self._allowance.picture_bytes, 0)
        elif self._size > MAX_FIELD_BYTES + len(chunk):
            # Too long already: it is refused in the end, unless the picture is what is missing.
            return
        self._parts[-1][1].append(chunk)


def _too_many(limit: int) -> str:
    if limit > 1:
        return f"the form has more than {limit} fields {IMAGE_FIELD!r}, which is the limit"
    return (
        f"the form has more than one field {IMAGE_FIELD!r}; send one picture a request, or"
        " several to /detect/batch"
    )


def _text(name: str, content: bytes) -> tuple[str, str]:
    if len(content) > MAX_FIELD_BYTES:
        raise OptionError(
            f"the form field {shown(name)} has more than {MAX_FIELD_BYTES} bytes;"
            " no option is that long"
        )
    return name, content.decode("utf-8", "replace")
