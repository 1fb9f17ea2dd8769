"""Two checkouts side by side: equal answers, and requests a second in turns.

    python -m benchmarks.speed.compare BEFORE [AFTER] [--requests 200] [--pairs 9] [--seconds 2]

It starts ``phiz serve`` from the source of both checkouts, with the packages of this Python. Both
get the same requests over all options, as forms and as raw bodies, good and bad. Their answers must
have the same status and the same bytes, except for times and sentences (``timing_ms``, ``why``,
``detail``). Then both are loaded in turns, so that noise meets both, and the median of the pairs'
ratios is printed.

The exit code is 1 if an answer differs.
"""

import argparse
import io
import itertools
import os
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from PIL import Image

from benchmarks.kit import requests
from benchmarks.kit.service import start_service

CHECKOUT: Final = Path(__file__).resolve().parents[2]
SEED: Final = 1
# Values that may differ: times, sentences, and the reason of a step in one word.
BLANKED: Final = re.compile(
    rb'"timing_ms":\{[^}]*\}|"(?:why|detail|reason)": ?"(?:[^"\\]|\\.)*",?|,(?=\})'
)
OPTIONS: Final[dict[str, Sequence[str]]] = {
    "model": ("front", "back", "full", "mtcnn", "auto", "none-such"),
    "min_score": ("0", "0.3", "0.9", "1", "1.5", "nan"),
    "min_face": ("1", "20", "64", "65535", "0", "x"),
    "max_faces": ("1", "3", "10000", "0", "1.5"),
    "overlap": ("blend", "nms", "none"),
    "passes": ("1", "2", "3"),
    "rotate": ("none", "auto", "yes"),
    "details": ("none", "quality", "all"),
    "unknown": ("1",),
}
MEAN_OPTIONS: Final = 2.5  # a request; the others have their defaults
BAD_SHARE: Final = 0.1  # of the values that are chosen


def main() -> None:
    """Compare two checkouts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="a checkout")
    parser.add_argument("after", type=Path, nargs="?", default=CHECKOUT, help="another")
    parser.add_argument("--requests", type=int, default=200, help="to compare the answers of")
    parser.add_argument("--pairs", type=int, default=9, help="turns of load, each with both")
    parser.add_argument("--seconds", type=float, default=2.0, help="of load in one turn")
    parser.add_argument("--clients", type=int, default=8, help="that send at once")
    chosen = parser.parse_args()
    models = os.environ.get("PHIZ_MODELS", str(CHECKOUT / "models" / "built"))
    with ExitStack() as stack:
        ports = []
        for folder in (chosen.before, chosen.after):
            source = str((folder / "service").resolve())
            variables = {"PYTHONPATH": source, "PHIZ_MODELS": models}
            ports.append(stack.enter_context(start_service(1, variables, folder)).port)
        different = compare_answers(ports, chosen.requests)
        if chosen.pairs:
            compare_load(ports, chosen.pairs, chosen.seconds, chosen.clients)
    sys.exit(different > 0)


def compare_answers(ports: Sequence[int], count: int) -> int:
    """Return how many requests are answered differently, and print these."""
    different, statuses = 0, Counter[int]()
    for request in make_requests(count):
        before, after = (fetch_answer(port, request) for port in ports)
        statuses[after.status] += 1
        if before != after:
            different += 1
            print(f"{request.path}\n  before {before}\n  after  {after}")
    by_status = ", ".join(f"{number} × {status}" for status, number in sorted(statuses.items()))
    print(f"{count} requests ({by_status}): {different} answers differ")
    return different


def make_requests(count: int) -> Iterator[requests.Request]:
    """Give requests over all options; the same ones each time."""
    chooser = random.Random(SEED)  # noqa: S311  no secret
    images = load_images()
    for number in range(count):
        name, image_bytes = images[number % len(images)]
        query = urlencode(choose_options(chooser))
        if number % 2:
            yield requests.Request(f"/detect?{query}", f"image/{name}", image_bytes)
        else:
            yield requests.encode_form(f"/detect?{query}", image_bytes)
    every = [image_bytes for _, image_bytes in images]
    yield requests.encode_form("/detect/batch?model=front", *every)
    yield requests.encode_form("/detect")
    yield requests.Request("/detect", "text/plain", b"no image")
    yield requests.Request("/detect?model=back", "image/png", every[0][:200])


def choose_options(chooser: random.Random) -> dict[str, str]:
    """Return some options; the last value of each is mostly invalid, and seldom chosen."""
    names = chooser.sample(list(OPTIONS)[:-1], round(chooser.uniform(0, 2 * MEAN_OPTIONS)))
    chosen = {name: OPTIONS[name][0] for name in names}
    for name in names:
        values = OPTIONS[name]
        chosen[name] = values[-1] if chooser.random() < BAD_SHARE else chooser.choice(values[:-1])
    return {**chosen, "unknown": "1"} if chooser.random() < BAD_SHARE / 4 else chosen


def load_images() -> list[tuple[str, bytes]]:
    """Return format and bytes of the test images, also in other formats, some rotated."""
    images = []
    for path in sorted(requests.PICTURES.glob("*.png")):
        images.append(("png", path.read_bytes()))
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        for name, rotated in itertools.product(("jpeg", "webp"), (image, image.rotate(90))):
            file = io.BytesIO()
            rotated.save(file, name)
            images.append((name, file.getvalue()))
    return images


def fetch_answer(port: int, request: requests.Request) -> requests.Answer:
    """Return the answer to a request, without values that may differ."""
    with closing(requests.open_connection(port)) as connection:
        answer = requests.send_request(connection, request)
    return replace(answer, body=BLANKED.sub(b"", answer.body))


def compare_load(ports: Sequence[int], pairs: int, seconds: float, clients: int) -> None:
    """Load two services in turns, and print requests a second and their ratios."""
    image = next(image_bytes for name, image_bytes in load_images() if name == "jpeg")
    request = requests.Request("/detect?model=front", "image/jpeg", image)
    rates = []
    for number in range(pairs):
        turns = ports if number % 2 == 0 else ports[::-1]  # each goes first as often
        found = {port: measure_rate(port, request, seconds, clients) for port in turns}
        rates.append([found[port] for port in ports])
    ratios = sorted(after / before for before, after in rates)
    before, after = (statistics.median(column) for column in zip(*rates, strict=True))
    print(
        f"requests a second, median of {pairs} pairs: {before:.0f} before, {after:.0f} after;"
        f" ratio {statistics.median(ratios):.3f} ({ratios[0]:.3f}-{ratios[-1]:.3f})"
    )


def measure_rate(port: int, request: requests.Request, seconds: float, clients: int) -> float:
    """Return the requests a second that a service answers to so many clients."""
    end = time.perf_counter() + seconds

    def count_answers(_: int) -> int:
        count = 0
        with closing(requests.open_connection(port)) as connection:
            while time.perf_counter() < end:
                count += requests.send_request(connection, request).status == HTTPStatus.OK
        return count

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        answered = sum(pool.map(count_answers, range(clients)))
    return answered / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
