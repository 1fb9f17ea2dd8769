from pathlib import Path

import pytest

from fuzzing.http import fuzz_http
from tests.api.doubles import command
from tests.service.doubled import doubled

pytestmark = pytest.mark.integration


def test_service_answers_requests_of_its_document_as_documented(tmp_path: Path) -> None:
    limit = ("--phases=examples,coverage,fuzzing", "--max-examples=10")
    report = fuzz_http(tmp_path, limit=limit, seed=1)
    assert not report.failed, f"{report.output}\n{report.log}"
    assert report.cases >= 500


def test_internal_error_is_noticed_though_it_is_documented(tmp_path: Path) -> None:
    broken = doubled(command("broken", tmp_path))
    limit = ("--phases=examples,fuzzing", "--max-examples=100", "--include-path=/detect")
    report = fuzz_http(tmp_path, limit=limit, seed=1, command=broken)
    assert report.failed
    assert "no_internal_error" in report.output
