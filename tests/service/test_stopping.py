import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from phiz.workers.supervisor import STOP_TIMEOUT_S
from tests.api.doubles import BEGUN, MAY_END

from .running import (
    CUT_SHORT,
    IMAGE,
    ONE,
    PATIENCE_S,
    Starter,
    alive,
    all_received,
    children,
    environment,
    head_of,
    running,
    wait_for,
)

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_service_finishes_requests_before_it_stops(start: Starter, number: signal.Signals) -> None:
    """Also if all its processes are told, as those of a terminal are by Ctrl+C."""
    with start() as service, service.connect() as connection:
        workers = children(service.process.pid)
        connection.sendall(head_of(IMAGE, "?model=back") + IMAGE[:1000])
        wait_for(lambda: service.metric("phiz_inflight_requests") == 1)
        os.killpg(service.process.pid, number)
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(0.5)
        connection.sendall(IMAGE[1000:])
        answer = all_received(connection)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert len(json.loads(answer.partition(b"\r\n\r\n")[2])["faces"]) == 1
        assert service.process.wait(PATIENCE_S) == 0
        assert service.log.read_text() == ""
    assert len(workers) == 1
    assert not any(map(alive, workers))


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_signals_to_open_logs_again_have_no_effect(start: Starter, number: signal.Signals) -> None:
    with start() as service:
        os.killpg(service.process.pid, number)
        with service.connect() as connection:
            connection.sendall(head_of(IMAGE, "?model=back", "connection: close") + IMAGE)
            assert all_received(connection).startswith(b"HTTP/1.1 200 ")
        assert service.metric("phiz_workers_replaced_total") == 0
        assert service.stop() == 0
        assert service.log.read_text() == ""


def test_hangup_that_is_ignored_has_no_effect(models_folder: Path, tmp_path: Path) -> None:
    ignoring = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    program = [sys.executable, "-c", f"{ignoring}; os.execv(sys.argv[1], sys.argv[1:])", *ONE]
    with running(program, environment(models_folder), tmp_path / "log") as service:
        service.process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(0.5)
        assert service.stop() == 0


def test_request_that_outlasts_the_drain_is_refused(start: Starter) -> None:
    with start(PHIZ_DRAIN="0") as service, service.connect() as connection:
        connection.sendall(CUT_SHORT)
        wait_for(lambda: service.metric("phiz_inflight_requests") == 1)
        assert service.stop() == 0
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'"code":"not_ready"' in answer
        assert "Traceback" not in service.log.read_text()


def test_second_signal_does_not_end_running_work(start: Starter, tmp_path: Path) -> None:
    with start.doubled("held") as service, service.connect() as connection:
        connection.sendall(head_of(IMAGE) + IMAGE)
        wait_for((tmp_path / BEGUN).exists)
        for _ in range(2):
            service.process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):  # longer than a worker gets to end in
                service.process.wait(0.6 * STOP_TIMEOUT_S)
        (tmp_path / MAY_END).touch()
        assert all_received(connection).startswith(b"HTTP/1.1 200 ")
        assert service.process.wait(PATIENCE_S) == 0
        assert service.log.read_text() == ""


def test_work_that_outlasts_the_drain_is_given_up(start: Starter, tmp_path: Path) -> None:
    with start.doubled("held", drain_s=0) as service, service.connect() as connection:
        workers = children(service.process.pid)
        connection.sendall(head_of(IMAGE) + IMAGE)
        wait_for((tmp_path / BEGUN).exists)
        assert service.stop() == 0
        assert all_received(connection).startswith(b"HTTP/1.1 503 ")
        log = service.log.read_text()
    assert not any(map(alive, workers))
    assert "Traceback" not in log


def test_busy_workers_end_with_a_killed_service(start: Starter, tmp_path: Path) -> None:
    with start.doubled("held") as service, service.connect() as connection:
        workers = children(service.process.pid)
        connection.sendall(head_of(IMAGE) + IMAGE)
        wait_for((tmp_path / BEGUN).exists)
        service.process.kill()
        service.process.wait(PATIENCE_S)
        wait_for(lambda: not any(map(alive, workers)))
        # A worker that is held to its end complains, and nobody has let it go.
        assert service.log.read_text() == ""


def test_idle_workers_end_with_a_killed_service(start: Starter) -> None:
    with start() as service:
        workers = children(service.process.pid)
        assert len(workers) == 1
        service.process.kill()
        service.process.wait(PATIENCE_S)
        wait_for(lambda: not any(map(alive, workers)))
        assert service.log.read_text() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_service_stopped_while_it_starts_leaves_no_process(
    models_folder: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        ONE, env=environment(models_folder), stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        wait_for(lambda: bool(children(process.pid)))
        workers = children(process.pid)
        process.send_signal(number)
        assert process.stdout is not None
        assert process.stdout.read() == b""
    assert process.returncode == 0
    wait_for(lambda: not any(map(alive, workers)))


# Of a command that is about to import its server.
IMPORTING = """
import importlib.abc, sys, time
from phiz.cli.main import main

class Late(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "fastapi":
            print("importing", flush=True)
            time.sleep(20)

sys.meta_path.insert(0, Late())
main(["serve", "--port", "0"])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_service_stopped_while_it_imports_ends_at_once(
    models_folder: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", IMPORTING],
        env=environment(models_folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"importing\n"
        process.send_signal(number)
        assert process.communicate(timeout=PATIENCE_S / 2) == (b"", b"")
    assert process.returncode == 0
