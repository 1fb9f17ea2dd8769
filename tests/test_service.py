"""The real service: a process of its own, asked over a socket."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from phiz.api.openapi import EXAMPLE
from phiz.cli.serve import serve
from phiz.errors import ImageError
from tests.malformed import malformed_inputs

PICTURES = Path(__file__).parent / "pictures"
SELFIE = PICTURES / "selfie_360x640.png"
GROUP = PICTURES / "group_640x480.png"
PATIENCE_S = 20
REFUSALS = {error.code for error in ImageError.__subclasses__()}
SERVE = [sys.executable, "-m", "phiz", "serve", "--port", "0"]


@dataclass(frozen=True, slots=True)
class Running:
    """A service that has said where it listens."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        url = httpx.URL(self.url)
        return url.host, url.port or 80

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


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
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:3] == ["phiz", "listens", "on"], log.read_text()
            yield Running(process, words[3], log)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def service(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("service") / "log"
    with running(SERVE, environment(models_folder), log) as service:
        yield service


def curl(*arguments: str | Path) -> tuple[int, Any]:
    """Status and decoded answer of a request made with curl."""
    written = "\n%{http_code}"
    command = ["curl", "--silent", "--show-error", "--write-out", written, *map(str, arguments)]
    answer = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=PATIENCE_S
    ).stdout
    body, _, status = answer.rpartition("\n")
    return int(status), json.loads(body) if body else None


def metric(service: Running, name: str, **labels: str) -> float:
    text = httpx.get(f"{service.url}/metrics").text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_it_is_ready_once_it_says_where_it_listens(service: Running) -> None:
    assert httpx.get(f"{service.url}/readyz").status_code == 200
    assert httpx.get(f"{service.url}/healthz").status_code == 200


def test_the_example_of_the_documentation_is_true(service: Running) -> None:
    status, answer = curl("-F", f"image=@{SELFIE}", f"{service.url}/detect")
    assert status == 200
    assert list(answer.pop("timing_ms")) == list(EXAMPLE["timing_ms"])
    (face,), (example,) = answer.pop("faces"), EXAMPLE["faces"]
    assert face["box"] == pytest.approx(example["box"], abs=1)
    assert face["score"] == pytest.approx(example["score"], abs=0.01)
    assert face["landmarks"].keys() == example["landmarks"].keys()
    for name, point in face["landmarks"].items():
        assert point == pytest.approx(example["landmarks"][name], abs=1)
    assert answer == {key: EXAMPLE[key] for key in ("model", "image", "route")}


@pytest.mark.parametrize("model", ["front", "back", "full", "mtcnn", "auto"])
def test_form_and_plain_body_give_the_same_faces(service: Running, model: str) -> None:
    form = curl("-F", f"model={model}", "-F", f"image=@{GROUP}", f"{service.url}/detect")
    plain = curl(
        "--data-binary",
        f"@{GROUP}",
        "-H",
        "content-type: image/png",
        f"{service.url}/detect?model={model}",
    )
    for status, answer in (form, plain):
        assert status == 200
        assert answer["faces"]
        timing = answer.pop("timing_ms")
        parts = {name: timing.pop(name, 0) for name in ("pnet", "rnet", "onet")}
        assert (parts["pnet"] > 0) == (model == "mtcnn")
        total = timing.pop("total")
        assert total == pytest.approx(sum(timing.values()), rel=0.05)
    assert form == plain


def test_a_body_that_curl_calls_a_web_form_is_explained(service: Running) -> None:
    status, problem = curl("--data-binary", f"@{GROUP}", f"{service.url}/detect")
    assert (status, problem["code"]) == (415, "unsupported_image")
    assert "-F image=@face.jpg" in problem["detail"]


