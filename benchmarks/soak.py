"""Whether memory stays where it is: many detections on pictures of many sizes.

::

    python benchmarks/soak.py
    python benchmarks/soak.py --model front=8 --model mtcnn=2 --longest 4000
    python benchmarks/soak.py --runtime openvino --threads 2

Prints the resident memory as it goes. It may grow while it is warming up, and afterwards by no
more than ``--growth`` percent; if it does, the exit status is 1.
"""

import itertools
import random
import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np

from phiz import catalog, detectors
from phiz.faces import DetectOptions
from phiz.measure.scenes import draw_crowd
from phiz.picture import Picture, raster
from phiz.runtime.variants import RUNTIMES, RuntimeName, Variant, open_runtime
from phiz.timings import Stopwatch

MODELS = ("front", "back", "full", "mtcnn", "auto")
SIZES = 500
CHUNKS = 20  # lines of the report


@click.command()
@click.option("--models", type=click.Path(path_type=Path), help="Folder of the built models.")
@click.option(
    "--model",
    "shares",
    metavar="NAME[=SHARE]",
    multiple=True,
    default=("back=1", "mtcnn=1"),
    show_default=True,
    help="A model, and how many of its detections there are in each round.",
)
@click.option("--runtime", type=click.Choice(tuple(RUNTIMES)), default="onnxruntime")
@click.option("--detections", type=click.IntRange(1), default=20_000, show_default=True)
@click.option("--warm-up", type=click.IntRange(1), default=2_000, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--longest", type=click.IntRange(64), default=1280, show_default=True, help="Pixels.")
@click.option("--growth", type=float, default=5.0, show_default=True, help="Percent allowed.")
def main(  # noqa: PLR0913 (one for each option)
    *,
    models: Path | None,
    shares: tuple[str, ...],
    runtime: RuntimeName,
    detections: int,
    warm_up: int,
    threads: int,
    longest: int,
    growth: float,
) -> None:
    """Detect in pictures of 500 random sizes, and watch the resident memory."""
    names = tuple(itertools.chain.from_iterable(map(named, shares)))
    folder = models or catalog.default_folder()
    runs = open_runtime(Variant(runtime, "float32"))
    loaded = detectors.load(catalog.load(), folder, "half-pixel", set(names), runs)
    crowd = raster(draw_crowd(longest, longest))  # (longest, longest)

    def detect(name: str, shape_hw: tuple[int, int]) -> None:
        height, width = shape_hw
        picture = Picture.of_raster(np.ascontiguousarray(crowd[:height, :width]))
        loaded[name].detect(picture, DetectOptions(), Stopwatch())

    tasks = zip(itertools.cycle(names), random_sizes(longest), strict=False)
    with ThreadPoolExecutor(threads) as pool:
        first = watch(pool, detect, tasks, warm_up, "warm-up")
        last = watch(pool, detect, tasks, detections - warm_up, "soak")
    grown = 100 * (last / first - 1)
    click.echo(f"{first:.1f} MB after {warm_up}, {last:.1f} MB after {detections}: {grown:+.1f} %")
    if grown > growth:
        sys.exit(1)


def named(share: str) -> list[str]:
    """Return a model's name as often as its share says."""
    name, _, times = share.partition("=")
    if name not in MODELS or not (times or "1").isdecimal():
        raise click.BadParameter(f"{share!r} is not one of {', '.join(MODELS)}, or that and =SHARE")
    return [name] * int(times or 1)


def random_sizes(longest: int) -> Iterator[tuple[int, int]]:
    """Yield height and width out of 500 pairs, without end."""
    chance = random.Random(0)  # noqa: S311 (the same sizes in every run)
    sizes = [(chance.randint(32, longest), chance.randint(32, longest)) for _ in range(SIZES)]
    while True:
        yield chance.choice(sizes)


def watch(
    pool: ThreadPoolExecutor,
    detect: Callable[[str, tuple[int, int]], None],
    tasks: Iterator[tuple[str, tuple[int, int]]],
    detections: int,
    phase: str,
) -> float:
    """Run so many detections; return the resident memory after the last, MB."""
    for count in chunks(detections):
        started = time.perf_counter()
        deque(pool.map(lambda task: detect(*task), itertools.islice(tasks, count)), maxlen=0)
        milliseconds = 1000 * (time.perf_counter() - started) / count
        click.echo(f"{phase:8} {resident():8.1f} MB {milliseconds:8.2f} ms a detection")
    return resident()


def chunks(detections: int) -> Iterator[int]:
    """Yield the lengths of so many parts, about equal."""
    for part in range(CHUNKS):
        length = (part + 1) * detections // CHUNKS - part * detections // CHUNKS
        if length:
            yield length


def resident() -> float:
    """Return the resident memory of this process, MB (10^6 bytes)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # not Linux: the highest so far
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
