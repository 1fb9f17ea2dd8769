"""One container of the image by itself: its start, its memory and its end."""

import http.client
import re
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Final

from engine import (
    MAX_PIXELS,
    ROOT,
    RUN_OPTIONS,
    inspect_object,
    measure_anonymous_bytes,
    run_docker,
)

NAME: Final = "phiz-test-alone"
PORT: Final = 18000
IMAGE_FILE: Final = ROOT / "tests" / "pictures" / "selfie_360x640.png"
LARGE_WIDTH: Final = 5000  # of the largest picture
TIMEOUT_S: Final = 60
SIGTERM_BIT: Final = 1 << 14  # in the mask of caught signals
MAX_STOP_S: Final = 5  # far less than the engine's time limit
IDLE_BYTES: Final = 150 * 2**20


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = TIMEOUT_S) -> float:
    """Return the seconds until the condition holds.

    Raises:
        TimeoutError: It does not hold within the time limit.
    """
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > timeout_s:
            raise TimeoutError(f"waited {timeout_s} s for {what}")
        time.sleep(0.1)
    return time.monotonic() - started


def make_largest_png(pixels: int) -> bytes:
    """Return a PNG with alpha of at most so many pixels, which has only a few kB.

    Source: the PNG specification, sections 5.2, 5.3 and 11.2.
    """
    height = pixels // LARGE_WIDTH
    packer = zlib.compressobj()
    row = bytes(1 + 4 * LARGE_WIDTH)  # its filter, none, and its pixels
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", LARGE_WIDTH, height, 8, 6, 0, 0, 0)  # RGBA, eight bits each
    chunks = ((b"IHDR", head), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


@contextmanager
def run_container(image: str) -> Iterator[None]:
    """Run the image with the documented options."""
    publish = f"--publish=127.0.0.1:{PORT}:8000"
    run_docker("run", "--detach", "--name", NAME, *RUN_OPTIONS, publish, image)
    try:
        yield
    finally:
        run_docker("rm", "--force", NAME)


@contextmanager
def run_until_healthy(image: str) -> Iterator[float]:
    """Run the image, and yield the seconds until it was healthy."""
    with run_container(image):
        yield wait_for(
            lambda: inspect_object(NAME)["State"]["Health"]["Status"] == "healthy", "health"
        )


def check_container(image: str) -> dict[str, str]:
    """Return the figures of a container, after checks of its answers, memory and end."""
    loading_s = stop_while_loading(image)
    with run_until_healthy(image) as healthy_s:
        idle_bytes = measure_anonymous_bytes(NAME)
        assert idle_bytes <= IDLE_BYTES, f"{idle_bytes} anonymous bytes when idle"
        check_largest_image()
        status, stopped_s = stop_in_flight()
        assert status == http.HTTPStatus.OK, f"the request in flight was answered with {status}"
        exit_code = inspect_object(NAME)["State"]["ExitCode"]
        assert exit_code == 0, f"it ended with {exit_code}"
    return {
        "container healthy after": f"{healthy_s:.1f} s",
        "stopped while loading, in": f"{loading_s:.1f} s",
        "anonymous memory, idle, 1 worker": f"{idle_bytes / 2**20:.0f} MiB",
        "stopped, a request in flight answered, in": f"{stopped_s:.1f} s",
    }


def stop_while_loading(image: str) -> float:
    """Return the seconds to stop a container that is not ready yet."""
    with run_container(image):
        status = Path(f"/proc/{inspect_object(NAME)['State']['Pid']}/status")

        def handles_sigterm() -> bool:
            (line,) = re.findall(r"^SigCgt:\s+(\w+)", status.read_text("utf-8"), re.MULTILINE)
            return bool(int(line, 16) & SIGTERM_BIT)

        wait_for(handles_sigterm, "start of Python")
        start = time.monotonic()
        run_docker("stop", "--time=30", NAME)
        took_s = time.monotonic() - start
        assert "listens" not in run_docker("logs", NAME), "it was not stopped while it was loading"
        exit_code = inspect_object(NAME)["State"]["ExitCode"]
        assert exit_code == 0, f"stopped while loading it ended with {exit_code}"
        assert took_s < MAX_STOP_S, f"stopping took {took_s:.1f} s"
    return took_s


def check_largest_image() -> None:
    """Check that the largest accepted image ends no worker."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=TIMEOUT_S)
    image_bytes = make_largest_png(MAX_PIXELS)
    connection.request("POST", "/detect?model=mtcnn", image_bytes, {"Content-Type": "image/png"})
    answer = connection.getresponse()
    assert answer.status == http.HTTPStatus.OK, answer.read()
    assert "phiz_workers_replaced_total 0.0" in _read_metrics()


def stop_in_flight() -> tuple[int, float]:
    """Stop the container while half of a request's body has arrived.

    Returns:
        The status of the request's answer, and the seconds that stopping took.
    """
    image_bytes = IMAGE_FILE.read_bytes()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=TIMEOUT_S)
    connection.putrequest("POST", "/detect")
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Content-Length", str(len(image_bytes)))
    connection.endheaders(image_bytes[: len(image_bytes) // 2])
    wait_for(lambda: "phiz_inflight_requests 1.0" in _read_metrics(), "the request in flight")
    stop = Thread(target=run_docker, args=("stop", "--time=30", NAME))
    started = time.monotonic()
    stop.start()
    time.sleep(1)
    connection.send(image_bytes[len(image_bytes) // 2 :])
    status = connection.getresponse().status
    stop.join()
    return status, time.monotonic() - started


def _read_metrics() -> str:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=TIMEOUT_S)
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()
