"""Build the image, start the whole project, use it, break it, and check the alert.

    deploy/test/engine.sh .venv/bin/python deploy/test/stack.py

Prints its measurements, and exits with 0 if all checks pass. Grafana is skipped; its queries are
sent to Prometheus instead. Everything it started is removed, also after a failure.
"""

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from container import IMAGE_FILE, check_container, make_largest_png, wait_for
from engine import ROOT, inspect_object, run_compose, run_docker

IMAGE: Final = "phiz:test"
OPENVINO_IMAGE: Final = "phiz:test-openvino"
BASE_IMAGE: Final = os.environ.get("PHIZ_BASE", "python:3.11-slim-bookworm")
MAX_OWN_BYTES: Final = 170_000_000  # over the base image
SERVICES: Final = ("phiz", "proxy", "prometheus", "alertmanager", "webhook")
REPLICAS: Final = 2
MODELS: Final = ("front", "back", "full", "mtcnn", "yunet", "centerface", "auto")
ROUNDS: Final = 40  # of one request for each model
PAUSE_S: Final = 0.5  # between rounds: rates need several scrapes
REQUEST_ID: Final = "a-caller.s_own-name"
PRIVATE_FILE: Final = "private.jpg"
DEVICE: Final = "A device of the test"
HEAD_TIMEOUT_S: Final = 10  # timeout http-request of deploy/haproxy/haproxy.cfg
PHIZ, PROMETHEUS, WEBHOOK = (f"http://127.0.0.1:{port}" for port in (8000, 9090, 9099))
ENVIRONMENT: Final = {
    "PHIZ_IMAGE": IMAGE,
    "PHIZ_BASE": BASE_IMAGE,
    "PHIZ_CPUS": "1",
    "ALERTMANAGER_CONFIG": "./deploy/test/alertmanager.yml",
}


def get_json(url: str) -> Any:  # noqa: ANN401  whatever JSON it is
    """Return the answer, parsed from JSON."""
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  our own addresses
        return json.load(answer)


def get_text(url: str) -> str:
    """Return the answer as text."""
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  our own addresses
        return str(answer.read().decode())


def count_faces(model: str) -> int:
    """Return the number of faces that the project finds in the image."""
    request = urllib.request.Request(  # noqa: S310  see above
        f"{PHIZ}/detect?model={model}", IMAGE_FILE.read_bytes(), {"Content-Type": "image/png"}
    )
    return len(get_json(request)["faces"])  # type: ignore[arg-type]


def query_prometheus(query: str) -> list[tuple[dict[str, str], float]]:
    """Return the labels and value of each sample of Prometheus' answer."""
    answer = get_json(f"{PROMETHEUS}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
    return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]


def build_image() -> dict[str, str]:
    """Build the image, and return its build time and size."""
    begun = time.monotonic()
    _build(IMAGE)
    took_s = time.monotonic() - begun
    all_bytes = inspect_object(IMAGE)["Size"]
    own_bytes = all_bytes - inspect_object(BASE_IMAGE)["Size"]
    assert own_bytes <= MAX_OWN_BYTES, f"the image has {own_bytes} bytes over its base"
    return {
        "image built in": f"{took_s:.0f} s",
        "image": f"{all_bytes / 1e6:.0f} MB, {own_bytes / 1e6:.0f} over its base",
    }


def _build(image: str, **more: str) -> None:
    """Build an image as compose does, without its plugin buildx, which Debian lacks."""
    config = json.loads(run_compose("config", "--format=json"))["services"]["phiz"]
    assert config["image"] == IMAGE
    section = config["build"]
    given = {**section["args"], **more}
    arguments = [f"--build-arg={name}={value}" for name, value in given.items()]
    where = f"--file={section['context']}/{section['dockerfile']}"
    run_docker(
        *("build", f"--network={section['network']}", where, f"--tag={image}"),
        *(*arguments, section["context"]),
    )


def check_alertmanager_config() -> dict[str, str]:
    """Check that Alertmanager accepts the shipped configuration."""
    image = os.environ.get("ALERTMANAGER_IMAGE", "prom/alertmanager:v0.28.1")
    mount = f"--volume={ROOT}/deploy/alertmanager:/etc/phiz:ro"
    run_docker(
        *("run", "--rm", mount, "--entrypoint=amtool", image),
        *("check-config", "/etc/phiz/alertmanager.yml"),
    )
    return {"Alertmanager's configuration": "valid"}


def start_project() -> dict[str, str]:
    """Start the project, and return the time until the proxy had all replicas."""
    started = time.monotonic()
    # It waits until every service with a health check is healthy.
    up = ("up", "--detach", "--no-build", "--wait", "--wait-timeout=120")
    run_compose(*up, f"--scale=phiz={REPLICAS}", *SERVICES)
    took_s = time.monotonic() - started
    assert count_faces("front") == 1
    states = [json.loads(line) for line in run_compose("ps", "--format=json").splitlines()]
    health = {one["Service"]: one["Health"] for one in states}
    assert health == {**dict.fromkeys(SERVICES, "healthy"), "webhook": ""}
    wait_for(_is_scraped, "a scrape of every replica")
    return {"project healthy after": f"{took_s:.1f} s"}


