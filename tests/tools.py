"""Tests that need a program are left out without it, and the last line of the run counts them.

A test names its program: ``@pytest.mark.needs("promtool")``. With ``PHIZ_TEST_ALL=1`` it fails
where the program is missing, so that a machine that should have every program leaves out nothing.
"""

import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import pytest


class Program(NamedTuple):
    """The names of a program's command, and the package that Debian has it in."""

    commands: tuple[str, ...]
    package: str


PROGRAMS: Final = {
    "chromium": Program(("chromium", "chromium-browser"), "chromium"),
    "curl": Program(("curl",), "curl"),
    "git": Program(("git",), "git"),
    "haproxy": Program(("haproxy",), "haproxy"),
    "openssl": Program(("openssl",), "openssl"),
    "prometheus": Program(("prometheus",), "prometheus"),
    "promtool": Program(("promtool",), "prometheus"),
    "shellcheck": Program(("shellcheck",), "shellcheck"),
}
ALL: Final = "PHIZ_TEST_ALL"
LEFT_OUT: Final = pytest.StashKey[Counter[str]]()
TOLD: Final = "left_out"  # what pytest-xdist's workers call it


def program(name: str) -> str:
    """Return the path of the command that runs a program, for tests that are marked."""
    path = _find(name)
    assert path, f"{name} is missing, and the test is not marked with needs({name!r})"
    return path


def closing_line(left_out: Counter[str]) -> str:
    """Return how many tests each missing program cost, and how to install these programs."""
    costs = dict(left_out.most_common())
    counts = ", ".join(f"{name} ({count})" for name, count in costs.items())
    return f"{left_out.total()} left out: {counts}; {_advice(*costs)}"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(program): leave the test out without this program")
    config.stash[LEFT_OUT] = Counter()
    if config.pluginmanager.has_plugin("xdist"):
        config.pluginmanager.register(_Workers(config))


@pytest.hookimpl(trylast=True)  # so that only tests that were asked for are counted
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get(ALL) == "1":
        return
    missing = [_missing(item) for item in items]
    config.stash[LEFT_OUT].update(filter(None, missing))
    items[:] = [item for item, name in zip(items, missing, strict=True) if not name]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    if name := _missing(item):
        pytest.fail(f"{name} is missing; {_advice(name)}", pytrace=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    left_out = session.config.stash[LEFT_OUT]
    if (told := getattr(session.config, "workeroutput", None)) is not None:
        told[TOLD] = dict(left_out)


def pytest_unconfigure(config: pytest.Config) -> None:
    left_out = config.stash[LEFT_OUT]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if left_out and reporter:
        reporter.write_line(closing_line(left_out))


class _Workers:
    """Takes over what pytest-xdist's workers left out, each of which collects every test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_testnodedown(self, node: object) -> None:
        told: dict[str, int] = getattr(node, "workeroutput", {}).get(TOLD, {})
        left_out = self._config.stash[LEFT_OUT]
        left_out |= Counter(told)


def _missing(item: pytest.Item) -> str | None:
    """Return the program that the test needs and this machine lacks, if there is one."""
    needed = (mark.args[0] for mark in item.iter_markers("needs"))
    return next((name for name in needed if not _find(name)), None)


def _find(name: str) -> str | None:
    # Some come with packages for Python.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = (shutil.which(command, path=path) for command in PROGRAMS[name].commands)
    return next(filter(None, found), None)


def _advice(*names: str) -> str:
    packages = dict.fromkeys(PROGRAMS[name].package for name in names)
    return f"apt-get install {' '.join(packages)}"
