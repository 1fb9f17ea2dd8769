"""The errors in answers of the service, as those of ``phiz.errors``."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import orjson

from phiz.api.error_table import NOT_READY_CODE, STATUS_BY_ERROR
from phiz.errors import CapacityError, PhizError, ServiceAnswerError

ERRORS_BY_WIRE_CODE: Final[Mapping[str, type[PhizError]]] = {
    **{kind.code: kind for kind in STATUS_BY_ERROR},
    NOT_READY_CODE: CapacityError,
}
"""The class of each code that a request can cause."""
_MAX_QUOTED_CHARACTERS: Final = 200


def read_error(response: httpx.Response) -> PhizError:
    """Return the error of a response of another status than 200."""
    try:
        problem = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        problem = None
    if isinstance(problem, dict) and {"code", "detail"} <= problem.keys():
        return build_error(problem, response)
    words = " ".join(response.text.split())[:_MAX_QUOTED_CHARACTERS]
    return _describe_answer(
        ServiceAnswerError(
            f"the address {response.url} answered {response.status_code}"
            f" {response.reason_phrase}, which is not an error of phiz: {words!r}; check that the"
            " service is there, and no other program"
        ),
        response.status_code,
        response,
    )


def build_error(problem: Mapping[str, Any], response: httpx.Response) -> PhizError:
    """Return the error of a problem: that of the response, or of one image of a batch."""
    kind = ERRORS_BY_WIRE_CODE.get(problem["code"])
    detail = str(problem["detail"])
    error = ServiceAnswerError(f"{problem['code']}: {detail}") if kind is None else kind(detail)
    return _describe_answer(error, problem.get("status"), response)


def _describe_answer(error: PhizError, status: int | None, response: httpx.Response) -> PhizError:
    error.status = status
    error.request_id = response.headers.get("x-request-id")
    retry_after_s = read_retry_after(response.headers)
    if retry_after_s is not None:
        error.retry_after_s = retry_after_s
    return error


def read_retry_after(headers: httpx.Headers) -> float | None:
    """Return the seconds of the header ``Retry-After``, which has a number or a date.

    A date is compared with the date of the answer, so the clock of this machine may be wrong.
    RFC 9110 section 10.2.3.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    moment = _read_date(value)
    if moment is None:
        return None
    answered_at = _read_date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (moment - answered_at).total_seconds())


def _read_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    # A date of HTTP is in Greenwich, even if it does not say so.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
