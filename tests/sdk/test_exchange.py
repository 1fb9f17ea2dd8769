import time

import httpx
import pytest
import tenacity

from phiz.errors import (
    DeadlineError,
    ModelNotBuiltError,
    OutOfMemoryError,
    OverloadedError,
    PhizError,
    RateLimitError,
    ServiceAnswerError,
    ServiceConnectionError,
)
from phiz.faces import DetectionResult
from phiz.sdk.calls import build_detect_call
from phiz.sdk.exchange import ClientConfig, Exchange, choose_wait_s, is_repeatable

CONFIG = ClientConfig("http://host:1", "the key", timeout_s=20, attempts=3, max_connections=7)


def started(seconds_ago: float = 0, timeout_s: float = 20) -> Exchange[DetectionResult]:
    started_at_s = time.monotonic() - seconds_ago
    return Exchange(CONFIG, build_detect_call(b"", "front", {}), timeout_s, started_at_s)


def failed(kind: type[PhizError], status: int | None, retry_after_s: float | None) -> PhizError:
    error = kind("x")
    error.status, error.retry_after_s = status, retry_after_s
    return error


def lost(cause: httpx.RequestError) -> PhizError:
    with pytest.raises(ServiceConnectionError) as caught, started().translate_errors():
        raise cause
    return caught.value


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (failed(OverloadedError, 503, 1), True),
        (failed(RateLimitError, 429, 0), True),
        (failed(ServiceAnswerError, 503, 2), True),  # a proxy without a service behind it
        (failed(OutOfMemoryError, 503, 1), False),
        (failed(ModelNotBuiltError, 503, None), False),
        (failed(ServiceAnswerError, 502, 2), False),
        (failed(DeadlineError, 504, None), False),
        (lost(httpx.ConnectError("refused")), True),
        (lost(httpx.ConnectTimeout("slow")), True),
        (lost(httpx.ReadTimeout("slow")), False),
        (lost(httpx.ReadError("reset")), False),
        (lost(httpx.RemoteProtocolError("left")), False),
        (OSError("no file"), False),
    ],
    ids=repr,
)
def test_call_is_repeated_only_if_the_service_has_not_begun_with_it(
    error: Exception, *, expected: bool
) -> None:
    assert is_repeatable(error) is expected


@pytest.mark.parametrize("asked_s", [0, 1, 30, None])
def test_wait_is_at_least_what_the_service_asks_for(asked_s: float | None) -> None:
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    for number in range(1, 12):
        state.attempt_number = number
        future = tenacity.Future(number)
        future.set_exception(failed(OverloadedError, 503, asked_s))
        state.outcome = future
        assert (asked_s or 0) <= choose_wait_s(state) <= (asked_s or 0) + 2


def test_request_has_the_time_that_is_left() -> None:
    with httpx.Client(base_url="http://host") as http:
        timeouts = started(5).build_request(http).extensions["timeout"]
        assert 14 < timeouts["read"] <= 15
        assert timeouts["connect"] == 5
        assert 0.89 * 14 < float(started(5).build_request(http).headers["phiz-deadline"]) <= 13.5
        late = started(60).build_request(http)
        assert 0 < late.extensions["timeout"]["connect"] < 0.01


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (
            httpx.ConnectError("connection refused"),
            "no answer from http://host:1: connection refus",
        ),
        (httpx.ReadTimeout("timed out"), "no answer from http://host:1: not within 20 s"),
        (httpx.ReadError(""), "no answer from http://host:1: ReadError"),
    ],
    ids=repr,
)
def test_lost_connection_is_one_error_that_names_the_address(
    cause: httpx.RequestError, words: str
) -> None:
    error = lost(cause)
    assert words in str(error)
    assert "check that the service runs at this address" in str(error)
    assert error.__cause__ is cause


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"null", b"{}", b'{"model": "front"}'])
def test_answer_of_another_program_is_an_error(content: bytes) -> None:
    request = httpx.Request("POST", "http://host/detect")
    with pytest.raises(ServiceAnswerError, match="http://host/detect is not one of phiz"):
        started().read_answer(httpx.Response(200, content=content, request=request))


def test_config_shows_no_key() -> None:
    assert "the key" not in repr(CONFIG)
    assert CONFIG.headers["X-API-Key"] == "the key"
    assert "X-API-Key" not in ClientConfig("http://host", None, 1, 1, 1).headers
    assert CONFIG.limits.max_connections == 7
