"""Environments of the workers: made once from pinned requirements, and kept in a folder.

A worker's requirements are ``peers/NAME.txt``. ``peers/NAME.alone.txt`` names packages whose
own requirements are passed over, because they exclude every version of today.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PEERS = Path(__file__).parents[1] / "peers"
ROOT = PEERS.parents[1]
OUR_WORKER = "ours"
PHIZ_WORKERS = (
    OUR_WORKER,
    "bentoml",
    "litserve",
    "mosec",
)  # what these run, or put behind their own HTTP
STAMP_FILE = "installed.txt"
PIP_COMMAND = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def make_environment(name: str, folder: Path) -> Path:
    """Return the Python of a worker's environment, which is made first where it must be.

    Raises:
        CalledProcessError: It could not be made.
    """
    home = folder / name
    python = home / "bin" / "python"
    files = [path for path in (PEERS / f"{name}.txt", PEERS / f"{name}.alone.txt") if path.exists()]
    wanted = "".join(path.read_text() for path in files)
    stamp = home / STAMP_FILE
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"installing the worker {name} into {home}")
    _run_command(sys.executable, "-m", "venv", "--clear", str(home))
    for arguments in _list_installations(name, files):
        _run_command(str(python), *PIP_COMMAND, *arguments)
    stamp.write_text(wanted)  # last, so that what was interrupted is begun again
    return python


def _list_installations(name: str, files: Sequence[Path]) -> list[list[str]]:
    steps = [["--requirement", str(path)] for path in files]
    for step, path in zip(steps, files, strict=True):
        if path.name == f"{name}.alone.txt":
            step.append("--no-deps")
    if name in PHIZ_WORKERS:
        steps.append(["--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
    return steps


def _run_command(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)  # noqa: S603  our own arguments
