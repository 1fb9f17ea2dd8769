import asyncio
import io
import math
import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.api.doubles import MAY_END

from .running import (
    GROUP,
    IMAGE,
    ONE,
    PATIENCE_S,
    SELFIE,
    Running,
    Samples,
    Starter,
    children,
    curl,
    environment,
    running,
    wait_for,
)

pytestmark = pytest.mark.integration

CUMULATIVE = ("_total", "_count", "_sum", "_bucket")


def assert_grown(before: Samples, now: Samples) -> None:
    """Nothing that is counted has become less, or is there no more."""
    for (name, labels), value in before.items():
        # A worker's own time begins anew with its process, as a counter may.
        if name.endswith(CUMULATIVE) and not name.startswith("phiz_worker_cpu"):
            assert now.get((name, labels), -1) >= value, (name, labels)


def test_a_worker_that_is_killed_costs_one_answer_and_is_replaced(start: Starter) -> None:
    image_bytes = GROUP.read_bytes()
    answers: list[httpx.Response] = []
    ended = asyncio.Event()

    async def keep_asking(http: httpx.AsyncClient) -> None:
        while not ended.is_set():
            answers.append(await http.post("/detect?model=back", content=image_bytes))

    async def until_answered(count: int) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while len(answers) < count:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.01)

    async def kill_one(service: Running) -> None:
        before = children(service.process.pid)
        await until_answered(8)
        samples = await asyncio.to_thread(service.samples)
        os.kill(min(before), signal.SIGKILL)
        after: set[int] = set()
        async with asyncio.timeout(PATIENCE_S):
            while len(after) < 2 or samples[("phiz_workers", frozenset())] < 2:
                after = children(service.process.pid) - {min(before)}
                now = await asyncio.to_thread(service.samples)
                assert_grown(samples, now)
                samples = now
        await until_answered(len(answers) + 8)
        ended.set()
        assert max(before) in after
        assert len(after) == 2

    async def ask(service: Running) -> None:
        async with httpx.AsyncClient(base_url=service.url, timeout=PATIENCE_S) as http:
            await asyncio.gather(kill_one(service), *(keep_asking(http) for _ in range(4)))

    with start("--workers", "2") as service:
        asyncio.run(asyncio.wait_for(ask(service), 2 * PATIENCE_S))
        failed = [answer for answer in answers if answer.status_code != 200]
        # It may have been between two pictures.
        assert [answer.json()["code"] for answer in failed] in ([], ["worker_died"])
        died = service.metric("phiz_pictures_total", outcome="worker_died")
        assert died == len(failed)
        assert service.metric("phiz_pictures_total", outcome="ok") == len(answers) - died
        assert service.metric("phiz_workers_replaced_total") == 1
        assert service.metric("phiz_workers") == 2
        assert service.metric("phiz_inflight_requests") == service.metric("phiz_queue_depth") == 0
        assert service.stop() == 0
        assert "restarting it" in service.log.read_text()


@pytest.mark.needs("curl")
def test_worker_that_does_not_end_cancelled_work_is_replaced(
    start: Starter, tmp_path: Path
) -> None:
    # Its work waits and gives no sign of life, so the service must not look for one so soon.
    with start.doubled("held", deadline_s=0.3, hangs_s=60) as service:
        detect = ("-F", f"image=@{SELFIE}", f"{service.url}/detect")
        assert curl(*detect)[0] == 504
        wait_for(lambda: service.metric("phiz_workers_replaced_total") == 1)
        (tmp_path / MAY_END).touch()
        wait_for(lambda: service.metric("phiz_workers") == 1)
        assert curl(*detect)[0] == 200
        assert "has not ended cancelled work after 2.0 s; restarting it" in service.log.read_text()


