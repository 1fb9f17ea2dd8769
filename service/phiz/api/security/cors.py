"""Pages of other origins that may read the answers (the Fetch standard, section 3.3).

Answers are made in several places: by the routes, by the fast path, and by a connection before its
request begins. All of them ask ``CorsRules``, because a browser shows a page no answer without its
headers, not even an error. Starlette's middleware serves routes alone.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Self

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from phiz.api.security.headers import SECURITY_HEADERS, RawHeaders
from phiz.errors import SettingError

ANY_ORIGIN: Final = "*"
ORIGIN_FORM: Final = (
    "an origin is a scheme, a host and a port if it has one, such as https://app.example.org or"
    " http://localhost:5173, without a path; * alone allows all"
)
# Besides those that every page may read, such as Content-Type.
EXPOSED_HEADERS: Final = (
    b"access-control-expose-headers",
    b"Phiz-Faces, Retry-After, Server-Timing, X-Request-Id",
)
# A star does not stand for Authorization.
PREFLIGHT_HEADERS: Final[RawHeaders] = (
    (b"access-control-allow-methods", b"GET, HEAD, POST"),
    (b"access-control-allow-headers", b"*, Authorization"),
    (b"access-control-max-age", b"600"),  # seconds
)
_VARY: Final = (b"vary", b"Origin")
# A browser writes a host in lower case and ASCII, and leaves out the port of its scheme.
_ORIGIN: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class CorsRules:
    """The origins whose pages may read the answers.

    Attributes:
        headers_by_origin: Headers of the answers to an origin; empty if all origins are allowed.
        other_headers: Headers of all other answers.
    """

    headers_by_origin: Mapping[bytes, RawHeaders]
    other_headers: RawHeaders

    @classmethod
    def from_setting(cls, origins: Iterable[str]) -> Self:
        """Return the rules of a list of origins.

        Raises:
            SettingError: An entry is not an origin.
        """
        entries = tuple(origins)
        if entries == (ANY_ORIGIN,):
            return cls({}, _build_allowance(ANY_ORIGIN.encode()))
        names = [_parse_origin(entry).encode() for entry in entries]
        return cls({name: (*_build_allowance(name), _VARY) for name in names}, (_VARY,))

    def build_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
        """Return headers for the answer to a request, given its own."""
        if not self.headers_by_origin:
            return self.other_headers
        origin = next((value for name, value in headers if name == b"origin"), b"")
        return self.headers_by_origin.get(origin, self.other_headers)

    def has_origin(self, origin: str) -> bool:
        """Return whether the pages of an origin may read the answers."""
        return not self.headers_by_origin or origin.encode() in self.headers_by_origin


class CorsGate:
    """An application in front of another, which adds the headers and answers preflights.

    A browser sends a preflight by itself, and without a key. It is answered before all rules of
    access, and costs as much as a health check.
    """

    def __init__(self, app: ASGIApp, rules: CorsRules) -> None:
        """Return an application that passes all but preflights on."""
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = self._rules.build_headers(scope["headers"])
        if scope["method"] == "OPTIONS" and _is_preflight(scope):
            await _answer_preflight(added, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _build_allowance(origin: bytes) -> RawHeaders:
    return (b"access-control-allow-origin", origin), EXPOSED_HEADERS


def _parse_origin(entry: str) -> str:
    """Return an origin as browsers write it."""
    found = _ORIGIN.fullmatch(entry.lower())
    if found is None:
        raise SettingError(f"PHIZ_CORS_ORIGINS has the entry {entry!r}; {ORIGIN_FORM}")
    scheme, host, port = found.groups("")
    default = f":{DEFAULT_PORTS.get(scheme)}"
    return f"{scheme}://{host}{'' if port == default else port}"


def _is_preflight(scope: Scope) -> bool:
    names = {name for name, _ in scope["headers"]}
    return {b"origin", b"access-control-request-method"} <= names


async def _answer_preflight(added: RawHeaders, send: Send) -> None:
    allowed = PREFLIGHT_HEADERS if len(added) > 1 else ()
    headers = [*SECURITY_HEADERS, *added, *allowed]
    await send({"type": "http.response.start", "status": HTTPStatus.NO_CONTENT, "headers": headers})
    await send({"type": "http.response.body"})
