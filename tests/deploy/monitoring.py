"""A real Prometheus that asks a real service, and a browser that shows its console page.

``python -m tests.deploy.monitoring docs/console.webp`` makes the documentation's picture.
"""

import argparse
import json
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from PIL import Image

from phiz.models.catalog import get_default_folder
from tests.service.running import (
    GROUP,
    PATIENCE_S,
    SELFIE,
    SERVE,
    Running,
    environment,
    running,
    wait_for,
)
from tests.tools import program

from .metrics import PROMETHEUS
from .test_proxy import find_port

PAGE = "consoles/index.html"
MODELS = ("front", "back", "full", "mtcnn", "yunet", "centerface", "auto")


def write_config(service: Running, folder: Path, interval: str, rules: list[Any]) -> Path:
    """The configuration of the project, with this service as the only replica."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    address, port = service.address
    job, _ = config["scrape_configs"]
    job.pop("dns_sd_configs")
    job["static_configs"] = [{"targets": [f"{address}:{port}"]}]
    config["global"] = {"scrape_interval": interval, "evaluation_interval": interval}
    config["scrape_configs"] = [job]
    config["alerting"] = {}
    (folder / "more.yml").write_text(json.dumps({"groups": [{"name": "more", "rules": rules}]}))
    config["rule_files"] = [str(PROMETHEUS / "rules.yml"), "more.yml"]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


@contextmanager
def monitored(
    service: Running, folder: Path, interval: str = "500ms", rules: Sequence[Any] = ()
) -> Iterator[str]:
    """The address of a Prometheus that asks a service, with these rules beside the project's."""
    port = find_port()
    command = [
        program("prometheus"),
        f"--config.file={write_config(service, folder, interval, [*rules])}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--web.console.templates={PROMETHEUS / 'consoles'}",
    ]
    with (
        (folder / "prometheus.log").open("w") as log,
        subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: is_ready(url))
            yield url
        finally:
            process.terminate()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def ask(url: str, query: str) -> list[tuple[dict[str, str], float]]:
    """The labels and the value of each sample."""
    answer = httpx.get(f"{url}/api/v1/query", params={"query": query}).json()
    return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]


def browse(url: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Open a page in a browser, and return its output. Other hosts do not exist."""
    command = [program("chromium"), "--headless=new", "--no-sandbox", "--disable-gpu"]
    command += ["--disable-quic", "--no-first-run", "--disable-background-networking"]
    command += ["--disable-sync", "--disable-component-update", "--enable-logging=stderr"]
    command += ["--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=3000", *options]
    return subprocess.run([*command, url], capture_output=True, text=True, check=True, timeout=120)


def send_round(service: Running) -> bool:
    """Send requests for faces and for an image with each model; say whether all were answered."""
    answers = [
        httpx.post(
            f"{service.url}/detect?model={model}",
            files={"image": SELFIE.read_bytes()},
            headers={"accept": media_type},
        )
        for model in MODELS
        for media_type in ("application/json", "image/jpeg")
    ]
    return all(answer.status_code == 200 for answer in answers)


def send_traffic(service: Running, seconds: float, clients: int) -> None:
    """Requests of several clients with pauses: every model, and now and then an unusable image."""
    ends_s = time.monotonic() + seconds
    pictures = (SELFIE.read_bytes(), GROUP.read_bytes())

    def send(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311  no secret
        with httpx.Client(timeout=PATIENCE_S) as client:
            while time.monotonic() < ends_s:
                model = chance.choice(MODELS)
                image = b"no image" if chance.random() < 0.02 else chance.choice(pictures)
                client.post(f"{service.url}/detect?model={model}", files={"image": image})
                time.sleep(chance.expovariate(2))

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(send, range(clients)))


def take_picture(target: Path, seconds: float) -> None:
    """Write a WebP of the page after so many seconds of traffic."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        serve = running(
            [*SERVE, "--workers", "1"], environment(get_default_folder()), folder / "log"
        )
        with serve as service, monitored(service, folder, interval="5s") as url:
            send_traffic(service, seconds, clients=3)
            shot = folder / "shot.png"
            options = ("--window-size=1280,1085", f"--screenshot={shot}")
            browse(f"{url}/{PAGE}?seconds=900", folder, *options)
        with Image.open(shot) as picture:
            picture.convert("RGB").save(target, quality=30, method=6)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("picture", type=Path)
    parser.add_argument("--seconds", type=float, default=900)
    options: Any = parser.parse_args()
    take_picture(options.picture, options.seconds)


if __name__ == "__main__":
    main()