def test_work_of_a_client_that_has_left_is_ended(start: Starter) -> None:
    file = io.BytesIO()
    Image.new("RGB", (1600, 1200), "teal").save(file, "PNG")
    path = "/detect?model=mtcnn&rotate=auto&min_face=10"  # without a face in any orientation
    with (
        start(PHIZ_DEADLINE="100") as service,
        httpx.Client(base_url=service.url, timeout=3 * PATIENCE_S) as http,
    ):
        started_s = time.monotonic()
        assert http.post(path, content=file.getvalue()).status_code == 200
        whole_s = time.monotonic() - started_s
        with pytest.raises(httpx.ReadTimeout):
            http.post(path, content=file.getvalue(), timeout=whole_s / 8)
        left_s = time.monotonic()
        assert http.post("/detect?model=front", content=IMAGE).status_code == 200
        assert time.monotonic() - left_s < 0.75 * whole_s
        assert service.metric("phiz_workers_replaced_total") == 0


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="Linux limits other processes")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
def test_lack_of_memory_is_told_and_worker_replaced(start: Starter, kind: str) -> None:
    file = io.BytesIO()
    Image.open(SELFIE).convert("RGB").resize((3000, 4000)).save(file, kind)
    with start() as service, httpx.Client(base_url=service.url, timeout=PATIENCE_S) as http:
        (worker,) = children(service.process.pid)
        pages = int(Path(f"/proc/{worker}/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 40_000_000
        resource.prlimit(worker, resource.RLIMIT_AS, (limit, limit))
        failed = http.post("/detect?model=mtcnn", content=file.getvalue())
        assert (failed.status_code, failed.json()["code"]) == (503, "out_of_memory")
        assert int(failed.headers["retry-after"]) >= 1
        for content in (IMAGE, file.getvalue()):
            assert http.post("/detect?model=mtcnn", content=content).status_code == 200
        assert service.metric("phiz_workers_replaced_total") == 1
        assert not children(service.process.pid) & {worker}
    log = service.log.read_text()
    assert "the memory was not enough for the request 'detect'" in log
    assert f'request="{failed.headers["x-request-id"]}"' in log
    assert "Traceback" not in log


def test_stopped_worker_is_replaced_and_others_answer(start: Starter) -> None:
    with (
        start("--workers", "2") as service,
        httpx.Client(base_url=service.url, timeout=PATIENCE_S) as http,
    ):
        stopped = min(children(service.process.pid))
        os.kill(stopped, signal.SIGSTOP)
        stopped_s = time.monotonic()
        wait_for(lambda: service.metric("phiz_workers_replaced_total") == 1)
        assert time.monotonic() - stopped_s < 1.5
        wait_for(lambda: len(children(service.process.pid) - {stopped}) == 2)
        assert http.post("/detect?model=front", content=IMAGE).status_code == 200
    assert "was stopped by a signal; restarting it" in service.log.read_text()


@pytest.mark.needs("curl")
def test_our_own_mistakes_are_logged_and_not_told(start: Starter) -> None:
    with start.doubled("broken") as service:
        status, problem = curl("-F", f"image=@{SELFIE}", f"{service.url}/detect")
        assert (status, problem["code"]) == (500, "internal")
        assert "Zero" not in problem["detail"]
        assert service.metric("phiz_workers_replaced_total") == 0
        assert service.stop() == 0
        log = service.log.read_text()
    assert "ZeroDivisionError" in log
    assert log.count("Traceback") == 1
    assert "PNG" not in log


@pytest.mark.needs("curl")
def test_a_service_that_cannot_begin_a_worker_tells_it_still(
    models_folder: Path, tmp_path: Path
) -> None:
    """The alerts go by it: it is found and its figures are there, though it answers nothing."""
    folder = tmp_path / "models"
    shutil.copytree(models_folder, folder)
    with running(ONE, environment(folder), tmp_path / "log") as service:
        assert service.metric("phiz_workers") == 1
        (folder / "back.onnx").unlink()
        (worker,) = children(service.process.pid)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: service.metric("phiz_queue_wait_seconds") == math.inf)
        assert service.metric("phiz_workers") == 0
        assert curl(f"{service.url}/models")[0] == 503


def test_each_worker_is_shown_where_the_system_tells_of_it(service: Running) -> None:
    samples = service.samples()
    shown = {
        name: {dict(labels)["worker"] for other, labels in samples if other == name}
        for name in ("phiz_worker_resident_bytes", "phiz_worker_cpu_seconds_total")
    }
    expected = {"0", "1"} if sys.platform == "linux" else set()
    assert shown == dict.fromkeys(shown, expected)
    assert service.metric("phiz_workers") == 2
