import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from phiz.cli.serve import serve

from .running import ONE, PATIENCE_S, SERVE, Running, Starter, children, environment, wait_for

pytestmark = pytest.mark.integration


def fails(env: dict[str, str], *arguments: str) -> str:
    """What a service that does not start has to say."""
    ended = subprocess.run(
        [*ONE, *arguments], env=env, check=False, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def test_a_port_that_is_taken_is_told_in_one_line(service: Running, models_folder: Path) -> None:
    port = str(service.address[1])
    error = fails(environment(models_folder), "--port", port)
    assert f"127.0.0.1, port {port}" in error
    assert "--port" in error


def test_second_of_two_services_that_start_at_once_finds_the_port_taken(
    models_folder: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    both = [
        subprocess.Popen(
            [*ONE, "--port", port],
            env=environment(models_folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        words = [process.stdout.readline() for process in both if process.stdout]
        assert sorted(map(bool, words)) == [False, True]  # one ended without a word
        winner, loser = both if words[0] else both[::-1]
        stdout, stderr = loser.communicate(timeout=PATIENCE_S)
        assert (loser.returncode, stdout, stderr.count("\n")) == (1, "", 1)
        assert stderr.startswith(f"Error: cannot listen on 127.0.0.1, port {port}: ")
        assert stderr.endswith("; change --host or --port\n")
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        winner.send_signal(signal.SIGTERM)
        assert winner.communicate(timeout=PATIENCE_S) == ("", "")
    finally:
        for process in both:
            process.kill()
            process.communicate()


def test_port_can_be_listened_on_again_at_once(start: Starter) -> None:
    with start() as first:
        port = str(first.address[1])
        with httpx.Client(base_url=first.url) as http:
            assert http.get("/healthz").status_code == 200
            # The service closes this connection first, so that its end of it lingers.
            assert first.stop() == 0
    with start("--port", port) as second:
        assert second.address[1] == int(port)


@pytest.mark.parametrize("scheme", ["tcp", "udp", "sctp"])
def test_the_address_of_a_cluster_service_is_no_port(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("PHIZ_PORT", f"{scheme}://10.0.0.7:80")
    with serve.make_context("serve", ["--host", "::1"]) as context:
        assert context.params == {"host": "::1", "port": 8000, "workers": None}
    monkeypatch.setenv("PHIZ_PORT", "9000")
    with serve.make_context("serve", ["--host", "::1"]) as context:
        assert context.params == {"host": "::1", "port": 9000, "workers": None}


def test_a_host_that_is_not_there_is_told_in_one_line(models_folder: Path) -> None:
    assert "256.0.0.1" in fails(environment(models_folder), "--host", "256.0.0.1")


def test_a_wrong_setting_is_told_in_one_line(models_folder: Path) -> None:
    env = environment(models_folder, PHIZ_QUEUE="none")
    assert "PHIZ_QUEUE is 'none'" in fails(env)


def test_too_few_files_are_told_in_one_line(models_folder: Path) -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -n 12 && exec "$@"', "sh", *ONE],
        env=environment(models_folder),
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "Error: the limit of 12 open files is too low; the service needs at least 33; raise it with"
        " ulimit -n, or set PHIZ_WORKERS\n"
    )


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_output_without_room_is_told_in_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "phiz", *arguments],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
        )
    assert ended.returncode == 1
    assert ended.stderr == "Error: cannot write the output: No space left on device\n"


@pytest.mark.parametrize("workers", ["1", "3"])
def test_models_that_are_not_there_are_told_in_one_line(tmp_path: Path, workers: str) -> None:
    assert "phiz models build" in fails(environment(tmp_path), "--workers", workers)


def test_service_without_models_ends_although_its_error_has_no_room(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            SERVE, env=environment(tmp_path), check=False, stderr=full, timeout=PATIENCE_S
        )
    assert ended.returncode == 1


@pytest.mark.parametrize("workers", ["0", "1025", "none"])
def test_a_wrong_number_of_workers_is_told(models_folder: Path, workers: str) -> None:
    env = environment(models_folder, PHIZ_WORKERS=workers)
    ended = subprocess.run(
        SERVE, env=env, check=False, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    _, _, error = ended.stderr.partition("\nError: ")
    assert error.count("\n") == 1
    assert "PHIZ_WORKERS" in error
    assert workers in error


def test_number_of_workers_is_that_of_the_option_before_the_variable(start: Starter) -> None:
    with start("--workers", "3", PHIZ_WORKERS="1") as service:
        assert service.metric("phiz_workers") == len(children(service.process.pid)) == 3


def test_a_model_that_was_changed_is_told_in_one_line(models_folder: Path, tmp_path: Path) -> None:
    for file in models_folder.glob("*.onnx"):
        changed = b"x" if file.name == "back.onnx" else b""
        (tmp_path / file.name).write_bytes(file.read_bytes() + changed)
    assert "back.onnx" in fails(environment(tmp_path))


@pytest.mark.parametrize("output", ["closed", "full"])
def test_service_answers_although_its_output_is_lost(models_folder: Path, output: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    if output == "full":
        words = os.open("/dev/full", os.O_WRONLY)
    else:
        deaf, words = os.pipe()
        os.close(deaf)
    process = subprocess.Popen(
        [*ONE, "--port", str(port)],
        env=environment(models_folder, PYTHONUNBUFFERED=""),
        stdout=words,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(words)
    try:
        wait_for(lambda: listens(port))
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, said) == (0, "")
    finally:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
