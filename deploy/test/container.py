"""One container of the image by itself: how it begins, what it holds, how it ends."""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Final

from engine import GUARDED, ROOT, anonymous_bytes, docker, inspect

NAME: Final = "phiz-test-alone"
PORT: Final = 18000
PICTURE: Final = ROOT / "tests" / "pictures" / "selfie_360x640.png"
PATIENCE_S: Final = 60
IDLE_BYTES: Final = 150 * 2**20


def wait_for(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> float:
    """Return the seconds until the condition holds.

    Raises:
        TimeoutError: It does not within the patience.
    """
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > patience_s:
            raise TimeoutError(f"{what} was not so after {patience_s} s")
        time.sleep(0.1)
    return time.monotonic() - begun


@contextmanager
def alone(image: str) -> Iterator[float]:
    """Run the image as it is meant to be run, and give the seconds until it was healthy."""
    publish = f"--publish=127.0.0.1:{PORT}:8000"
    docker("run", "--detach", "--name", NAME, *GUARDED, publish, image)
    try:
        yield wait_for(lambda: inspect(NAME)["State"]["Health"]["Status"] == "healthy", "health")
    finally:
        docker("rm", "--force", NAME)


def check_alone(image: str) -> dict[str, str]:
    """Return the figures of a container: it answers, it is small, and it ends in order."""
    with alone(image) as healthy_s:
        idle_bytes = anonymous_bytes(NAME)
        assert idle_bytes <= IDLE_BYTES, f"{idle_bytes} anonymous bytes when idle"
        status, stopped_s = stop_in_flight()
        assert status == http.HTTPStatus.OK, f"the request in flight was answered with {status}"
        exit_code = inspect(NAME)["State"]["ExitCode"]
        assert exit_code == 0, f"it ended with {exit_code}"
    return {
        "container healthy after": f"{healthy_s:.1f} s",
        "anonymous memory, idle, 1 worker": f"{idle_bytes / 2**20:.0f} MiB",
        "stopped, a request in flight answered, in": f"{stopped_s:.1f} s",
    }


def stop_in_flight() -> tuple[int, float]:
    """Stop the container while half of a request's body is there.

    Returns:
        The status of the request's answer, and the seconds that stopping took.
    """
    picture = PICTURE.read_bytes()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE_S)
    connection.putrequest("POST", "/detect")
    connection.putheader("Content-Type", "image/png")
    connection.putheader("Content-Length", str(len(picture)))
    connection.endheaders(picture[: len(picture) // 2])
    wait_for(lambda: "phiz_inflight_requests 1.0" in _metrics(), "the request in flight")
    stop = Thread(target=docker, args=("stop", "--time=30", NAME))
    begun = time.monotonic()
    stop.start()
    time.sleep(1)
    connection.send(picture[len(picture) // 2 :])
    status = connection.getresponse().status
    stop.join()
    return status, time.monotonic() - begun


def _metrics() -> str:
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE_S)
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()
