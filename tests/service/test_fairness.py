"""Clients share the workers of a real service: long work of one keeps no other waiting."""

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from PIL import Image

from .running import GROUP, Running, Starter, wait_for

pytestmark = pytest.mark.integration

# 16383 x 3000 pixels in 34 bytes, which take seconds with mtcnn.
LARGE_WEBP = bytes.fromhex("524946461a000000574542505650384c0e0000002ffeffed02071011fd0f4444ff03")
SHORT = "/detect?model=front"
LONG = "/detect?model=mtcnn"


@pytest.fixture
def service(start: Starter) -> Iterator[Running]:
    with start("--workers", "2", PHIZ_DEADLINE="60") as service:
        yield service


def encode(size_wh: tuple[int, int], name: str) -> bytes:
    file = io.BytesIO()
    Image.open(GROUP).convert("RGB").resize(size_wh).save(file, name)
    return file.getvalue()


def post(service: Running, path: str, image_bytes: bytes, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{service.url}{path}",
        content=image_bytes,
        headers={"content-type": "image/jpeg", **headers},
        timeout=60,
    )


def test_short_requests_are_answered_while_a_batch_of_long_images_is_worked_on(
    service: Running,
) -> None:
    short, long = encode((640, 480), "JPEG"), encode((3600, 2700), "JPEG")
    post(service, SHORT, short).raise_for_status()
    with ThreadPoolExecutor() as threads:
        files = [("image", ("long.jpg", long)) for _ in range(4)]
        url = f"{service.url}/detect/batch?model=mtcnn"
        batch = threads.submit(httpx.post, url, files=files, timeout=60)
        wait_for(lambda: service.metric("phiz_queue_depth") >= 2)
        for _ in range(10):
            assert post(service, SHORT, short).status_code == 200
        assert service.metric("phiz_queue_depth") >= 1
        assert not batch.done()
        assert batch.result().status_code == 200
        assert {"faces"} <= batch.result().json()["results"][3].keys()


def test_work_that_cannot_be_in_time_is_refused_before_it_is_queued(service: Running) -> None:
    for _ in range(3):
        started = time.monotonic()
        refused = post(service, LONG, LARGE_WEBP, **{"phiz-deadline": "0.05"})
        assert (refused.status_code, refused.json()["code"]) == (413, "too_much_work")
        assert time.monotonic() - started < 1
    assert "retry-after" not in refused.headers
    assert "the deadline is 0.05 s; send a smaller image" in refused.json()["detail"]
    assert service.metric("phiz_rejected_total", reason="too_much_work") == 3
    assert service.metric("phiz_worker_cpu_seconds_total") < 20
    assert post(service, LONG, encode((320, 240), "JPEG")).status_code == 200


def test_images_within_the_limits_are_not_refused_by_a_forecast(service: Running) -> None:
    for path in (LONG, "/detect?rotate=auto&passes=2", SHORT):
        for image_bytes in (encode((4000, 3000), "JPEG"), encode((2000, 1500), "PNG")):
            answer = post(service, path, image_bytes)
            assert answer.status_code == 200, answer.text
