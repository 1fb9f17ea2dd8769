import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from phiz.cli.group import LazyGroup
from phiz.cli.main import main
from phiz.cli.models import models
from phiz.settings import CLI_VARIABLES, list_variables

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


@pytest.mark.parametrize("group", [main, models], ids=["phiz", "phiz models"])
def test_help_has_a_whole_line_for_each_command(group: LazyGroup) -> None:
    text = CliRunner().invoke(group, ["--help"], terminal_width=80).output
    for name, (_, line) in group.targets.items():
        assert f"  {name} " in text
        assert f"  {line}\n" in text


def test_help_of_serve_has_each_setting() -> None:
    text = CliRunner().invoke(main, ["serve", "--help"]).output
    names = {*list_variables(), *CLI_VARIABLES} - {"PHIZ_MODEL_FILES"}  # of phiz models build
    assert [name for name in sorted(names) if name not in text] == []


@pytest.mark.parametrize("group", [main, models], ids=["phiz", "phiz models"])
def test_command_is_found_by_its_name(group: LazyGroup) -> None:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        assert command.name == name
    assert group.get_command(context, "unknown") is None


def test_group_imports_no_command_for_its_help() -> None:
    program = (
        "import sys; from phiz.cli.main import main; main(['--help'], standalone_mode=False);"
        "print('imported:', sorted(name for name in sys.modules if name.startswith('phiz.')))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    imported = "imported: ['phiz.cli', 'phiz.cli.group', 'phiz.cli.main', 'phiz.errors']\n"
    assert ran.stdout.endswith(imported)
