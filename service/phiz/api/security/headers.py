"""Headers that protect browsers, on every answer."""

from collections.abc import Iterable
from typing import Final, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RawHeaders: TypeAlias = tuple[tuple[bytes, bytes], ...]

# An answer is data, and is never shown as a page.
DATA_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
STUDY_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
SECURITY_HEADERS: Final[RawHeaders] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", DATA_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""Headers of every answer that does not have its own."""


def add_missing_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return headers with those of ``SECURITY_HEADERS`` that are not among them."""
    own = list(headers)
    names = {name.lower() for name, _ in own}
    return own + [header for header in SECURITY_HEADERS if header[0] not in names]


class HeaderShield:
    """An application in front of another, which adds the missing security headers."""

    def __init__(self, app: ASGIApp) -> None:
        """Return an application that passes all requests on."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""

        async def send_shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = add_missing_headers(message.get("headers", ()))
            await send(message)

        await self._app(scope, receive, send_shielded if scope["type"] == "http" else send)
