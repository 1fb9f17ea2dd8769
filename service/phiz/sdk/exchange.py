"""A call with its repetitions: what is sent, what is read, and when it is tried again.

Nothing here sends or waits, so ``Client`` and ``AsyncClient`` share all of it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Generic

import httpx
import tenacity

import phiz
from phiz.errors import (
    OutOfMemoryError,
    PhizError,
    ServiceAnswerError,
    ServiceConnectionError,
)
from phiz.sdk.calls import AnswerT, Call
from phiz.sdk.problems import read_error

BASE_URL: Final = "http://127.0.0.1:8000"
MAX_CONNECT_S: Final = 5.0
# The service gives up first, and the rest is for the way of its answer.
DEADLINE_SHARE: Final = 0.9
# They say that the request was not worked on.
REPEATED_STATUSES: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
# Clients that were refused together do not come back together.
_BACKOFF: Final = tenacity.wait_random_exponential(multiplier=0.05, max=2)


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """The configuration of a client.

    Attributes:
        base_url: Address of the service.
        api_key: Key for it, if it needs one.
        timeout_s: Seconds for a call with all its attempts.
        attempts: Maximum number of attempts of a call.
        max_connections: Maximum number of connections.

    Raises:
        ValueError: The address is not one of HTTP, or a header cannot carry the key.
    """

    base_url: str
    api_key: str | None = field(repr=False)
    timeout_s: float
    attempts: int
    max_connections: int

    def __post_init__(self) -> None:
        _check_url(self.base_url)
        _check_key(self.api_key)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        key = {} if self.api_key is None else {"X-API-Key": self.api_key}
        return {"User-Agent": f"phiz/{phiz.__version__}", "Accept": "application/json", **key}

    @property
    def limits(self) -> httpx.Limits:
        """The limits of the pool of connections."""
        return httpx.Limits(
            max_connections=self.max_connections, max_keepalive_connections=self.max_connections
        )

    def start(self, call: Call[AnswerT], timeout_s: float | None) -> "Exchange[AnswerT]":
        """Return an exchange that begins now, by default with the timeout of the client."""
        timeout_s = self.timeout_s if timeout_s is None else timeout_s
        return Exchange(self, call, timeout_s, time.monotonic())


def _check_url(base_url: str) -> None:
    """Return if an address is one of HTTP.

    Raises:
        ValueError: It is not. httpx would notice at the first request only.
    """
    try:
        url = httpx.URL(base_url)
        if url.scheme in {"http", "https"} and url.host:
            return
    except httpx.InvalidURL:
        pass
    rest = str(base_url).rpartition("://")[2].lstrip("/")
    raise ValueError(
        f"base_url is {base_url!r}; it must begin with http:// or https:// and name a host, as in"
        f" 'http://{rest or 'localhost:8000'}'"
    )


def _check_key(api_key: str | None) -> None:
    """Return if a header can carry a key, which the error does not repeat.

    Raises:
        ValueError: It cannot.
    """
    for place, character in enumerate(api_key or "", start=1):
        if not " " <= character <= "~":
            raise ValueError(
                f"character {place} of api_key is U+{ord(character):04X}; a header carries ASCII"
                " alone, without line breaks; pass the key as the service has it (a key that was"
                " read from a file: key.strip())"
            )


@dataclass(frozen=True, slots=True)
class Exchange(Generic[AnswerT]):
    """A call in progress.

    Attributes:
        config: Of the client.
        call: The call.
        timeout_s: Seconds for all attempts together.
        started_at_s: When it began, by ``time.monotonic``.
    """

    config: ClientConfig
    call: Call[AnswerT]
    timeout_s: float
    started_at_s: float

    @property
    def repetition(self) -> dict[str, Any]:
        """The arguments of tenacity, which waits in the clients' ways."""
        return {
            "retry": tenacity.retry_if_exception(is_repeatable),
            "stop": tenacity.stop_after_attempt(self.config.attempts)
            # A wait that would end too late is not begun.
            | tenacity.stop_before_delay(self.timeout_s),
            "wait": choose_wait_s,
            "reraise": True,
        }

    def build_request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Return the request of the next attempt, with the time that is left."""
        left_s = max(self.timeout_s - (time.monotonic() - self.started_at_s), 0.001)
        timeout = httpx.Timeout(left_s, connect=min(left_s, MAX_CONNECT_S))
        return self.call.build_request(http, timeout, DEADLINE_SHARE * left_s)

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Raise the errors of the connection as those of phiz.

        Raises:
            ServiceConnectionError: No answer came.
        """
        try:
            yield
        except httpx.RequestError as error:
            is_late = isinstance(error, httpx.TimeoutException)
            problem = f"not within {self.timeout_s:g} s" if is_late else str(error)
            raise ServiceConnectionError(
                f"no answer from {self.config.base_url}: {problem or type(error).__name__}; check"
                " that the service runs at this address"
            ) from error

    def read_answer(self, response: httpx.Response) -> AnswerT:
        """Return the answer of a response.

        Raises:
            PhizError: It is an error.
            ServiceAnswerError: It is not an answer of phiz.
        """
        if response.status_code != HTTPStatus.OK:
            raise read_error(response)
        try:
            return self.call.decode(response)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ServiceAnswerError(
                f"the answer of {response.url} is not one of phiz {phiz.__version__}; check that"
                " the service is there, and no other program"
            ) from error


def is_repeatable(error: BaseException) -> bool:
    """Return whether a call that failed so can be tried again without harm.

    The service has refused it and said when to come back, or there was no connection. An image
    for which the memory was not enough costs a worker each time, so its caller decides.
    """
    if isinstance(error, ServiceConnectionError):
        return isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout)
    return (
        isinstance(error, PhizError)
        and not isinstance(error, OutOfMemoryError)
        and error.status in REPEATED_STATUSES
        and error.retry_after_s is not None
    )


def choose_wait_s(state: tenacity.RetryCallState) -> float:
    """Return the seconds before the next attempt: at least those that the service asks for."""
    error = state.outcome.exception() if state.outcome else None
    asked_s = error.retry_after_s if isinstance(error, PhizError) else None
    return (asked_s or 0) + _BACKOFF(state)
