"""Reads a JSON object with images in base64, while it arrives.

A JSON text is split into its strings and the rest. Short strings are kept, and a longer one is
decoded at once as the base64 of an image, so that the service holds an image and never its text.
Where each string stood, the rest has its number. It is small, and orjson reads it in the end.
"""

from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson

from phiz.api.content.base64_text import Base64Decoder
from phiz.api.content.size_limit import build_size_error
from phiz.api.content.upload import (
    MAX_FIELD_BYTES,
    OVERHEAD_BYTES,
    Upload,
    build_length_error,
    describe_file_name,
    describe_image_names,
    is_image_field,
)
from phiz.api.options import quote_text
from phiz.api.server.bodies import BodyReservation
from phiz.api.service import BodyLimits
from phiz.errors import ImageBytesError, MalformedBodyError, MissingImageError, OptionError

# Four characters for three bytes, and an eighth more for line breaks and escapes.
_TEXT_RATIO: Final = 1.5
_QUOTE: Final = b'"'
_BACKSLASH: Final = b"\\"

_JsonString: TypeAlias = bytes | Base64Decoder
"""The content of a short string, with its escapes, or a long one."""


class JsonReader:
    """Reads a JSON object piece by piece."""

    def __init__(self, limits: BodyLimits, image_field: str) -> None:
        """Wait for the first piece.

        Args:
            limits: Limits of the images.
            image_field: Name of a member with an image, for advice.
        """
        self._limits = limits
        self._max_bytes = int(_TEXT_RATIO * limits.max_body_bytes) + OVERHEAD_BYTES
        self._image_field = image_field
        self._splitter = _JsonSplitter(limits, image_field)
        self._received_bytes = 0

    def check_length(self, length: int) -> None:
        """Check the announced length of the object.

        Raises:
            ImageBytesError: It is larger than the limit.
        """
        if length > self._max_bytes:
            raise _build_text_error(f"the body has {length} bytes", self._max_bytes, self._limits)

    def feed(self, piece: bytes, reservation: BodyReservation) -> None:
        """Read a piece. The bytes that are held of it are counted.

        Raises:
            ImageBytesError: The object, or an image in it, is larger than the limit.
            MalformedBodyError: There are too many images, too much beside them, or one is not
                base64.
            OverloadedError: All bodies together have too many bytes.
        """
        self._received_bytes += len(piece)
        if self._received_bytes > self._max_bytes:
            received = f"{self._received_bytes} bytes have arrived so far"
            raise _build_text_error(received, self._max_bytes, self._limits)
        self._splitter.add(piece)
        # A string that turns out to be an image takes less than its text.
        reservation.add_bytes(max(0, self._splitter.held_bytes - reservation.size_bytes))

    def finish(self) -> Upload:
        """Return the images and the other members of the whole object.

        Raises:
            MalformedBodyError: It is not a JSON object, or has too many images.
            MissingImageError: It has no image.
            OptionError: A member is given twice, or too long for any option.
        """
        self._splitter.close()
        reader = _MemberReader(self._splitter.strings, self._limits.max_images, self._image_field)
        # Programs of Windows begin files with the mark, which RFC 8259 (section 8.1) lets us skip.
        return reader.read(bytes(self._splitter.rest.removeprefix(BOM_UTF8)))


def _build_text_error(found: str, max_bytes: int, limits: BodyLimits) -> ImageBytesError:
    return ImageBytesError(
        f"{found}; the limit is {max_bytes}, for {limits.max_body_bytes} bytes in base64; send a"
        " smaller image"
    )


