"""The real service: a process of its own, asked over a socket."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.api.doubles import command
from tests.tools import program

from .doubled import doubled

PICTURES = Path(__file__).parents[1] / "pictures"
SELFIE = PICTURES / "selfie_360x640.png"
GROUP = PICTURES / "group_640x480.png"
IMAGE = SELFIE.read_bytes()
# How curl sends a plain body: the picture follows, after @.
PLAIN = ("-H", "content-type: image/png", "--data-binary")
PATIENCE_S = 20
SERVE = [sys.executable, "-m", "phiz", "serve", "--port", "0"]
ONE = [*SERVE, "--workers", "1"]
# A request of which 3 of 1000 bytes come.
CUT_SHORT = (
    b"POST /detect HTTP/1.1\r\nhost: x\r\n"
    b"content-type: image/png\r\ncontent-length: 1000\r\n\r\nabc"
)

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True, slots=True)
class Running:
    """A service that has said where it listens."""

    process: subprocess.Popen[str]
    url: str
    log: Path
    announcement: str  # the line of its standard output that says where

    @property
    def address(self) -> tuple[str, int]:
        url = httpx.URL(self.url)
        return url.host, url.port or 80

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, PATIENCE_S)

    def samples(self) -> Samples:
        text = httpx.get(f"{self.url}/metrics").text
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples with this name that have these labels."""
        return sum(
            value
            for (other, others), value in self.samples().items()
            if other == name and labels.items() <= others
        )


def environment(models: Path, **more: str) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PHIZ_")}
    return {**plain, "PHIZ_MODELS": str(models), "PYTHONWARNINGS": "error", **more}


@contextmanager
def running(command: list[str], env: dict[str, str], log: Path) -> Iterator[Running]:
    with (
        log.open("w") as file,
        subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            announced = re.search(r"phiz listens on (\S+)", line)
            assert announced, log.read_text()
            yield Running(process, announced[1], log, line)
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts services that log into a folder of the test."""

    models: Path
    folder: Path

    def __call__(self, *options: str, **variables: str) -> AbstractContextManager[Running]:
        """Start one with one worker, these options of the command, and these variables."""
        return running([*ONE, *options], environment(self.models, **variables), self.folder / "log")

    def doubled(self, double: str, **bounds: float | str) -> AbstractContextManager[Running]:
        """Start one whose worker is a double."""
        program = doubled(command(double, self.folder), **bounds)
        return running(program, environment(self.models), self.folder / "log")


def curl(*arguments: str | Path) -> tuple[int, Any]:
    """Status and decoded answer of a request made with curl."""
    command = [program("curl"), "--silent", "--show-error", "--write-out", "\n%{http_code}"]
    answer = subprocess.run(
        [*command, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    ).stdout
    body, _, status = answer.rpartition("\n")
    return int(status), json.loads(body) if body else None


def head_of(image_bytes: bytes, query: str = "", *headers: str) -> bytes:
    """The head of a request with this picture."""
    lines = (
        f"POST /detect{query} HTTP/1.1",
        "host: x",
        "content-type: image/png",
        f"content-length: {len(image_bytes)}",
        *headers,
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def received(connection: socket.socket) -> bytes:
    """One answer, as far as the length that it announces."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def all_received(connection: socket.socket) -> bytes:
    """What comes until the other end is closed."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.002)


def children(process: int) -> set[int]:
    """The processes that a process has begun and that have not ended."""
    if not Path("/proc/self/stat").exists():
        found = subprocess.run(
            ["pgrep", "-P", str(process)],  # noqa: S607  wherever the system has it
            check=False,
            capture_output=True,
            text=True,
        )
        return {int(line) for line in found.stdout.split()}
    return {
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/stat")
        if parent_of(path) == process
    }


def parent_of(stat: Path) -> int | None:
    try:
        _, _, rest = stat.read_text("utf-8", "replace").rpartition(")")
    except OSError:  # it has ended
        return None
    state, parent, *_ = rest.split()
    return None if state in {"Z", "X"} else int(parent)


def alive(process: int) -> bool:
    """Whether a process is there, which need not be a child of ours, and has not ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or parent_of(stat) is not None