def test_an_announced_length_over_the_limit_is_refused_at_once(service: Running) -> None:
    with socket.create_connection(service.address, PATIENCE_S) as connection:
        connection.sendall(
            b"POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\n"
            b"content-length: 20971521\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_grows_over_the_limit_is_refused(service: Running, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(20 * 1024 * 1024 + 1))
    status, problem = curl(
        "--data-binary",
        f"@{tmp_path / 'big'}",
        "-H",
        "content-type: image/png",
        "-H",
        "transfer-encoding: chunked",
        f"{service.url}/detect",
    )
    assert (status, problem["code"]) == (413, "too_many_bytes")


def test_sixteen_at_once_get_their_own_answers(service: Running) -> None:
    picture = GROUP.read_bytes()
    choices = [
        {"model": model, "max_faces": str(max_faces), "overlap": overlap}
        for model in ("front", "back", "full", "mtcnn")
        for max_faces in (1, 2)
        for overlap in ("blend", "nms")
    ]
    assert len(choices) == 16

    async def ask(http: httpx.AsyncClient, choice: dict[str, str]) -> Any:
        response = await http.post("/detect", params=choice, files={"image": picture})
        assert response.status_code == 200
        answer = response.json()
        del answer["timing_ms"]
        return answer

    async def compare() -> None:
        limits = httpx.Limits(max_connections=len(choices))
        async with httpx.AsyncClient(
            base_url=service.url, limits=limits, timeout=PATIENCE_S
        ) as http:
            alone = [await ask(http, choice) for choice in choices]
            together = await asyncio.gather(*(ask(http, choice) for choice in choices))
            assert together == alone
            models = [answer["model"] for answer in together]
            assert models == [choice["model"] for choice in choices]
            assert [len(answer["faces"]) for answer in together] == [1, 1, 2, 2] * 4

    asyncio.run(compare())


def test_malformed_pictures_are_refused_and_it_goes_on(service: Running) -> None:
    inputs = malformed_inputs()
    assert len(inputs) >= 200

    async def ask(http: httpx.AsyncClient, turn: asyncio.Semaphore, data: bytes) -> None:
        async with turn:
            raw = await http.post("/detect", content=data)
            form = await http.post("/detect", files={"image": data})
        for response in (raw, form):
            assert 400 <= response.status_code < 500
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["code"] in REFUSALS

    async def ask_all() -> None:
        turn = asyncio.Semaphore(4)
        async with httpx.AsyncClient(base_url=service.url, timeout=PATIENCE_S) as http:
            await asyncio.gather(*(ask(http, turn, data) for _, data in inputs))

    asyncio.run(ask_all())
    status, answer = curl("-F", f"image=@{SELFIE}", f"{service.url}/detect")
    assert (status, len(answer["faces"])) == (200, 1)
    assert metric(service, "phiz_inflight_requests") == 0
    assert service.log.read_text() == ""


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_without_a_body(service: Running, path: str) -> None:
    with socket.create_connection(service.address, PATIENCE_S) as connection:
        connection.sendall(
            b"HEAD %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % path.encode()
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")


def test_a_form_over_the_limit_is_told_the_limit_that_is_documented(service: Running) -> None:
    with socket.create_connection(service.address, PATIENCE_S) as connection:
        connection.sendall(
            b"POST /detect HTTP/1.1\r\nhost: x\r\n"
            b"content-type: multipart/form-data; boundary=x\r\ncontent-length: 21037057\r\n\r\n"
        )
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"the body has 21037057 bytes; the limit is 20971520 for the picture" in answer


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


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up


def test_a_client_that_leaves_is_no_error(service: Running) -> None:
    before = metric(service, "phiz_request_seconds_count", outcome="disconnected")
    with socket.create_connection(service.address, PATIENCE_S) as connection:
        connection.sendall(
            b"POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\n"
            b"content-length: 1000\r\n\r\nabc"
        )
    give_up = time.monotonic() + PATIENCE_S
    while metric(service, "phiz_request_seconds_count", outcome="disconnected") == before:
        assert time.monotonic() < give_up
    assert metric(service, "phiz_inflight_requests") == 0
    assert service.log.read_text() == ""


def test_slow_bodies_keep_nobody_out_and_end(models_folder: Path, tmp_path: Path) -> None:
    env = environment(models_folder, PHIZ_QUEUE="2", PHIZ_BODY_TIMEOUT="2")
    with running(SERVE, env, tmp_path / "log") as service, ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(service.address, PATIENCE_S))
            for _ in range(10)
        ]
        for connection in slow:
            connection.sendall(
                b"POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\n"
                b"content-length: 1000\r\n\r\nabc"
            )
        wait_for(lambda: metric(service, "phiz_inflight_requests") == len(slow))
        assert curl("-F", f"image=@{SELFIE}", f"{service.url}/detect")[0] == 200
        for connection in slow:
            answer = b"".join(iter(lambda: connection.recv(65536), b""))  # noqa: B023  used at once
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b'"code": "body_too_slow"' in answer
        assert metric(service, "phiz_inflight_requests") == 0
        assert service.log.read_text() == ""


