"""What is under load, and with what, by version."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.load.closed import find_wrk
from benchmarks.load.contenders import PEER_SERVERS

# Asked in the environment itself; the packages are its arguments.
VERSION_SCRIPT = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


def read_versions(environments: Mapping[str, str | Path]) -> dict[str, dict[str, str]]:
    """Return by peer, and by package, the versions of its environment."""
    return {
        name: _read_package_versions(python, PEER_SERVERS[name].packages)
        for name, python in environments.items()
    }


def read_wrk_version() -> str:
    """Return what wrk says of itself."""
    # It counts the question as wrong usage, and answers it nevertheless.
    completed = subprocess.run([find_wrk(), "-v"], check=False, capture_output=True, text=True)  # noqa: S603  our own arguments
    return completed.stdout.splitlines()[0].split(" [")[0].removeprefix("wrk ")


def _read_package_versions(python: str | Path, packages: tuple[str, ...]) -> dict[str, str]:
    done = subprocess.run(  # noqa: S603  our own arguments
        [python, "-c", VERSION_SCRIPT, *packages], check=True, capture_output=True, text=True
    )
    versions: dict[str, str] = json.loads(done.stdout)
    return versions