def _is_scraped() -> bool:
    try:
        return len(query_prometheus('up{job="phiz"} == 1')) == REPLICAS
    except OSError:
        return False


def check_counts() -> dict[str, str]:
    """Send requests over several scrapes, and check that Prometheus counted each."""
    by_model = "sum by (model) (phiz_request_seconds_count)"
    time.sleep(6)  # includes a scrape after the last request
    before = {labels["model"]: value for labels, value in query_prometheus(by_model)}
    begun = time.monotonic()
    for _ in range(ROUNDS):
        assert [count_faces(model) for model in MODELS] == [1] * len(MODELS)
        time.sleep(PAUSE_S)
    took_s = time.monotonic() - begun

    def is_complete() -> bool:
        after = {labels["model"]: value for labels, value in query_prometheus(by_model)}
        return all(after.get(model, 0) - before.get(model, 0) == ROUNDS for model in MODELS)

    wait_for(is_complete, "a count of every request", 15)
    shares = query_prometheus("sum by (instance) (phiz_request_seconds_count)")
    assert len(shares) == REPLICAS
    assert all(value > 0 for _, value in shares)
    return {
        "requests counted": f"{ROUNDS * len(MODELS)} of {ROUNDS * len(MODELS)}, in {took_s:.0f} s",
        "of each replica": " and ".join(f"{value:.0f}" for _, value in shares),
    }


