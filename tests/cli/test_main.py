import os
import subprocess
import sys

import pytest

TOLD = """
import os
from click.testing import CliRunner
from phiz.cli.main import main

assert CliRunner().invoke(main, ["models", "list"]).exit_code == 0
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [pytest.param({}, "1", id="off"), pytest.param({"ORT_DISABLE_TELEMETRY": "0"}, "0", id="on")],
)
def test_the_runtime_reports_nothing_unless_asked_to(given: dict[str, str], expected: str) -> None:
    plain = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name}
    found = subprocess.run(
        [sys.executable, "-c", TOLD], env=plain | given, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == expected
