import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.malformed import malformed_inputs

from .running import (
    IMAGE,
    ONE,
    PATIENCE_S,
    SELFIE,
    Running,
    Starter,
    children,
    environment,
    running,
    wait_for,
)

pytestmark = pytest.mark.integration

NAME = "a-caller.s_own-name"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def lines(service: Running) -> list[dict[str, Any]]:
    """What it has logged, every line of which is JSON."""
    return [json.loads(line) for line in service.log.read_text().splitlines()]


def test_each_request_has_a_line_of_json_that_shows_nothing_of_its_picture(
    start: Starter, tmp_path: Path
) -> None:
    (tmp_path / "private-name.png").write_bytes(SELFIE.read_bytes())
    with (
        start(PHIZ_LOG="json", PHIZ_MAX_PIXEL="1") as service,
        httpx.Client(base_url=service.url, timeout=PATIENCE_S) as http,
    ):
        with (tmp_path / "private-name.png").open("rb") as file:
            headers = {"X-Request-ID": NAME, "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            found = http.post("/detect?model=back", files={"image": file}, headers=headers)
        assert (found.status_code, found.headers["x-request-id"]) == (200, NAME)
        refused = http.post("/detect?secret=1", content=b"x")
        lost = http.put("/private-name.jpg?secret=2", content=b"x")
        assert http.get("/readyz").is_success
        assert service.stop() == 0
        assert "private" not in service.log.read_text()
        assert "secret" not in service.log.read_text()
        warning, first, second, third = lines(service)
    told = json.loads(service.announcement)
    assert (told["level"], told["time_s"] > 1.7e9) == ("info", True)
    assert told["message"].startswith("phiz listens on http://127.0.0.1:")
    assert "PHIZ_MAX_PIXEL has no effect because it is not a setting" in warning["message"]
    assert "PHIZ_MAX_PIXELS" in warning["message"]
    sent = int(found.request.headers["content-length"])
    timing = found.json()["timing_ms"]
    assert abs(first.pop("queue_ms") - timing["queue"]) < 0.001
    assert first.pop("total_ms") > timing["total"]
    assert first.pop("time_s") > 1.7e9
    assert first == {
        "level": "info",
        "message": "answered",
        "request": NAME,
        "method": "POST",
        "path": "/detect",
        "status": 200,
        "code": "ok",
        "model": "back",
        "bytes_in": sent,
        "bytes_out": len(found.content),
        "trace": TRACE,
    }
    for answer, line in ((refused, second), (lost, third)):
        assert line["request"] == answer.headers["x-request-id"]
        assert (line["level"], line["status"]) == ("warning", answer.status_code)
    assert (second["code"], third["code"]) == ("bad_option", "not_found")
    assert (second["path"], third["path"]) == ("/detect", "-")


def test_requests_have_no_line_unless_asked_for(service: Running) -> None:
    assert httpx.get(f"{service.url}/nothing").headers["x-request-id"]
    assert httpx.get(f"{service.url}/healthz").is_success
    assert service.log.read_text() == ""


def test_people_can_be_shown_those_that_failed(start: Starter) -> None:
    with start(PHIZ_LOG_REQUESTS="failed") as service:
        httpx.get(f"{service.url}/models")
        httpx.get(f"{service.url}/no%0Athing")
        assert service.stop() == 0
        (line,) = service.log.read_text().splitlines()
    assert ' warning answered request="' in line
    assert 'path="-" status=404' in line


def test_a_worker_that_cannot_do_as_it_is_told_says_so_in_json(
    models_folder: Path, tmp_path: Path
) -> None:
    for file in models_folder.glob("*.onnx"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "mobilenet.onnx").write_bytes(b"short")
    env = environment(tmp_path, PHIZ_LOG="json")
    with running(ONE, env, tmp_path / "log") as service:
        path = "/classify?model=mobilenet&precision=float32"
        assert httpx.post(f"{service.url}{path}", content=IMAGE).status_code == 503
        assert service.stop() == 0
        told, answered = lines(service)
    assert (told["level"], "catalogue" in told["message"]) == ("error", True)
    assert (answered["level"], answered["code"]) == ("error", "model_corrupt")


def test_hostile_files_leave_lines_of_json_alone(start: Starter) -> None:
    with start(PHIZ_LOG="json", PHIZ_LOG_REQUESTS="none") as service:
        with httpx.Client(base_url=service.url, timeout=PATIENCE_S) as http:
            for _, content in malformed_inputs()[::3]:
                assert not http.post("/detect?model=front", content=content).is_success
            workers = children(service.process.pid)
            assert len(workers) == 1
            os.kill(workers.pop(), signal.SIGABRT)
            wait_for(lambda: service.metric("phiz_workers_replaced_total") == 1)
        assert service.stop() == 0
        assert "restarting it" in "".join(line["message"] for line in lines(service))
