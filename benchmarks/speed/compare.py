"""Two checkouts side by side: equal answers.

    python -m benchmarks.speed.compare [BEFORE] [--requests 200]

BEFORE is a folder or a commit, as ``benchmarks/quick.py`` takes it, which compares the speed. It
starts ``phiz serve`` from the source of both checkouts, with the packages of this Python. Both get
the same requests over all options, as forms and as raw bodies, good and bad. Their answers must
have the same status and the same bytes, except for times and sentences (``timing_ms``, ``why``,
``detail``).

The exit code is 1 if an answer differs.
"""

import argparse
import io
import itertools
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from PIL import Image

from benchmarks.kit import requests
from benchmarks.kit.checkouts import choose_variables, open_checkout
from benchmarks.kit.environments import ROOT
from benchmarks.kit.service import start_service

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
    parser.add_argument("before", nargs="?", help="a folder or a commit")
    parser.add_argument("--requests", type=int, default=200, help="to compare the answers of")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder, _ = stack.enter_context(open_checkout(chosen.before))
        ports = [
            stack.enter_context(start_service(1, choose_variables(checkout), checkout)).port
            for checkout in (folder, ROOT)
        ]
        different = compare_answers(ports, chosen.requests)
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


if __name__ == "__main__":
    main()
