"""What is under load, and with what, by version."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.load.closed import find_wrk
from benchmarks.load.contenders import PACKAGES

# Asked in the environment itself; the packages are its arguments.
ASK = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


def versions_of(environments: Mapping[str, str | Path]) -> dict[str, dict[str, str]]:
    """Return by peer, and by package, the versions of its environment."""
    return {name: _ask(python, PACKAGES[name]) for name, python in environments.items()}


def wrk_version() -> str:
    """Return what wrk says of itself."""
    # It counts the question as wrong usage, and answers it nevertheless.
    told = subprocess.run([find_wrk(), "-v"], check=False, capture_output=True, text=True)  # noqa: S603  our own arguments
    return told.stdout.splitlines()[0].split(" [")[0].removeprefix("wrk ")


def _ask(python: str | Path, packages: tuple[str, ...]) -> dict[str, str]:
    done = subprocess.run(  # noqa: S603  our own arguments
        [python, "-c", ASK, *packages], check=True, capture_output=True, text=True
    )
    versions: dict[str, str] = json.loads(done.stdout)
    return versions
