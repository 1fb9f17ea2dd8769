"""``phiz serve`` as a process, started on a free port and stopped afterwards."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kit.requests import HOST

NO_VARIABLES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service that answers.

    Attributes:
        process: Id of the process that accepts connections.
        port: On the loopback address.
    """

    process: int
    port: int

    def list_workers(self) -> list[int]:
        """Return the process ids of its workers (Linux)."""
        tasks = (Path("/proc") / str(self.process) / "task").iterdir()
        return sorted(
            int(child) for task in tasks for child in (task / "children").read_text("ascii").split()
        )


@contextmanager
def start_service(
    workers: int, variables: Mapping[str, str] = NO_VARIABLES, folder: Path | None = None
) -> Iterator[RunningService]:
    """Give a service of this Python, and stop it afterwards.

    Args:
        workers: Number of worker processes.
        variables: Added to its environment.
        folder: Its working directory.

    Raises:
        RuntimeError: The service ended before it was ready.
    """
    command = [sys.executable, "-m", "phiz", "serve", "--port", "0", "--workers", str(workers)]
    with subprocess.Popen(  # noqa: S603  our own command
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables}, cwd=folder
    ) as process:
        try:
            assert process.stdout is not None, "it is a pipe"
            _, found, port = process.stdout.readline().partition(f"http://{HOST}:")
            if not found:
                raise RuntimeError("phiz serve ended before it was ready; see its output above")
            yield RunningService(process.pid, int(port.split()[0]))
        finally:
            process.terminate()
