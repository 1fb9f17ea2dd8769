"""A response with an image or an archive, which may be large and is read slowly."""

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from phiz.api.security.headers import SECURITY_HEADERS
from phiz.wire.messages import EncodedAnswer

FACES_HEADER: Final = "phiz-faces"
_CHUNK_BYTES: Final = 1 << 18
# Seconds in which an answer is to be read, and bytes a second after them.
_READ_GRACE_S: Final = 30.0
_MIN_READ_RATE: Final = 50_000


class PictureResponse(Response):
    """The response with a picture. Its bytes count as held until its client has them."""

    def __init__(self, answer: EncodedAnswer, release: Callable[[], None]) -> None:
        """Answer 200; ``release`` is called when the answer was sent."""
        self.status_code = 200
        self.background = None
        self.body = answer.body
        self.raw_headers = [
            (b"content-type", answer.media_type.encode()),
            (b"content-length", b"%d" % len(answer.body)),
            (FACES_HEADER.encode(), b"%d" % (answer.face_count or 0)),
            (b"server-timing", answer.server_timing.encode()),
            *((name.encode(), value.encode()) for name, value in answer.headers),
            *SECURITY_HEADERS,
        ]
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI
        """Send the answer in parts (ASGI), so that the connection buffers only one of them."""
        body = memoryview(bytes(self.body))
        limit_s = _READ_GRACE_S + len(body) / _MIN_READ_RATE
        try:
            async with asyncio.timeout(limit_s):
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
                for start in range(0, max(1, len(body)), _CHUNK_BYTES):
                    end = start + _CHUNK_BYTES
                    await send(
                        {
                            "type": "http.response.body",
                            "body": bytes(body[start:end]),
                            "more_body": end < len(body),
                        }
                    )
        except TimeoutError:
            pass  # the server closes a connection whose answer is not complete
        finally:
            self._release()
