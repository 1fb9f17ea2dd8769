"""The service in Ray Serve, asked over HTTP, and ``phiz detect --ray`` in the same cluster."""

import asyncio
import math
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import httpx
import pyarrow.parquet as pq
import pytest

from phiz.api.errors import NotReadyError
from phiz.system.procfs import read_processor_seconds
from tests.conftest import PICTURES
from tests.service.running import SERVE, Running, alive, children, environment, running

from .test_job import finder, part
from .variables import RAY

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("one_cluster")]

CLUSTER = Path(__file__).with_name("cluster.py")
GROUP = (PICTURES / "group_640x480.png").read_bytes()
ROW = (PICTURES / "row_960x540.png").read_bytes()
PATIENCE_S = 60
QUEUE = 6  # of each replica
FORM = "multipart/form-data; boundary=b"
PAGE = "<p>what was measured</p>"


class Asked(NamedTuple):
    """A request."""

    path: str
    content: bytes = b""
    content_type: str = "image/png"
    method: str = "POST"


class Answered(NamedTuple):
    """An answer, but for its times."""

    status: int
    headers: dict[str, str]
    content: bytes


REQUESTS = {
    "front": Asked("/detect?model=front", GROUP),
    "auto": Asked("/detect?details=quality", ROW),
    "mtcnn": Asked("/detect?model=mtcnn", GROUP),
    "form": Asked(
        "/detect/batch?model=back",
        b'--b\r\ncontent-disposition: form-data; name="image"\r\n\r\n' + GROUP + b"\r\n"
        b'--b\r\ncontent-disposition: form-data; name="image"\r\n\r\nno picture\r\n--b--\r\n',
        FORM,
    ),
    "damaged": Asked("/detect", GROUP[:1000]),
    "option": Asked("/detect?modle=front", GROUP),
    "empty": Asked("/detect"),
    "nowhere": Asked("/detects", GROUP),
    "method": Asked("/detect", method="GET"),
    "models": Asked("/models", method="GET"),
    "ready": Asked("/readyz", method="GET"),
    "interface": Asked("/openapi.json", method="GET"),
    "page": Asked("/docs", method="GET"),
}


def answer(url: str, asked: Asked) -> Answered:
    got = httpx.request(
        asked.method,
        f"{url}{asked.path}",
        content=asked.content,
        headers={"content-type": asked.content_type},
        timeout=PATIENCE_S,
    )
    told = ("content-type", "allow", "retry-after")
    headers = {name: got.headers[name] for name in told if name in got.headers}
    timeless = re.sub(rb',"timing_ms":\{[^}]*\}', b"", got.content)
    return Answered(got.status_code, headers, timeless)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def descendants(process: int) -> set[int]:
    found = children(process)
    return found.union(*(descendants(child) for child in found))


def command_of(process: int) -> str:
    try:
        if Path("/proc/self/cmdline").exists():
            file = Path(f"/proc/{process}/cmdline")
            return file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:  # it has just ended
        return ""
    completed = subprocess.run(
        ["ps", "-o", "command=", "-p", str(process)],  # noqa: S607  wherever the system has it
        check=False,
        capture_output=True,
        text=True,
    )
    return completed.stdout


def replicas(cluster: Running) -> dict[int, int]:
    """The worker of each replica, by the process of the replica."""
    found = {}
    for process in descendants(cluster.process.pid):
        if command_of(process).startswith("ray::ServeReplica"):
            for child in children(process):
                if "phiz.worker" in command_of(child):
                    found[process] = child
    return found


