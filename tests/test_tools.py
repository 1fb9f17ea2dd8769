"""Tests that need a program, in runs of their own on machines with and without it."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .tools import PROGRAMS, closing_line

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]
# All need promtool, but for one in each file that needs none; the page's need chromium.
RULES = "tests/deploy/test_rules.py::test_prometheus_takes_the_configuration_and_the_rules"
TOLD = "tests/deploy/test_rules.py::test_every_alert_has_a_runbook"
PAGE = "tests/lab/report/test_page.py::test_names_are_text"


def run_tests(
    folder: Path, *tests: str, programs: tuple[str, ...] = (), everything: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run tests where there is no other program than these, which do nothing."""
    for name in programs:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    others = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env = {**others, "PATH": str(folder), "PHIZ_TEST_ALL": "1" if everything else ""}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["one-process", "two-processes"])
def test_without_a_program_its_tests_are_left_out_and_one_last_line_says_so(
    processes: tuple[str, ...], tmp_path: Path
) -> None:
    ran = run_tests(tmp_path, RULES, PAGE, TOLD, *processes)
    *_, summary, last = ran.stdout.splitlines()
    assert last == ("2 left out: promtool (1), chromium (1); apt-get install prometheus chromium")
    assert re.fullmatch(r"\d+ passed in [\d.]+s", summary)
    assert ran.stdout.count("left out") == 1
    assert ran.returncode == 0


def test_tests_that_were_not_asked_for_are_not_left_out(tmp_path: Path) -> None:
    ran = run_tests(tmp_path, RULES, PAGE, TOLD, "-k", "runbook or promtool or names_are_text")
    assert ran.stdout.splitlines()[-1] == "1 left out: chromium (1); apt-get install chromium"


def test_where_every_program_is_installed_nothing_is_left_out(tmp_path: Path) -> None:
    ran = run_tests(tmp_path, RULES, TOLD, programs=("promtool",))
    assert "left out" not in ran.stdout
    assert ran.returncode == 0


@pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["one-process", "two-processes"])
def test_where_all_are_to_run_a_missing_program_fails_its_tests(
    processes: tuple[str, ...], tmp_path: Path
) -> None:
    ran = run_tests(tmp_path, RULES, TOLD, *processes, everything=True)
    assert "promtool is missing; apt-get install prometheus" in ran.stdout
    assert f"FAILED {RULES}" in ran.stdout
    assert re.fullmatch(r"1 failed, \d+ passed in [\d.]+s", ran.stdout.splitlines()[-1])
    assert ran.returncode == 1


def test_where_all_are_to_run_those_that_can_pass(tmp_path: Path) -> None:
    ran = run_tests(tmp_path, RULES, TOLD, programs=("promtool",), everything=True)
    assert ran.returncode == 0


def test_the_closing_line_names_the_costliest_program_first() -> None:
    assert closing_line(Counter(chromium=4, promtool=5)) == (
        "9 left out: promtool (5), chromium (4); apt-get install prometheus chromium"
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_is_one_that_a_test_needs(name: str) -> None:
    files = (ROOT / "tests").rglob("test_*.py")
    assert any(f'@pytest.mark.needs("{name}")' in file.read_text("utf-8") for file in files)
