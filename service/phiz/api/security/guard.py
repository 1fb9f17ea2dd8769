"""The guard: refuses requests without a key, without its scope, above the rate, or at another port.

It decides by the head of a request, before the body is read.
"""

import base64
import binascii
import math
import time
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from phiz.api.errors import count_rejection, get_error_code, respond_to_error
from phiz.api.request_record import REQUEST_TYPES, get_record
from phiz.api.security.keys import DETECT_SCOPE, DOCS_SCOPE, METRICS_SCOPE, ApiKey, KeyRing
from phiz.api.security.rates import Rate, RateLimiter
from phiz.api.server.clients import get_address
from phiz.errors import AccessError, ApiKeyError, RateLimitError, ScopeError

METRICS_PATH: Final = "/metrics"
STREAM_PATH: Final = "/stream"
KEY_PROTOCOL: Final = "phiz.key."
"""A subprotocol that begins so has the key of a stream. Web pages cannot send a header there."""
DOCS_PREFIX: Final = "/docs/"  # of the files of the page for programmers
PAGE_PREFIX: Final = "/page/"  # of the files of the page for people
PROBE_PATHS_OPEN: Final = frozenset(
    {"/healthz", "/readyz", "/v1/status/ping", "/v2/health/live", "/v2/health/ready"}
)
SCOPE_BY_PATH: Final = {
    "/detect": DETECT_SCOPE,
    "/detect/batch": DETECT_SCOPE,
    "/crops": DETECT_SCOPE,
    "/blur": DETECT_SCOPE,
    "/classify": DETECT_SCOPE,
    "/models": DETECT_SCOPE,
    STREAM_PATH: DETECT_SCOPE,
    METRICS_PATH: METRICS_SCOPE,
    "/": DOCS_SCOPE,
    "/favicon.ico": DOCS_SCOPE,
    "/docs": DOCS_SCOPE,
    "/openapi.json": DOCS_SCOPE,
    "/study": DOCS_SCOPE,
}
"""The scope that each path needs."""
SCOPE_BY_PREFIX: Final = {
    DOCS_PREFIX: DOCS_SCOPE,
    PAGE_PREFIX: DOCS_SCOPE,
    "/v1/vision/": DETECT_SCOPE,
    "/api/v1/": DETECT_SCOPE,
    "/v2": DETECT_SCOPE,
}
"""The scope of other paths. Any key is enough for the rest, which has no route."""
# Clients of DeepStack send no header, but a password that is part of the address.
PATHS_WITH_PASSWORD: Final = frozenset({"/v1/vision/face"})

