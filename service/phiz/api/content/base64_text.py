"""Decodes base64 while it arrives, as clients write it in JSON."""

import binascii
import re
from typing import Final

from phiz.errors import MalformedBodyError

# RFC 4648, section 5: the alphabet of addresses. Programs break lines after 64 or 76 characters.
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_WHITESPACE: Final = b" \t\r\n"
# Escapes of JSON (RFC 8259, section 7). PHP writes \/, and .NET writes \u002B for a plus.
_ESCAPE: Final = re.compile(rb"\\(?:u00([0-9a-fA-F]{2})|([/nrtbf]))")
_ESCAPED_CHARACTERS: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_ESCAPE_BYTES: Final = 6
_DATA_URL: Final = re.compile(rb"\s*data:([^,]{0,500}),", re.IGNORECASE)
_GROUP: Final = 4  # characters
_GROUP_BYTES: Final = 3
_MAX_PADDING: Final = 2


class Base64Decoder:
    """Decodes the content of a JSON string, given in pieces.

    The string is base64 or a data URL (RFC 2397), of either alphabet, with or without padding and
    line breaks.

    """

    __slots__ = ("_chunks", "_decoded_bytes", "_escape", "_has_begun", "_padding", "_rest")

    def __init__(self) -> None:
        """Wait for the first piece."""
        self._decoded_bytes = 0
        self._chunks: list[bytes] = []
        self._has_begun = False
        self._escape = b""  # the last one, if it may be cut
        self._rest = b""  # characters of a group that is not complete
        self._padding = 0

    @property
    def size_bytes(self) -> int:
        """Bytes that the characters so far stand for."""
        return self._decoded_bytes + len(self._rest) * _GROUP_BYTES // _GROUP

    def add(self, piece: bytes) -> None:
        """Decode a piece. The first one has the whole beginning of a data URL, if it is one.

        Raises:
            MalformedBodyError: It is not base64.
        """
        text = self._escape + piece
        start = text.rfind(b"\\", -_ESCAPE_BYTES + 1)
        start = len(text) if start < 0 or _ESCAPE.match(text, start) else start
        text, self._escape = text[:start], text[start:]
        if b"\\" in text:
            text = _ESCAPE.sub(_unescape, text)
        if not self._has_begun:
            self._has_begun = True
            text = _strip_data_url(text)
        characters = text.translate(_TO_STANDARD, _WHITESPACE)
        data = characters.rstrip(b"=")
        if b"=" in data or (data and self._padding):
            raise _build_error("has characters after its end (=)")
        self._padding += len(characters) - len(data)
        data = self._rest + data
        end = len(data) - len(data) % _GROUP
        self._rest = data[end:]
        self._decode(data[:end])

    def finish(self) -> bytes:
        """Return all decoded bytes.

        Raises:
            MalformedBodyError: It is not base64, or cut short.
        """
        if self._escape or self._padding > _MAX_PADDING:
            raise _build_error("ends with other characters than base64 has")
        if len(self._rest) == 1:
            raise _build_error("is cut short")
        if self._rest:
            last, self._rest = self._rest, b""
            self._decode(last.ljust(_GROUP, b"="))
        return b"".join(self._chunks)

    def _decode(self, characters: bytes) -> None:
        try:
            chunk = binascii.a2b_base64(characters, strict_mode=True)
        except binascii.Error:  # its text would be no help
            raise _build_error("has other characters than base64 has") from None
        self._decoded_bytes += len(chunk)
        self._chunks.append(chunk)


def _unescape(found: re.Match[bytes]) -> bytes:
    if found[1] is not None:
        return bytes.fromhex(found[1].decode())
    return _ESCAPED_CHARACTERS.get(found[2], found[2])


def _strip_data_url(text: bytes) -> bytes:
    found = _DATA_URL.match(text)
    if found is None:
        return text
    if not found[1].rstrip().lower().endswith(b";base64"):
        raise _build_error("is a data URL without base64")
    return text[found.end() :]


def _build_error(problem: str) -> MalformedBodyError:
    return MalformedBodyError(
        f"the text of an image {problem}; send the bytes of the file in base64, or as a data URL"
    )