def test_told_to_stop_it_finishes_what_has_begun(models_folder: Path, tmp_path: Path) -> None:
    picture = SELFIE.read_bytes()
    head = (
        b"POST /detect?model=back HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\n"
        b"content-length: %d\r\n\r\n" % len(picture)
    )
    with (
        running(SERVE, environment(models_folder), tmp_path / "log") as service,
        socket.create_connection(service.address, PATIENCE_S) as connection,
    ):
        connection.sendall(head + picture[:1000])
        while not metric(service, "phiz_inflight_requests"):
            pass
        service.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(0.5)
        connection.sendall(picture[1000:])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert len(json.loads(answer.partition(b"\r\n\r\n")[2])["faces"]) == 1
        assert service.process.wait(PATIENCE_S) == 0
        assert service.log.read_text() == ""


def test_what_does_not_finish_in_time_is_told_so(models_folder: Path, tmp_path: Path) -> None:
    env = environment(models_folder, PHIZ_DRAIN="0")
    with (
        running(SERVE, env, tmp_path / "log") as service,
        socket.create_connection(service.address, PATIENCE_S) as connection,
    ):
        connection.sendall(
            b"POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\n"
            b"content-length: 1000\r\n\r\nabc"
        )
        while not metric(service, "phiz_inflight_requests"):
            pass
        assert service.stop() == 0
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'"code": "not_ready"' in answer
        assert "Traceback" not in service.log.read_text()


