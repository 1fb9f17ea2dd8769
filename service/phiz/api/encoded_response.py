"""Responses with JSON, as all answers have it."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from phiz.api.security.headers import SECURITY_HEADERS
from phiz.wire.json_text import encode_json


class EncodedResponse(Response):
    """A response whose content is encoded already."""

    def __init__(self, body: bytes, server_timing: str = "") -> None:
        """Answer 200 with JSON; the framework's own way to these headers takes longer."""
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *SECURITY_HEADERS,
        ]
        if server_timing:
            self.raw_headers.append((b"server-timing", server_timing.encode()))


class ObjectResponse(JSONResponse):
    """A response whose content the framework has as an object."""

    def render(self, content: Mapping[str, Any]) -> bytes:
        """Return the content as JSON."""
        return encode_json(content)
