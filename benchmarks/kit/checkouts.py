"""Checkouts of this project that are compared: the source of a commit, and where it is run from."""

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Final

from benchmarks.kit.environments import ROOT
from benchmarks.kit.errors import BenchmarkError

MAIN_BRANCH: Final = "main"
PRINT_PACKAGE: Final = "import phiz; print(phiz.__file__)"


@contextmanager
def open_checkout(before: str | None, root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Give a folder with the source of another checkout or of a commit, and its name.

    None is the commit at which the branch of ``root`` has left main: on main itself the last one,
    so that the changes since then are compared. A commit is unpacked into a temporary folder.

    Raises:
        BenchmarkError: There is no such folder or commit.
    """
    if before is not None and Path(before).is_dir():
        yield Path(before).resolve(), before
        return
    commit = before or _run_git(root, "merge-base", "HEAD", MAIN_BRANCH).decode().strip()
    archive = _run_git(root, "archive", commit, "service", "models")
    with tempfile.TemporaryDirectory(prefix="phiz-before-") as folder:
        with tarfile.open(fileobj=BytesIO(archive)) as opened:
            opened.extractall(folder, filter="data")
        title = _run_git(root, "log", "-1", "--format=%h %s", commit).decode().strip()
        yield Path(folder).resolve(), title


def choose_variables(checkout: Path) -> dict[str, str]:
    """Return the environment that makes this Python run the phiz of a checkout.

    Its models are its own if they are built, or else those of this checkout.

    Raises:
        BenchmarkError: This Python runs another phiz nevertheless.
    """
    built = [folder / "models" / "built" for folder in (checkout, ROOT)]
    models = os.environ.get("PHIZ_MODELS") or str(next(filter(Path.is_dir, built), built[-1]))
    variables = {"PYTHONPATH": str(checkout / "service"), "PHIZ_MODELS": models}
    command = [sys.executable, "-c", PRINT_PACKAGE]
    done = subprocess.run(  # noqa: S603  our own
        command, check=False, capture_output=True, text=True, env={**os.environ, **variables}
    )
    if not done.stdout.startswith(str(checkout)):
        raise BenchmarkError(f"{checkout} is not run from: {done.stdout}{done.stderr}")
    return variables


def to_command(variables: Mapping[str, str]) -> list[str]:
    """Return the beginning of a command that sets variables for the rest of it."""
    return ["env", *(f"{name}={value}" for name, value in variables.items())]


def _run_git(root: Path, *arguments: str) -> bytes:
    command = ["git", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, cwd=root)  # noqa: S603  our own
    if done.returncode:
        raise BenchmarkError(
            f"git {' '.join(arguments)}: {done.stderr.decode().strip()}; name a folder or a commit"
        )
    return done.stdout
