from collections.abc import Iterator

import httpx
import pytest

from phiz import errors
from phiz.api.error_table import STATUS_BY_ERROR
from phiz.api.errors import build_problem
from phiz.errors import CapacityError, PhizError, ServiceAnswerError
from phiz.sdk.problems import ERRORS_BY_WIRE_CODE, build_error, read_error, read_retry_after

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


def answered(status: int, content: object = None, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = httpx.Request("POST", "http://host/detect")
    return httpx.Response(status, json=content, headers=named, request=request)


@pytest.mark.parametrize("kind", STATUS_BY_ERROR, ids=lambda kind: kind.__name__)
def test_each_error_of_the_service_is_raised_as_it_was(kind: type[PhizError]) -> None:
    problem = build_problem(kind("the detail"))
    error = read_error(answered(problem["status"], problem, X_Request_Id="abc"))
    assert type(error) is kind
    assert str(error) == "the detail"
    assert (error.status, error.request_id) == (STATUS_BY_ERROR[kind], "abc")


def test_service_that_starts_has_no_capacity_yet() -> None:
    problem = {"code": "not_ready", "detail": "starting", "status": 503}
    error = read_error(answered(503, problem, Retry_After="1"))
    assert type(error) is CapacityError
    assert error.retry_after_s == 1


def test_code_of_another_version_is_told() -> None:
    error = read_error(answered(404, {"code": "not_found", "detail": "no route", "status": 404}))
    assert type(error) is ServiceAnswerError
    assert str(error) == "not_found: no route"
    assert error.status == 404


@pytest.mark.parametrize("content", [None, [1], {"message": "no"}, "text"])
def test_error_of_another_program_is_told(content: object) -> None:
    error = read_error(answered(502, content, Retry_After="3"))
    assert type(error) is ServiceAnswerError
    assert "http://host/detect answered 502 Bad Gateway, which is not an error of phiz" in str(
        error
    )
    assert (error.status, error.retry_after_s) == (502, 3)


def test_error_of_one_image_has_its_own_status() -> None:
    problem = build_problem(errors.UnsupportedImageError("no image"))
    error = build_error(problem, answered(200, X_Request_Id="abc"))
    assert type(error) is errors.UnsupportedImageError
    assert (error.status, error.request_id, error.retry_after_s) == (415, "abc", None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0),
        ({"retry-after": " 12 "}, 12),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:40 GMT", "date": DATE}, 3),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:40 -0000", "date": DATE}, 3),
        ({"retry-after": DATE, "date": DATE}, 0),
        ({"retry-after": DATE}, 0),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:30 GMT", "date": DATE}, 0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "9" * 400}, None),
    ],
    ids=str,
)
def test_time_to_wait_is_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert read_retry_after(httpx.Headers(raw)) == seconds


def family(kind: type[PhizError]) -> Iterator[type[PhizError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


def test_errors_in_process_have_no_answer() -> None:
    for kind in family(PhizError):
        error = kind("x")
        assert (error.status, error.request_id) == (None, None)
        may_come_back = issubclass(kind, errors.CapacityError | errors.RateLimitError)
        assert error.retry_after_s == (1 if may_come_back else None)


def test_every_code_that_a_route_answers_has_a_class() -> None:
    assert {kind.code for kind in STATUS_BY_ERROR} < ERRORS_BY_WIRE_CODE.keys()