def check_log() -> dict[str, str]:
    """Check that answer and log carry the request id, and that the log has no private data."""
    request = urllib.request.Request(  # noqa: S310  our own address
        f"{PHIZ}/detect?min_score=0.987",
        IMAGE_FILE.read_bytes(),
        {"Content-Type": "image/png", "X-Request-Id": REQUEST_ID},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  see above
        assert answer.headers["X-Request-Id"] == REQUEST_ID
    put_private()
    lines = run_compose("logs", "--no-log-prefix", "proxy").splitlines()
    (line,) = (json.loads(line) for line in lines if REQUEST_ID in line)
    found = {name: line[name] for name in ("method", "path", "status")}
    assert found == {"method": "POST", "path": "/detect", "status": 200}
    assert not any("0.987" in line for line in lines), "the log has the query"
    assert not any(PRIVATE_FILE in line for line in lines), "the log has a file name"
    return {"log line of a request": json.dumps(line)}


def put_private() -> None:
    """Send a file as ``curl -T`` does, to a path that the service does not have."""
    request = urllib.request.Request(f"{PHIZ}/{PRIVATE_FILE}", b"x", method="PUT")  # noqa: S310
    try:
        urllib.request.urlopen(request, timeout=30)  # noqa: S310  our own address
    except urllib.error.HTTPError as error:
        assert error.code == 404  # noqa: PLR2004, PT017
        return
    raise AssertionError(f"PUT /{PRIVATE_FILE} was answered with success")


def check_largest_image() -> dict[str, str]:
    """Check that the largest accepted image ends no worker."""
    (settings,) = [inspect_object(name)["Config"]["Env"] for name in _list_replicas()[:1]]
    (max_pixels,) = [
        int(one.partition("=")[2]) for one in settings if one.startswith("PHIZ_MAX_PIXELS=")
    ]
    image_bytes = make_largest_png(max_pixels)
    begun = time.monotonic()
    request = urllib.request.Request(  # noqa: S310  our own address
        f"{PHIZ}/detect?model=mtcnn", image_bytes, {"Content-Type": "image/png"}
    )
    assert get_json(request)["faces"] == []  # type: ignore[arg-type]
    took_s = time.monotonic() - begun
    time.sleep(6)  # includes a scrape after it
    ((_, replaced),) = query_prometheus("sum(phiz_workers_replaced_total)")
    assert replaced == 0, f"{replaced:.0f} workers were replaced"
    return {f"PNG of {max_pixels} pixels": f"{len(image_bytes)} bytes, answered in {took_s:.1f} s"}


def check_slow_head() -> dict[str, str]:
    """Check that the proxy refuses a request's head that arrives byte by byte."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", 8000), HEAD_TIMEOUT_S) as connection:
        connection.settimeout(1)
        connection.sendall(b"GET /readyz HTTP/1.1\r\nx: ")
        answer = b""
        while not answer:
            assert time.monotonic() - begun < HEAD_TIMEOUT_S + 5, "the proxy still waits"
            connection.sendall(b"x")
            try:
                answer = connection.recv(100)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    return {"a slow head was refused after": f"{time.monotonic() - begun:.0f} s"}


def check_dashboard() -> dict[str, str]:
    """Check that every query of the dashboard has an answer, and that the console page has too."""
    panels = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text("utf-8"))["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    send_other_requests()
    for query in queries:
        filled = query.replace("$__rate_interval", "1m").replace("$model", ".*")
        samples = query_prometheus(filled)
        assert samples, f"no samples for {filled}"
        assert any(value == value for _, value in samples), f"no number for {filled}"  # noqa: PLR0124  NaN
    page = get_text(f"{PROMETHEUS}/consoles/index.html")
    assert 'data-part="Requests per second">\n<p class="value green">' in page, page
    return {"queries of the dashboard answered": f"{len(queries)} of {len(queries)}"}


def send_other_requests() -> None:
    """Send requests for images, and some that are refused, for the panels that show them."""
    headers = {"Content-Type": "image/png", "Accept": "image/jpeg"}
    for _ in range(6):
        request = urllib.request.Request(  # noqa: S310  our own address
            f"{PHIZ}/detect?model=front", IMAGE_FILE.read_bytes(), headers
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  see above
            assert answer.headers["Content-Type"] == "image/jpeg"
        try:
            count_faces("none-such")
        except urllib.error.HTTPError as error:
            assert error.code == 422  # noqa: PLR2004, PT017
        time.sleep(2)


def check_study() -> dict[str, str]:
    """Study in an image with OpenVINO, and follow the study; a short one, of one model."""
    before = inspect_object(IMAGE)["Size"]
    _build(OPENVINO_IMAGE, PACKAGES="openvino")
    added_bytes = inspect_object(OPENVINO_IMAGE)["Size"] - before
    begun = time.monotonic()
    with set_variables(PHIZ_IMAGE=OPENVINO_IMAGE):
        study = ("study", "--quick", "--only=front", f"--device={DEVICE}")
        run_compose("run", "--rm", "--no-deps", "phiz", *study)
        took_s = time.monotonic() - begun
        for runtime in ("openvino", "auto"):
            _use_runtime(runtime)
        page = get_text(f"{PHIZ}/study")
    assert DEVICE in page
    assert "openvino" in page.lower()
    # The profile knows only one of the models, which the log tells.
    assert "does not fit this machine" in run_compose("logs", "phiz")
    _use_runtime("onnxruntime")
    return {
        "OpenVINO adds to the image": f"{added_bytes / 1e6:.0f} MB",
        "study of one model": f"{took_s:.0f} s",
    }


@contextmanager
def set_variables(**variables: str) -> Iterator[None]:
    """Set environment variables for a while."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _use_runtime(runtime: str) -> None:
    """Restart the service with another runtime, and check that every model finds the face."""
    up = ("up", "--detach", "--no-build", "--no-deps", "--wait", f"--scale=phiz={REPLICAS}")
    with set_variables(PHIZ_RUNTIME=runtime):
        run_compose(*up, "phiz")
    wait_for(_is_answering, "an answer of the restarted service")
    assert [count_faces(model) for model in MODELS] == [1] * len(MODELS)


def _is_answering() -> bool:
    try:
        return count_faces("front") == 1
    except OSError:
        return False


def check_down_alert() -> dict[str, str]:
    """Stop the service, and check that the webhook receives the alert."""
    begun = time.monotonic()
    run_compose("stop", "phiz")
    stopped_s = time.monotonic() - begun
    codes = {inspect_object(name)["State"]["ExitCode"] for name in _list_replicas()}
    assert codes == {0}, f"the replicas ended with {codes}"
    wait_for(lambda: "PhizDown" in _list_alerts(), "alert at the webhook", 120)
    return {
        "replicas stopped in": f"{stopped_s:.1f} s",
        "alert received, from the stop, after": f"{time.monotonic() - begun:.0f} s",
    }


def _list_replicas() -> list[str]:
    return run_compose("ps", "--all", "--quiet", "phiz").split()


def _list_alerts() -> set[str]:
    return {alert["labels"]["alertname"] for alert in get_json(WEBHOOK)}


def main() -> int:
    """Return 0 if every step succeeds."""
    os.environ.update(ENVIRONMENT)
    begun = time.monotonic()
    try:
        for step in (
            *(
                build_image,
                lambda: check_container(IMAGE),
                check_alertmanager_config,
                start_project,
                check_counts,
            ),
            *(check_log, check_largest_image, check_slow_head, check_dashboard, check_study),
            check_down_alert,
        ):
            for what, figure in step().items():
                print(f"{what}: {figure}", flush=True)
    except (AssertionError, RuntimeError, OSError) as error:
        print(f"failed: {error}", file=sys.stderr)
        print(run_compose("logs", "--tail=50"), file=sys.stderr)
        return 1
    finally:
        run_compose("down", "--volumes", "--timeout=5")
    print(f"all of it in: {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
