"""The container engine, through its command line."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = "phiz-test"
MAX_PIXELS: Final = 13_000_000  # fits the memory below
RUN_OPTIONS: Final = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--pids-limit=200",
    "--memory=512m",
    "--cpus=1",
    f"--env=PHIZ_MAX_PIXELS={MAX_PIXELS}",
)


def run_docker(*arguments: str) -> str:
    """Return the output of the command.

    Raises:
        RuntimeError: It failed; the message is its output.
    """
    done = subprocess.run(  # noqa: S603  arguments of our own
        ["docker", *arguments],  # noqa: S607  wherever the system has it
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def run_compose(*arguments: str) -> str:
    """Return the output of compose for the project with the test's additions."""
    files = ("--file=docker-compose.yml", "--file=deploy/test/compose.yml")
    return run_docker("compose", f"--project-name={PROJECT}", *files, *arguments)


def inspect_object(name: str) -> Any:  # noqa: ANN401  as the engine answers
    """Return the engine's description of a container or an image."""
    (known,) = json.loads(run_docker("inspect", name))
    return known


def measure_anonymous_bytes(container: str) -> int:
    """Return the bytes of a container's memory that are not backed by a file.

    Source: RssAnon in proc(5), of all processes that the engine lists.
    """
    listed = run_docker("top", container, "-o", "pid").split()[1:]
    return sum(_read_anonymous_bytes(int(process)) for process in listed)


def _read_anonymous_bytes(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text("utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024
