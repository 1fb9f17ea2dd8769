"""Environments of the workers: made once from pinned requirements, and kept in a folder.

A worker's requirements are ``peers/NAME.txt``. ``peers/NAME.alone.txt`` names packages that are
installed without their requirements, because these exclude every version of today.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.kit.errors import BenchmarkError

PEERS = Path(__file__).parents[1] / "peers"
ROOT = PEERS.parents[1]
OUR_WORKER = "ours"
PHIZ_WORKERS = (OUR_WORKER, "bentoml", "litserve", "mosec")  # phiz is installed there too
STAMP_FILE = "installed.txt"
CHECKOUT_FILE = "phiz.txt"  # with the root of the checkout whose phiz is installed
VERSION_SCRIPT = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""
PIP_COMMAND = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def make_environment(name: str, folder: Path) -> Path:
    """Return the Python of a worker's environment, which is made first where it must be.

    Raises:
        BenchmarkError: It could not be made.
    """
    home = folder / name
    python = home / "bin" / "python"
    files = [path for path in (PEERS / f"{name}.txt", PEERS / f"{name}.alone.txt") if path.exists()]
    wanted = "".join(path.read_text() for path in files)
    stamp = home / STAMP_FILE
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"installing the worker {name} into {home}")
        run_command(sys.executable, "-m", "venv", "--clear", str(home))
        for path in files:
            alone = ["--no-deps"] if path.name.endswith(".alone.txt") else []
            run_command(str(python), *PIP_COMMAND, "--requirement", str(path), *alone)
        stamp.write_text(wanted)  # last, so that an interrupted installation is repeated
    checkout = home / CHECKOUT_FILE
    if name in PHIZ_WORKERS and not (checkout.exists() and checkout.read_text() == str(ROOT)):
        # Several checkouts may share the folder, and each is to measure itself.
        ours = ("--no-deps", "--no-build-isolation", "--editable", str(ROOT))
        run_command(str(python), *PIP_COMMAND, *ours)
        checkout.write_text(str(ROOT))
    return python


def run_command(*command: str) -> None:
    """Run a command.

    Raises:
        BenchmarkError: It fails.
    """
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)  # noqa: S603  our own
    if done.returncode:
        raise BenchmarkError(f"{shlex.join(command)} ended with {done.returncode}; see above")


def read_versions(python: str | Path, packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of packages in the environment of a Python."""
    command = [str(python), "-c", VERSION_SCRIPT, *packages]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  our own
    versions: dict[str, str] = json.loads(done.stdout)
    return versions
