"""Tests that need a program, in runs of their own on machines with and without it."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .tools import ALL, PROGRAMS, closing_line

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]
TESTS = """
import pytest

@pytest.mark.needs("promtool")
def test_rules(): pass

@pytest.mark.needs("chromium")
def test_page(): pass

def test_text(): pass
"""
RULES, PAGE, TEXT = (
    "test_needs.py::test_rules",
    "test_needs.py::test_page",
    "test_needs.py::test_text",
)
PROCESSES = [(), ("-p", "xdist", "-n", "2")]


def run_tests(
    folder: Path, *tests: str, programs: tuple[str, ...] = (), everything: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run tests where there is no other program than these, which do nothing."""
    (folder / "test_needs.py").write_text(TESTS)
    for name in programs:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    others = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    variables = {
        "PATH": str(folder),
        "PYTHONPATH": str(ROOT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # others take most of the time of a start
        ALL: "1" if everything else "",
    }
    options = ("-q", "-p", "no:cacheprovider", "-p", "tests.tools", "--strict-markers")
    command = [sys.executable, "-m", "pytest", *options, *tests]
    return subprocess.run(
        command,
        cwd=folder,
        env={**others, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("processes", PROCESSES, ids=["one-process", "two-processes"])
def test_tests_without_their_program_are_left_out_and_counted_in_the_last_line(
    processes: tuple[str, ...], tmp_path: Path
) -> None:
    ran = run_tests(tmp_path, RULES, PAGE, TEXT, *processes)
    *_, summary, last = ran.stdout.splitlines()
    assert last == ("2 left out: promtool (1), chromium (1); apt-get install prometheus chromium")
    assert re.fullmatch(r"\d+ passed in [\d.]+s", summary)
    assert ran.stdout.count("left out") == 1
    assert ran.returncode == 0


def test_tests_that_were_not_asked_for_are_not_left_out(tmp_path: Path) -> None:
    ran = run_tests(tmp_path, RULES, PAGE, TEXT, "-k", "page or text")
    assert ran.stdout.splitlines()[-1] == "1 left out: chromium (1); apt-get install chromium"


def test_tests_with_their_program_run(tmp_path: Path) -> None:
    ran = run_tests(tmp_path, RULES, TEXT, programs=("promtool",))
    assert "left out" not in ran.stdout
    assert ran.returncode == 0


@pytest.mark.parametrize("processes", PROCESSES, ids=["one-process", "two-processes"])
def test_missing_program_fails_its_tests_where_all_are_to_run(
    processes: tuple[str, ...], tmp_path: Path
) -> None:
    ran = run_tests(tmp_path, RULES, TEXT, *processes, everything=True)
    assert "promtool is missing; apt-get install prometheus" in ran.stdout
    assert f"FAILED {RULES}" in ran.stdout
    assert re.fullmatch(r"1 failed, \d+ passed in [\d.]+s", ran.stdout.splitlines()[-1])
    assert ran.returncode == 1


def test_tests_with_their_program_pass_where_all_are_to_run(tmp_path: Path) -> None:
    ran = run_tests(tmp_path, RULES, TEXT, programs=("promtool",), everything=True)
    assert ran.returncode == 0


def test_the_closing_line_names_the_costliest_program_first() -> None:
    assert closing_line(Counter(chromium=4, promtool=5)) == (
        "9 left out: promtool (5), chromium (4); apt-get install prometheus chromium"
    )


def test_the_closing_line_names_a_package_of_two_programs_once() -> None:
    assert closing_line(Counter(prometheus=2, promtool=1)).endswith("; apt-get install prometheus")


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_is_one_that_a_test_needs(name: str) -> None:
    files = (ROOT / "tests").rglob("test_*.py")
    assert any(f'pytest.mark.needs("{name}")' in file.read_text("utf-8") for file in files)
