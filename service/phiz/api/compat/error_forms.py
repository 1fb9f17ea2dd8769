"""Errors in the forms of other servers' interfaces, chosen by the beginning of the address.

The module imports none of the routes, since every answer to an error comes here.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, TypeAlias

from phiz.errors import (
    ApiKeyError,
    EmptyImageError,
    MissingImageError,
    NoFaceError,
    OptionError,
    UndecodableImageError,
    UnsupportedImageError,
)
from phiz.wire.schemas import JsonObject

ErrorForm: TypeAlias = Callable[[JsonObject], tuple[int, JsonObject]]
"""Returns status and content of an answer, by the members of a problem (RFC 9457)."""

DEEPSTACK_PREFIX: Final = "/v1/"
COMPREFACE_PREFIX: Final = "/api/v1/"
KSERVE_PREFIX: Final = "/v2"

# Both servers refuse these with 400, and some clients know no other status. 413, 429 and those of
# the service are as everywhere, since a client should do something else then.
_STATUSES: Final[Mapping[int, int]] = dict.fromkeys(
    (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, HTTPStatus.UNPROCESSABLE_ENTITY),
    int(HTTPStatus.BAD_REQUEST),
)

COMPREFACE_CODES: Final[Mapping[str, int]] = {
    ApiKeyError.code: 20,  # a missing header
    UnsupportedImageError.code: 21,  # a file of no supported kind
    UndecodableImageError.code: 21,
    EmptyImageError.code: 21,
    OptionError.code: 26,  # a value out of range
    NoFaceError.code: 28,  # no face
    MissingImageError.code: 33,  # a missing parameter
}
"""CompreFace's number of each error that it has too."""
_COMPREFACE_FAULT: Final = 41  # its own service has failed
_COMPREFACE_OTHER: Final = 0


def to_deepstack_error(problem: JsonObject) -> tuple[int, JsonObject]:
    """Return an error as DeepStack and CodeProject.AI answer it."""
    status = _STATUSES.get(problem["status"], problem["status"])
    return status, {"success": False, "error": problem["detail"], "code": status}


def to_compreface_error(problem: JsonObject) -> tuple[int, JsonObject]:
    """Return an error as CompreFace answers it."""
    status = _STATUSES.get(problem["status"], problem["status"])
    is_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    code = COMPREFACE_CODES.get(
        problem["code"], _COMPREFACE_FAULT if is_fault else _COMPREFACE_OTHER
    )
    return status, {"message": problem["detail"], "code": code}


def to_kserve_error(problem: JsonObject) -> tuple[int, JsonObject]:
    """Return an error as the Open Inference Protocol has it."""
    return problem["status"], {"error": problem["detail"]}


_FORMS: Final[Mapping[str, ErrorForm]] = {
    DEEPSTACK_PREFIX: to_deepstack_error,
    COMPREFACE_PREFIX: to_compreface_error,
    KSERVE_PREFIX: to_kserve_error,
}


def find_error_form(path: str) -> ErrorForm | None:
    """Return the form of the interface that an address belongs to; None for those of phiz."""
    return next((form for prefix, form in _FORMS.items() if path.startswith(prefix)), None)