@pytest.fixture(scope="module")
def plain(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("plain") / "log"
    with running([*SERVE, "--workers", "1"], environment(models_folder), log) as service:
        yield service.url


@pytest.fixture(scope="module")
def cluster(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that begins with one replica; in the end it leaves nothing behind."""
    log = tmp_path_factory.mktemp("cluster") / "log"
    log.with_name("study.html").write_text(PAGE)
    env = environment(
        models_folder,
        PHIZ_PROFILE=str(log.with_name("profile.json")),
        PHIZ_QUEUE=str(QUEUE),
        PYTHONWARNINGS="default",  # Ray has its own
        **RAY,
    )
    with running([sys.executable, str(CLUSTER), str(free_port())], env, log) as service:
        yield service
        seen_pids = descendants(service.process.pid)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(PATIENCE_S) == 0
        wait_for(lambda: not any(alive(process) for process in seen_pids))


@pytest.mark.parametrize("name", REQUESTS)
def test_the_bytes_are_those_of_the_plain_service(cluster: Running, plain: str, name: str) -> None:
    assert answer(cluster.url, REQUESTS[name]) == answer(plain, REQUESTS[name])


def test_the_page_of_a_study_is_that_beside_the_profile(cluster: Running) -> None:
    assert httpx.get(f"{cluster.url}/study").text == PAGE


def test_counters_of_one_replica_are_told_to_nobody(cluster: Running) -> None:
    found = httpx.get(f"{cluster.url}/metrics")
    assert (found.status_code, found.json()["code"]) == (404, "not_found")


def test_replicas_come_and_go_with_the_load(cluster: Running, plain: str) -> None:
    expected = answer(plain, REQUESTS["auto"])
    over = threading.Event()

    def ask() -> list[Answered]:
        answers = []
        while not over.is_set():
            answers.append(answer(cluster.url, REQUESTS["auto"]))
        return answers

    assert len(replicas(cluster)) == 1
    with ThreadPoolExecutor(5) as pool:
        try:
            asking = [pool.submit(ask) for _ in range(5)]
            wait_for(lambda: len(replicas(cluster)) == 2)
            workers = list(replicas(cluster).values())
            before = [read_processor_seconds(worker) or 0 for worker in workers]
            # Both work; where that is not told, both are there.
            wait_for(
                lambda: all(
                    (read_processor_seconds(worker) or math.inf) > seconds + 0.5
                    for worker, seconds in zip(workers, before, strict=True)
                )
            )
        finally:
            over.set()
        answers = [each for done in asking for each in done.result()]
    assert len(answers) >= 16
    assert set(map(repr, answers)) == {repr(expected)}
    wait_for(lambda: len(replicas(cluster)) == 1)
    assert answer(cluster.url, REQUESTS["front"]).status == 200


def test_too_many_at_once_are_refused_as_the_service_does(cluster: Running) -> None:
    asked = Asked("/detect?model=mtcnn", ROW)
    with ThreadPoolExecutor(5 * QUEUE) as pool:
        answers = list(pool.map(lambda _: answer(cluster.url, asked), range(5 * QUEUE)))
    assert {each.status for each in answers} == {200, 503}
    for each in answers:
        if each.status == 503:
            assert each.headers["content-type"] == "application/problem+json"
            assert int(each.headers["retry-after"]) >= 1
            assert b'"code":"overloaded"' in each.content
            assert (
                f"the queue is full with the limit of {QUEUE} detections" in each.content.decode()
            )


def test_a_replica_that_ends_is_replaced(cluster: Running, plain: str) -> None:
    wait_for(lambda: len(replicas(cluster)) == 1)
    ((replica, worker),) = replicas(cluster).items()
    os.kill(replica, signal.SIGKILL)
    wait_for(lambda: not alive(worker))
    wait_for(lambda: replicas(cluster).keys() - {replica} != set())
    wait_for(lambda: answer(cluster.url, REQUESTS["ready"]).status == 200)
    expected = answer(plain, REQUESTS["front"])
    assert answer(cluster.url, REQUESTS["front"]) == expected


def test_rows_that_are_there_are_not_written_again(
    cluster: Running, models_folder: Path, tmp_path: Path
) -> None:
    """By ``phiz detect --ray``, in the cluster that its variable names."""
    names = ("text.jpg", "row_960x540.png", "selfie_360x640.png")
    text, row, selfie = (tmp_path / "pictures" / name for name in names)
    text.parent.mkdir()
    text.write_text("no picture")
    for path in (row, selfie):
        shutil.copy(PICTURES / path.name, path)
    parts = tmp_path / "parts"
    finder(parts, models_folder)(part(text, row))
    done = subprocess.run(
        [sys.executable, "-m", "phiz", "detect", "--ray", parts, text.parent],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **RAY, "RAY_ADDRESS": cluster.announcement.split()[-1]},
        timeout=2 * PATIENCE_S,
    )
    assert done.stdout.startswith(
        "1 images with 1 faces; 0 unreadable, 2 skipped because they have a row;"
    ), done.stderr
    rows = pq.read_table(parts).to_pylist()
    assert {each["path"] for each in rows} == {str(text), str(row), str(selfie)}
    assert len(rows) == 3


@pytest.fixture
def check_health() -> Callable[[Any], Coroutine[Any, Any, None]]:
    """That of a replica."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray has some when it is loaded
        from phiz.ray.serve import Replica  # noqa: PLC0415
    return Replica.check_health


def replica_with(service: object) -> Any:
    return SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(service=service)))


@pytest.mark.parametrize(
    "service",
    [SimpleNamespace(pool=SimpleNamespace(is_healthy=False)), None],
    ids=["no worker can begin", "ended"],
)
def test_replica_without_a_worker_is_not_healthy(
    check_health: Callable[[Any], Coroutine[Any, Any, None]], service: object
) -> None:
    with pytest.raises(NotReadyError):
        asyncio.run(check_health(replica_with(service)))


def test_replica_with_a_worker_is_healthy(
    check_health: Callable[[Any], Coroutine[Any, Any, None]],
) -> None:
    asyncio.run(check_health(replica_with(SimpleNamespace(pool=SimpleNamespace(is_healthy=True)))))