BEARER_CHALLENGE: Final = 'Bearer realm="phiz"'  # RFC 6750, section 3
# Browsers ask for a password after this one, if it has a header of its own.
BASIC_CHALLENGE: Final = 'Basic realm="phiz", charset="UTF-8"'


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of access.

    Attributes:
        keys: The API keys; None if none is needed.
        rate: Rate of each key without one of its own; without keys, of each source address. None
            for no limit.
        metrics_port: Port of ``/metrics`` and of nothing else; None if it has none of its own.
    """

    keys: KeyRing | None = None
    rate: Rate | None = None
    metrics_port: int | None = None
    _limiter: RateLimiter = field(default_factory=RateLimiter, init=False)

    @property
    def is_open(self) -> bool:
        """Whether images need no key and have no rate."""
        return self.keys is None and self.rate is None

    def check(self, scope: Scope) -> None:
        """Check the head of a request, and count the request.

        The record of the request gets the name of its key, and a way to count its other images.

        Raises:
            ApiKeyError: It has no valid key.
            ScopeError: Its key does not allow the path.
            RateLimitError: Its client sends too many requests.
            HTTPException: The path belongs to another port.
        """
        path = scope["path"]
        if self.metrics_port is not None and self._check_port(scope, path):
            return
        if path in PROBE_PATHS_OPEN:
            return
        if self.keys is None:
            client, rate = get_address(scope), self.rate
        else:
            key = _find_key(self.keys, scope, path)
            get_record(scope).client = client = key.name
            rate = key.rate or self.rate
        if rate is not None:
            self._take(scope, client, rate)
        if scope["type"] == "websocket":
            get_record(scope).admit_frame = partial(self._admit_frame, scope, client)

    def _admit_frame(self, scope: Scope, client: str) -> float:
        """Return 0 and count a frame of a stream, or return the seconds until one is allowed.

        Raises:
            AccessError: The key has been removed, or has lost its scope.
        """
        rate = self.rate
        if self.keys is not None:
            rate = _find_key(self.keys, scope, scope["path"]).rate or rate
        return 0.0 if rate is None else self._limiter.take(client, rate, time.monotonic())

    def _check_port(self, scope: Scope, path: str) -> bool:
        """Return whether a request is one for metrics at their own port."""
        at_metrics = scope["server"][1] == self.metrics_port
        if at_metrics and (path == METRICS_PATH or path in PROBE_PATHS_OPEN):
            return True
        if at_metrics or path == METRICS_PATH:
            raise HTTPException(
                HTTPStatus.NOT_FOUND,
                "there is nothing at this address; this port has /metrics alone"
                if at_metrics
                else "there is nothing at this address; /metrics has a port of its own",
            )
        return False

    def _take(self, scope: Scope, client: str, rate: Rate) -> None:
        now_s = time.monotonic()
        wait_s = self._limiter.take(client, rate, now_s)
        if wait_s:
            seconds = math.ceil(wait_s)
            raise RateLimitError(
                f"more requests than the rate of {rate.count} in {rate.period_s} s with a burst of"
                f" {rate.burst}; try again in {seconds} s",
                wait_s,
            )
        charge = partial(self._limiter.charge, client, rate, now_s)
        get_record(scope).charge = charge


class Gate:
    """An application in front of another, which passes on what the guard allows."""

    def __init__(self, app: ASGIApp, guard: Guard, counted_app: object = None) -> None:
        """Return an application; refusals are counted in the metrics of ``counted_app``."""
        self._app = app
        self._guard = guard
        self._counted_app = counted_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        if scope["type"] in REQUEST_TYPES:
            try:
                self._guard.check(scope)
            except (AccessError, HTTPException) as error:
                count_rejection(self._counted_app or scope.get("app"), get_error_code(error))
                await respond_to_refusal(error, scope)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def respond_to_refusal(error: Exception, scope: Scope) -> Response:
    """Return the answer to a refused request, with the challenge of a missing key."""
    response = respond_to_error(error, scope)
    if isinstance(error, ApiKeyError):
        response.headers.append("WWW-Authenticate", BEARER_CHALLENGE)
        if get_needed_scope(scope["path"]) == DOCS_SCOPE:
            response.headers.append("WWW-Authenticate", BASIC_CHALLENGE)
    return response


def _find_key(keys: KeyRing, scope: Scope, path: str) -> ApiKey:
    needed = get_needed_scope(path)
    accepts_basic = needed == DOCS_SCOPE or path in PATHS_WITH_PASSWORD
    sent = _read_sent_key(scope, accepts_basic=accepts_basic)
    key = keys.find_key(sent) if sent else None
    if key is None:
        problem = (
            "the API key is not one of the service's" if sent else "the request has no API key"
        )
        raise ApiKeyError(
            f"{problem}; send the key that the operator gave you in the header X-API-Key, or as"
            " Authorization: Bearer KEY"
        )
    if needed and needed not in key.scopes:
        raise ScopeError(
            f"the API key does not have the scope {needed}; ask the operator for a key with it"
        )
    return key


def get_needed_scope(path: str) -> str:
    """Return the scope that a path needs; nothing if any key is enough."""
    if scope := SCOPE_BY_PATH.get(path):
        return scope
    scopes = (scope for prefix, scope in SCOPE_BY_PREFIX.items() if path.startswith(prefix))
    return next(scopes, "")


def _read_sent_key(scope: Scope, *, accepts_basic: bool) -> bytes:
    """Return the key that a request has, or nothing."""
    authorization = b""
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return bytes(value.strip())
        if name == b"authorization":
            authorization = value
    scheme, _, credentials = authorization.partition(b" ")
    if scheme.lower() == b"bearer":
        return credentials.strip()
    if accepts_basic and scheme.lower() == b"basic":
        return _read_password(credentials)
    for protocol in scope.get("subprotocols", ()):
        if protocol.startswith(KEY_PROTOCOL):
            return str(protocol.removeprefix(KEY_PROTOCOL)).encode("latin-1", "replace")
    return b""


def _read_password(credentials: bytes) -> bytes:
    """Return the password of Basic credentials (RFC 7617), or nothing."""
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
