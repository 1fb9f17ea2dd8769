"""Sends requests by the OpenAPI document to a real service, which must answer as documented."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
# The others either know no images, or take a documented 503 for a defect.
CHECKS: Final = (
    *("no_internal_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance"),
    *("unsupported_method", "allow_header_conformance"),
)
SERVE: Final = (sys.executable, "-m", "phiz", "serve", "--port", "0", "--workers", "1")
_STOP_S: Final = 60
_PROGRAM: Final = "st.exe" if sys.platform == "win32" else "st"


@dataclass(frozen=True, slots=True)
class HttpReport:
    """What a run did.

    Attributes:
        cases: Number of requests.
        output: Of schemathesis.
        log: Of the service.
        failed: Whether an answer was not as documented, or the service did not stop cleanly.
    """

    cases: int
    output: str
    log: str
    failed: bool


@contextmanager
def start_service(
    command: Sequence[str], log: Path
) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Yield address and process of a service, which is ended afterwards."""
    with (
        log.open("w") as file,
        subprocess.Popen(  # noqa: S603  this Python, with arguments of our own
            command, stdout=subprocess.PIPE, stderr=file, text=True, cwd=ROOT
        ) as process,
    ):
        try:
            assert process.stdout is not None
            found = re.search(r"phiz listens on (\S+)", process.stdout.readline())
            if found is None:
                raise RuntimeError(f"the service did not start: {log.read_text('utf-8')}")
            yield found[1], process
        finally:
            process.kill()


def fuzz_http(
    folder: Path, *, limit: Sequence[str], seed: int, command: Sequence[str] = SERVE
) -> HttpReport:
    """Return the report of a run.

    Args:
        folder: For the log of the service.
        limit: Options of ``st run`` for the end of the run, such as ``--max-examples=10``.
        seed: Of the random numbers.
        command: Starts the service, and prints its address.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "service.log"
    with start_service(command, log) as (url, process):
        options = (f"--seed={seed}", f"--checks={','.join(CHECKS)}", "--continue-on-failure")
        ran = subprocess.run(  # noqa: S603  a program of this environment
            [
                *(str(Path(sys.executable).with_name(_PROGRAM)), "run", f"{url}/openapi.json"),
                *(*options, "--no-color", "--warnings=off", *limit),
            ],
            cwd=ROOT,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "fuzzing.hooks", "PYTHONPATH": str(ROOT)},
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        process.send_signal(signal.SIGTERM)
        stopped = process.wait(_STOP_S)
    found = re.search(r"(\d+) generated", ran.stdout)
    logged = log.read_text("utf-8")
    failed = bool(ran.returncode or stopped or "Traceback" in logged)
    return HttpReport(int(found[1]) if found else 0, ran.stdout, logged, failed)
