import pytest

from phiz import errors
from phiz.api.compat.error_forms import (
    COMPREFACE_CODES,
    find_error_form,
    to_compreface_error,
    to_deepstack_error,
    to_kserve_error,
)
from phiz.api.error_table import ERROR_TABLE, ERRORS_BY_CODE
from phiz.api.errors import build_content


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/v1/vision/face", to_deepstack_error),
        ("/v1/status/ping", to_deepstack_error),
        ("/api/v1/detection/detect", to_compreface_error),
        ("/v2", to_kserve_error),
        ("/v2/models/front", to_kserve_error),
        ("/detect", None),
        ("/", None),
        ("-", None),
    ],
)
def test_form_is_that_of_the_interface(path: str, form: object) -> None:
    assert find_error_form(path) is form


@pytest.mark.parametrize("entry", ERROR_TABLE, ids=lambda entry: entry.code)
def test_status_keeps_its_meaning(entry: object) -> None:
    assert isinstance(entry, tuple)
    problem = build_content(entry[1], "what to do")
    mild = {415: 400, 422: 400}
    for form in (to_deepstack_error, to_compreface_error):
        status, content = form(problem)
        assert status == mild.get(problem["status"], problem["status"])
        assert "what to do" in content.values()
    assert to_kserve_error(problem) == (problem["status"], {"error": "what to do"})


def test_deepstack_error_has_its_status() -> None:
    problem = build_content(errors.OverloadedError.code, "busy")
    assert to_deepstack_error(problem) == (503, {"success": False, "error": "busy", "code": 503})


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("no_face", 28),
        ("missing_image", 33),
        ("bad_option", 26),
        ("unsupported_image", 21),
        ("invalid_api_key", 20),
        ("too_many_bytes", 0),
        ("overloaded", 41),
        ("internal", 41),
    ],
)
def test_compreface_error_has_its_number(code: str, number: int) -> None:
    _, content = to_compreface_error(build_content(code, "x"))
    assert content == {"message": "x", "code": number}


def test_compreface_numbers_belong_to_errors() -> None:
    assert COMPREFACE_CODES.keys() <= ERRORS_BY_CODE.keys()