@dataclass(slots=True)
class _JsonSplitter:
    """Splits a JSON text, given in pieces.

    Attributes:
        limits: Limits of the images.
        image_field: Name of a member with an image, for advice.
        rest: The text, with the number of each string in its place.
        strings: The strings so far; the last one may not be complete.
        text_bytes: Bytes of the rest and of the short strings.
        image_bytes: Bytes of the decoded strings that are complete.
        image_count: Number of decoded strings.
    """

    limits: BodyLimits
    image_field: str
    rest: bytearray = field(default_factory=bytearray)
    strings: list[_JsonString] = field(default_factory=list)
    text_bytes: int = 0
    image_bytes: int = 0
    image_count: int = 0
    _is_in_string: bool = False
    _is_escaping: bool = False  # whether the last character is a backslash that escapes the next

    @property
    def held_bytes(self) -> int:
        """Bytes that are held in all."""
        last = self.strings[-1] if self._is_in_string else b""
        growing_bytes = last.size_bytes if isinstance(last, Base64Decoder) else 0
        return self.text_bytes + self.image_bytes + growing_bytes

    def add(self, chunk: bytes) -> None:
        """Split a piece.

        Raises:
            MalformedBodyError: There are too many images, too much beside them, or one is not
                base64.
            ImageBytesError: The images have too many bytes.
        """
        at = 0
        while at < len(chunk):
            end = chunk.find(_QUOTE, at)
            piece = chunk[at:] if end < 0 else chunk[at:end]
            at += len(piece) + 1
            if not self._is_in_string:
                self._add_text(piece)
                if end >= 0:
                    self._start_string()
                continue
            is_escaped = self._skip_escapes(piece)
            self._is_escaping = is_escaped and end < 0
            if end >= 0 and not is_escaped:
                self._extend_string(piece)
                self._end_string()
            else:
                self._extend_string(piece if end < 0 else piece + _QUOTE)

    def close(self) -> None:
        """Check that the text is complete.

        Raises:
            MalformedBodyError: It ends within a string.
        """
        if self._is_in_string:
            raise MalformedBodyError("the JSON ends within a string; send all of it")

    def _add_text(self, piece: bytes) -> None:
        self.rest += piece
        self._count_text(len(piece))

    def _count_text(self, size_bytes: int) -> None:
        self.text_bytes += size_bytes
        if self.text_bytes > OVERHEAD_BYTES:
            raise MalformedBodyError(
                f"the JSON exceeds the limit of {OVERHEAD_BYTES} bytes beside its images; send an"
                f" object such as {_write_example(self.image_field)}"
            )

    def _start_string(self) -> None:
        self._add_text(b'"%d"' % len(self.strings))
        self.strings.append(b"")
        self._is_in_string = True

    def _skip_escapes(self, piece: bytes) -> bool:
        """Return whether the character after a piece of a string is escaped."""
        backslashes = len(piece) - len(piece.rstrip(_BACKSLASH))
        if backslashes == len(piece):
            backslashes += self._is_escaping
        return backslashes % 2 == 1

    def _extend_string(self, piece: bytes) -> None:
        last = self.strings[-1]
        if isinstance(last, bytes):
            whole = last + piece
            if len(whole) <= MAX_FIELD_BYTES:
                self._count_text(len(piece))
                self.strings[-1] = whole
                return
            self.text_bytes -= len(last)
            last, piece = self._start_image(), whole
        last.add(piece)
        if last.size_bytes > self.limits.max_image_bytes:
            received = f"{last.size_bytes} bytes of an image have arrived so far"
            raise build_size_error(received, self.limits.max_image_bytes)
        if self.image_bytes + last.size_bytes > self.limits.max_body_bytes:
            received = f"{self.image_bytes + last.size_bytes} bytes of images have arrived so far"
            raise build_size_error(received, self.limits.max_body_bytes)

    def _start_image(self) -> Base64Decoder:
        self.image_count += 1
        if self.image_count > self.limits.max_images:
            raise _build_excess_error(self.limits.max_images)
        self.strings[-1] = decoder = Base64Decoder()
        return decoder

    def _end_string(self) -> None:
        self._is_in_string = self._is_escaping = False
        last = self.strings[-1]
        if isinstance(last, Base64Decoder):
            self.image_bytes += last.size_bytes


def _write_example(image_field: str) -> str:
    return f'{{"{image_field}": "<the file in base64>"}}'