def fails(env: dict[str, str], *arguments: str) -> str:
    """What a service that does not start has to say."""
    ended = subprocess.run(
        [*SERVE, *arguments],
        env=env,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
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


def test_of_two_services_that_start_at_once_one_tells_that_the_port_is_taken(
    models_folder: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    both = [
        subprocess.Popen(
            [*SERVE, "--port", port],
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
        assert stderr.endswith("; choose with --host and --port\n")
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        winner.send_signal(signal.SIGTERM)
        assert winner.communicate(timeout=PATIENCE_S) == ("", "")
    finally:
        for process in both:
            process.kill()
            process.communicate()


def test_a_port_can_be_listened_on_again_at_once(models_folder: Path, tmp_path: Path) -> None:
    env = environment(models_folder)
    with running(SERVE, env, tmp_path / "first") as first:
        port = str(first.address[1])
        with httpx.Client(base_url=first.url) as http:
            assert http.get("/healthz").status_code == 200
            # The service closes this connection first, so that its end of it lingers.
            assert first.stop() == 0
    with running([*SERVE, "--port", port], env, tmp_path / "second") as second:
        assert second.address[1] == int(port)


@pytest.mark.parametrize("scheme", ["tcp", "udp", "sctp"])
def test_the_address_of_a_cluster_service_is_no_port(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("PHIZ_PORT", f"{scheme}://10.0.0.7:80")
    with serve.make_context("serve", ["--host", "::1"]) as context:
        assert context.params == {"host": "::1", "port": 8000}
    monkeypatch.setenv("PHIZ_PORT", "9000")
    with serve.make_context("serve", ["--host", "::1"]) as context:
        assert context.params == {"host": "::1", "port": 9000}


def test_a_host_that_is_not_there_is_told_in_one_line(models_folder: Path) -> None:
    assert "256.0.0.1" in fails(environment(models_folder), "--host", "256.0.0.1")


def test_a_wrong_setting_is_told_in_one_line(models_folder: Path) -> None:
    env = environment(models_folder, PHIZ_THREADS="none")
    assert "PHIZ_THREADS is 'none'" in fails(env)


def test_models_that_are_not_there_are_told_in_one_line(tmp_path: Path) -> None:
    assert "phiz models build" in fails(environment(tmp_path))


def test_a_model_that_was_changed_is_told_in_one_line(models_folder: Path, tmp_path: Path) -> None:
    for file in models_folder.glob("*.onnx"):
        changed = b"x" if file.name == "back.onnx" else b""
        (tmp_path / file.name).write_bytes(file.read_bytes() + changed)
    assert "back.onnx" in fails(environment(tmp_path))


def test_a_setting_that_is_none_is_warned_of(models_folder: Path, tmp_path: Path) -> None:
    env = environment(models_folder, PHIZ_MAX_PIXEL="1")
    with running(SERVE, env, tmp_path / "log") as service:
        assert service.stop() == 0
        log = service.log.read_text()
    assert "PHIZ_MAX_PIXEL is no setting" in log
    assert "PHIZ_MAX_PIXELS" in log


BROKEN = """
from phiz.api.app import WARM_UP_SIZE_WH, create_app
from phiz.api.server import bind, run, url_of
from phiz.api.service import Loaded
from phiz.engine import Engine
from phiz.faces import Detections
from phiz.image import Limits

class Broken:
    def detect(self, picture, options, stopwatch):
        if (picture.width, picture.height) != WARM_UP_SIZE_WH:
            raise ZeroDivisionError("the detector is broken")
        return Detections(())

listener = bind("127.0.0.1", 0)
engine = Engine({"auto": Broken()}, Limits(10**6, 10**6))
announce = lambda: print(f"phiz listens on {url_of(listener)}", flush=True)
run(create_app(lambda: Loaded(engine, ()), 1), listener, 5, announce)
"""


def test_our_own_mistakes_are_logged_and_not_told(models_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", BROKEN]
    with running(command, environment(models_folder), tmp_path / "log") as service:
        status, problem = curl("-F", f"image=@{SELFIE}", f"{service.url}/detect")
        assert (status, problem["code"]) == (500, "internal")
        assert "broken" not in problem["detail"]
        assert service.stop() == 0
        log = service.log.read_text()
    assert "ZeroDivisionError: the detector is broken" in log
    assert log.count("Traceback") == 1
    assert "PNG" not in log


HELD = """
import sys
from phiz.api.app import create_app
from phiz.api.server import bind, run, url_of
from phiz.api.service import Loaded
from phiz.engine import Engine
from phiz.faces import Detections
from phiz.image import Limits

class Held:
    calls = 0
    def detect(self, picture, options, stopwatch):
        self.calls += 1
        if self.calls == 2:  # the first is the warm-up
            print("begun", flush=True)
            sys.stdin.readline()
        return Detections(())

held = Held()
listener = bind("127.0.0.1", 0)
loaded = Loaded(Engine({"auto": held}, Limits(10**6, 10**6)), ())
announce = lambda: print(f"phiz listens on {url_of(listener)}", flush=True)
run(create_app(lambda: loaded, threads=1, queue=1), listener, 5, announce)
print("calls", held.calls)
"""


def test_a_full_queue_refuses_and_what_nobody_waits_for_any_more_does_not_begin(
    models_folder: Path, tmp_path: Path
) -> None:
    picture = SELFIE.read_bytes()
    head = (
        b"POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\n"
        b"content-length: %d\r\n\r\n" % len(picture)
    )
    command = [sys.executable, "-c", HELD]
    with (
        running(command, environment(models_folder), tmp_path / "log") as service,
        socket.create_connection(service.address, PATIENCE_S) as first,
    ):
        assert service.process.stdin is not None
        assert service.process.stdout is not None
        first.sendall(head + picture)
        assert service.process.stdout.readline() == "begun\n"
        with socket.create_connection(service.address, PATIENCE_S) as leaving:
            leaving.sendall(head + picture)
            wait_for(lambda: metric(service, "phiz_queue_depth") == 1)
            with socket.create_connection(service.address, PATIENCE_S) as refused:
                refused.sendall(head)  # and nothing of the body
                answer = received(refused)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 1\r\n" in answer
            assert b'"code": "overloaded"' in answer
        wait_for(lambda: metric(service, "phiz_queue_depth") == 0)
        assert metric(service, "phiz_rejected_total", reason="overloaded") == 1
        assert metric(service, "phiz_request_seconds_count", outcome="disconnected") == 1
        service.process.stdin.write("\n")
        service.process.stdin.flush()
        assert received(first).startswith(b"HTTP/1.1 200 ")
        assert service.stop() == 0
        assert service.process.stdout.read() == "calls 2\n"
