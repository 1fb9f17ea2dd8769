from typing import Any

import pytest

from phiz.api.request_record import RequestRecord, get_record
from phiz.errors import UndecodableImageError
from phiz.wire.messages import EncodedAnswer

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = [(b"x-request-id", b"7"), (b"traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode())]


def answer(queue_s: float) -> EncodedAnswer:
    return EncodedAnswer(b"", "", 1, {"queue": queue_s}, {}, queue_s)


def test_record_begins_with_what_the_headers_tell() -> None:
    record = RequestRecord.from_headers("GET", "/", HEADERS)
    head = record.request_id, record.method, record.path, record.trace_id
    assert head == ("7", "GET", "/", TRACE)
    assert (record.status, record.bytes_in, record.bytes_out) == (0, 0, 0)


def test_request_has_one_record_wherever_it_is_asked_for() -> None:
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/detect",
        "headers": HEADERS,
    }
    record = get_record(scope)
    assert (record.request_id, record.path) == ("7", "/detect")
    assert get_record(scope) is record


@pytest.mark.parametrize(
    ("status", "error_code", "code"),
    [
        (0, "", "internal"),
        (0, "not_ready", "not_ready"),
        (200, "", "ok"),
        (399, "", "ok"),
        (400, "bad_option", "bad_option"),
        (500, "", "internal"),
    ],
)
def test_code_is_that_of_the_answer(status: int, error_code: str, code: str) -> None:
    record = RequestRecord("7", "POST", "/detect", "", status=status, error_code=error_code)
    assert record.code == code


def test_queue_time_in_the_log_is_the_longest_of_all_answers() -> None:
    record = RequestRecord("7", "POST", "/detect/batch", "", model="front")
    assert "queue_ms" not in record.to_log_fields()
    record.outcomes = [answer(0.25), UndecodableImageError("cut short"), answer(0.5)]
    assert record.to_log_fields()["queue_ms"] == 500
    assert record.answers == [answer(0.25), answer(0.5)]


def test_stream_has_the_code_of_the_error_that_it_ended_with() -> None:
    record = RequestRecord.from_headers("GET", "/stream", [])
    record.status = 101
    assert record.code == "ok"
    record.error_code = "bad_option"
    assert record.code == "bad_option"