def _build_excess_error(max_images: int) -> MalformedBodyError:
    return MalformedBodyError(
        f"the JSON exceeds the limit of {max_images} images; send one image per request, or several"
        ' to /detect/batch as {"images": ["…", "…"]}'
    )


@dataclass(slots=True)
class _MemberReader:
    """Reads the object in the rest of a JSON text.

    Attributes:
        strings: The strings of the text, by their number.
        max_images: Maximum number of images.
        image_field: Name of a member with an image, for advice.
        images: The images so far.
        fields: Names and texts of the other members so far.
    """

    strings: list[_JsonString]
    max_images: int
    image_field: str
    images: list[bytes] = field(default_factory=list)
    fields: list[tuple[str, str]] = field(default_factory=list)

    def read(self, rest: bytes) -> Upload:
        """Return the images and the other members.

        Raises:
            MalformedBodyError: The text is not a JSON object, or an image is not base64.
            MissingImageError: There is no image.
            OptionError: A member is given twice, or too long.
        """
        try:
            members = orjson.loads(rest)
        except orjson.JSONDecodeError:  # its places are those of the rest
            raise MalformedBodyError(
                "the body is not valid JSON; send an object such as"
                f" {_write_example(self.image_field)}"
            ) from None
        if not isinstance(members, dict):
            raise MalformedBodyError(
                f"the JSON is not an object; send one such as {_write_example(self.image_field)}"
            )
        names: set[str] = set()
        for key, value in members.items():
            name = self._read_text(self.strings[int(key)], "", "name of a member")
            if name in names:
                raise OptionError(f"the member {quote_text(name)} is given twice; give it once")
            names.add(name)
            if is_image_field(name):
                self._add_images(name, value)
            else:
                self.fields.append((name, self._read_option(name, value)))
        if not self.images:
            found = ", ".join(quote_text(name) for name, _ in self.fields) or "no members"
            raise MissingImageError(
                f"the JSON has no member {self.image_field!r}; it has {found}; send the image in"
                f" base64 as a member {describe_image_names(self.image_field)}"
            )
        return Upload(tuple(self.images), tuple(self.fields))

    def _add_images(self, name: str, value: Any) -> None:  # noqa: ANN401  of any JSON
        for each in _iterate(value):
            if not isinstance(each, str):
                raise MalformedBodyError(
                    f"the member {quote_text(name)} is not a text; send the image in base64, as in"
                    f" {_write_example(self.image_field)}"
                )
            if len(self.images) == self.max_images:
                raise _build_excess_error(self.max_images)
            self.images.append(self._read_image(name, self.strings[int(each)]))

    def _read_image(self, name: str, content: _JsonString) -> bytes:
        if isinstance(content, Base64Decoder):
            return content.finish()
        where, remedy = f"the member {quote_text(name)}", "send the bytes of the file in base64"
        if problem := describe_file_name(where, content.replace(rb"\/", b"/"), remedy):
            raise MissingImageError(problem)
        decoder = Base64Decoder()
        decoder.add(content)
        return decoder.finish()

    def _read_option(self, name: str, value: Any) -> str:  # noqa: ANN401  of any JSON
        """Return a value as the text that a query would have; an empty one is not given."""
        if isinstance(value, str):
            return self._read_text(self.strings[int(value)], name, "member")
        if isinstance(value, list | dict):
            return "[…]" if isinstance(value, list) else "{…}"
        return "" if value is None else orjson.dumps(value).decode()

    def _read_text(self, content: _JsonString, name: str, what: str) -> str:
        if isinstance(content, Base64Decoder):
            raise build_length_error(what, name)
        try:
            text: str = orjson.loads(_QUOTE + content + _QUOTE)
        except orjson.JSONDecodeError:
            raise MalformedBodyError(
                "a text of the JSON has characters or escapes that JSON does not allow; encode it"
                " as UTF-8"
            ) from None
        return text


def _iterate(value: Any) -> Iterator[Any]:  # noqa: ANN401  of any JSON
    """Yield the entries of a list, or the value itself."""
    yield from value if isinstance(value, list) else (value,)
