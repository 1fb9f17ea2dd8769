"""Requests for a stream, which become WebSockets."""

import base64
import binascii
import re
from typing import Final

from phiz.api.server.request_head import HeaderLines

STREAM_TARGET: Final = b"/stream"
# As the library has it, which reads the head again.
_MAX_LINE_BYTES: Final = 8000
_KEY_BYTES: Final = 16
_BODY_HEADERS: Final = frozenset({b"content-length", b"transfer-encoding"})
_WEBSOCKET_VERSION: Final = b"13"
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SUBPROTOCOLS: Final = re.compile(rb"%b(?:[ \t]*,[ \t]*%b)*" % (_TOKEN, _TOKEN))


def is_stream_request(method: bytes, url: bytes, headers: HeaderLines) -> bool:
    """Return whether a request asks for a stream, as of RFC 6455, section 4.2.1."""
    if method != b"GET" or url.partition(b"?")[0] != STREAM_TARGET:
        return False
    if len(url) > _MAX_LINE_BYTES or not url.isascii():
        return False
    fields = dict(headers)
    names = [name for name, _ in headers]
    return (
        all(len(value) <= _MAX_LINE_BYTES for value in fields.values())
        and fields.keys().isdisjoint(_BODY_HEADERS)
        and names.count(b"upgrade") == 1
        and fields.get(b"upgrade", b"").lower() == b"websocket"
        and b"upgrade" in _split_tokens(fields.get(b"connection", b""))
        and fields.get(b"sec-websocket-version") == _WEBSOCKET_VERSION
        and names.count(b"sec-websocket-key") == 1
        and _is_key(fields[b"sec-websocket-key"])
        and all(
            _SUBPROTOCOLS.fullmatch(value)
            for name, value in headers
            if name == b"sec-websocket-protocol"
        )
    )


def format_stream_request(url: bytes, headers: HeaderLines) -> bytes:
    """Return the head of a request for a stream.

    It has no cookies, which nothing here reads.
    """
    lines = [b"%b: %b" % header for header in headers if header[0] != b"cookie"]
    return b"\r\n".join([b"GET %b HTTP/1.1" % url, *lines, b"", b""])


def _split_tokens(value: bytes) -> set[bytes]:
    return {token.strip().lower() for token in value.split(b",")}


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value.strip(), validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False
