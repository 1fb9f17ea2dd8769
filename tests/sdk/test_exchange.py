import re
import time

import httpx
import pytest
import tenacity

import phiz
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

NOBODY = "http://127.0.0.1:9"  # where nothing listens, so a request would fail


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


@pytest.mark.parametrize(
    ("base_url", "advice"),
    [
        ("localhost:8000", "as in 'http://localhost:8000'"),
        ("10.0.0.1:8000/prefix", "as in 'http://10.0.0.1:8000/prefix'"),
        ("ftp://host", "as in 'http://host'"),
        ("http://", "as in 'http://localhost:8000'"),
        ("//host", "as in 'http://host'"),
        ("", "as in 'http://localhost:8000'"),
        ("http://host:port", "name a host"),
    ],
)
@pytest.mark.parametrize("kind", [phiz.Client, phiz.AsyncClient])
def test_an_address_that_is_not_of_http_is_told_at_once(
    kind: type[phiz.Client | phiz.AsyncClient], base_url: str, advice: str
) -> None:
    words = f"base_url is {base_url!r}; it must begin with http:// or https://"
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        kind(base_url)
    assert advice in str(caught.value)


@pytest.mark.parametrize("base_url", ["http://host", "HTTPS://host:8443/prefix/", "http://[::1]:1"])
def test_an_address_of_http_is_accepted(base_url: str) -> None:
    assert ClientConfig(base_url, None, 1, 1, 1).base_url == base_url


@pytest.mark.parametrize(
    ("api_key", "place", "point"),
    [("schlüssel", 5, "U+00FC"), ("key\n", 4, "U+000A"), ("“key”", 1, "U+201C")],
)
@pytest.mark.parametrize("kind", [phiz.Client, phiz.AsyncClient])
def test_a_key_that_no_header_carries_is_told_and_not_repeated(
    kind: type[phiz.Client | phiz.AsyncClient], api_key: str, place: int, point: str
) -> None:
    with pytest.raises(ValueError, match=f"^character {place} of api_key is U") as caught:
        kind(api_key=api_key)
    assert point in str(caught.value)
    assert "key.strip()" in str(caught.value)
    assert api_key not in str(caught.value)


def test_a_batch_without_images_is_empty_and_nothing_is_sent() -> None:
    with phiz.Client(NOBODY, attempts=1) as client:
        assert client.detect_batch([], "front") == []
        with pytest.raises(ValueError, match="concurrency is 0; it must be"):
            client.detect_many([b""], concurrency=0)


@pytest.mark.anyio
async def test_an_asynchronous_batch_without_images_is_empty_and_nothing_is_sent() -> None:
    async with phiz.AsyncClient(NOBODY, attempts=1) as client:
        assert await client.detect_batch([], "front") == []
        with pytest.raises(ValueError, match="concurrency is 0; it must be"):
            client.detect_many([b""], concurrency=0)
