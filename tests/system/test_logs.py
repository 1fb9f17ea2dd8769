import json
import logging
import re
import subprocess
import sys
from typing import Any

import pytest

from phiz.system.logs import JsonFormatter, TextFormatter, make_extra

AT_S = 1763785512.4814
LINE_BREAKS = "a\nb\u2028c"


def record(message: str, fields: dict[str, Any] | None = None, **more: Any) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "levelno": 30, "levelname": "WARNING", **more})
    made.created = AT_S
    for name, value in make_extra(fields or {}).items():
        setattr(made, name, value)
    return made


def failure() -> Any:
    error = ZeroDivisionError("by nothing")
    return type(error), error, None


def test_a_line_of_json_has_time_level_message_and_fields() -> None:
    line = JsonFormatter().format(
        record("%d of %d", {"status": 503, "path": LINE_BREAKS}, args=(1, 2))
    )
    assert "\n" not in line
    assert json.loads(line) == {
        "time_s": 1763785512.481,
        "level": "warning",
        "message": "1 of 2",
        "status": 503,
        "path": LINE_BREAKS,
    }


def test_a_traceback_is_part_of_the_line() -> None:
    line = JsonFormatter().format(record("failed", {"request": "7"}, exc_info=failure()))
    assert "\n" not in line
    told = json.loads(line)
    assert told["request"] == "7"
    assert told["traceback"].endswith("ZeroDivisionError: by nothing")


def test_values_unknown_to_json_are_written_as_text() -> None:
    assert (
        json.loads(JsonFormatter().format(record("x", {"error": ValueError("y")})))["error"] == "y"
    )


def test_a_line_of_text_is_for_people() -> None:
    line = TextFormatter().format(record("slow", {"status": 503, "path": LINE_BREAKS}))
    assert line == ('2025-11-22T04:25:12.481+00:00 warning slow status=503 path="a\\nb\\u2028c"')
    lines = TextFormatter().format(record("failed", exc_info=failure())).splitlines()
    assert (lines[0][-6:], lines[-1]) == ("failed", "ZeroDivisionError: by nothing")


PROGRAM = """
import logging, sys
from phiz.system.logs import configure_logging
configure_logging(sys.argv[1])
logging.getLogger("phiz.x").info("ours")
logging.getLogger("uvicorn.error").info("nobody asked")
logging.getLogger("uvicorn.error").warning("%s", "theirs")
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_lines_of_other_packages_have_the_same_form(form: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, form], capture_output=True, text=True, check=True
    )
    assert ran.stdout == ""
    lines = ran.stderr.splitlines()
    if form == "json":
        told = [json.loads(line) for line in lines]
        assert [(one["level"], one["message"]) for one in told] == [
            ("info", "ours"),
            ("warning", "theirs"),
        ]
    else:
        assert [re.sub(r"^\S+\+00:00 ", "", line) for line in lines] == [
            "info ours",
            "warning theirs",
        ]
