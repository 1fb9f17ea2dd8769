"""Whether memory stays constant: many detections in JPEG files of many sizes.

::

    python -m benchmarks.endurance.engine
    python -m benchmarks.endurance.engine --model front=8 --model mtcnn=2 --longest 4000
    python -m benchmarks.endurance.engine --runtime openvino --threads 2
    python -m benchmarks.endurance.engine --json docs/measured/speed.json --table docs/runtimes.md

The files are made in memory before the measurement. Each detection is what a request is:
``Engine.detect``, from the bytes to the faces.

Prints the resident memory of each part. It may grow during the warm-up, and afterwards by no more
than ``--growth`` percent; if it does, the exit status is 1.
"""

import itertools
import os
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import click
from PIL import Image as Pillow

from benchmarks.endurance.mixture import encode_crop
from benchmarks.kit.options import MODELS, json_option, models_option, table_option
from benchmarks.kit.report import format_table, replace_block, write_entry
from phiz.engine import build_engine
from phiz.faces import DetectOptions
from phiz.image.limits import DecodingLimits
from phiz.image.synthetic import draw_crowd
from phiz.runtime.variants import RUNTIME_FACTORIES, RuntimeName, Variant, get_version, open_runtime
from phiz.system.malloc import fix_malloc_thresholds
from phiz.system.procfs import read_peak_bytes, read_resident_bytes
from phiz.timings import Stopwatch

SIZES = 500
LIMITS = DecodingLimits(max_bytes=1_000_000_000, max_pixels=1_000_000_000)  # never reached
PARTS = 20  # lines of the report

Task: TypeAlias = tuple[str, bytes]
"""A model, and a file."""

HEADINGS = ("models in turns", "runtime", "threads", "detections", "resident MB")


@dataclass(frozen=True, slots=True)
class SoakResult:
    """The resident memory after the warm-up and after all detections, MB (10^6 bytes).

    ``models`` has each name as often as its share; ``longest`` is a side of the files, pixels.
    """

    models: Sequence[str]
    runtime: str
    threads: int
    sizes: int
    longest: int
    warm_up: int
    first_mb: float
    detections: int
    last_mb: float

    @property
    def growth_percent(self) -> float:
        """Growth of the resident memory since the warm-up, percent."""
        return 100 * (self.last_mb / self.first_mb - 1)

    def to_rows(self) -> list[list[str]]:
        """Return two rows of the table, below ``HEADINGS``."""
        models = ", ".join(f"`{name}`" for name in self.models)
        counts = (self.warm_up, self.first_mb), (self.detections, self.last_mb)
        return [
            [models, self.runtime, str(self.threads), f"{count:,}", f"{mb:.0f}"]
            for count, mb in counts
        ]


@click.command()
@models_option
@click.option(
    "--model",
    "shares",
    metavar="NAME[=SHARE]",
    multiple=True,
    default=("back=1", "mtcnn=1"),
    show_default=True,
    help="A model, and the number of its detections in each round.",
)
@click.option("--runtime", type=click.Choice(tuple(RUNTIME_FACTORIES)), default="onnxruntime")
@click.option("--detections", type=click.IntRange(1), default=20_000, show_default=True)
@click.option("--warm-up", type=click.IntRange(1), default=2_000, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--longest", type=click.IntRange(64), default=1280, show_default=True, help="Pixels.")
@click.option("--growth", type=float, default=5.0, show_default=True, help="Percent allowed.")
@json_option
@table_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    models: Path,
    shares: tuple[str, ...],
    runtime: RuntimeName,
    detections: int,
    warm_up: int,
    threads: int,
    longest: int,
    growth: float,
    document: Path | None,
    page: Path | None,
) -> None:
    """Detect in JPEG files of 500 random sizes, and watch the resident memory."""
    names = tuple(itertools.chain.from_iterable(map(expand_share, shares)))
    opened = open_runtime(Variant(runtime, "float32"))
    fix_malloc_thresholds()  # as the service does
    loaded = build_engine(models, "half-pixel", LIMITS, set(names), runtime=opened)
    chance = random.Random(0)  # noqa: S311 (the same files in every run)
    crowd = Pillow.fromarray(draw_crowd(longest, longest))
    files = [encode_crop(chance, crowd, (32, longest), ["JPEG"]) for _ in range(SIZES)]

    def detect(task: Task) -> None:
        name, file = task
        loaded.detect(file, name, DetectOptions(), Stopwatch())

    tasks = ((name, chance.choice(files)) for name in itertools.cycle(names))
    with ThreadPoolExecutor(threads) as pool:
        first_mb = run_detections(pool, detect, tasks, warm_up, "warm-up")
        last_mb = run_detections(pool, detect, tasks, detections - warm_up, "soak")
    version = f"{runtime} {get_version(runtime)}"
    soak = SoakResult(
        names, version, threads, SIZES, longest, warm_up, first_mb, detections, last_mb
    )
    percent = soak.growth_percent
    click.echo(
        f"{first_mb:.1f} MB after {warm_up}, {last_mb:.1f} MB after {detections}: {percent:+.1f} %"
    )
    write_entry(document, "soak", {**asdict(soak), "growth_percent": round(percent, 2)})
    if page:
        replace_block(page, "soak", format_table(HEADINGS, soak.to_rows()))
    sys.exit(percent > growth)


def expand_share(share: str) -> list[str]:
    """Return a model's name as often as its share."""
    name, _, times = share.partition("=")
    if name not in MODELS or not (times or "1").isdecimal():
        raise click.BadParameter(f"{share!r} is not one of {', '.join(MODELS)}, or that and =SHARE")
    return [name] * int(times or 1)


def run_detections(
    pool: ThreadPoolExecutor,
    detect: Callable[[Task], None],
    tasks: Iterator[Task],
    detections: int,
    phase: str,
) -> float:
    """Run so many detections, report each part, and return the resident memory at the end, MB."""
    for part in range(PARTS):
        count = (part + 1) * detections // PARTS - part * detections // PARTS
        started = time.perf_counter()
        deque(pool.map(detect, itertools.islice(tasks, count)), maxlen=0)
        milliseconds = 1000 * (time.perf_counter() - started) / max(count, 1)
        click.echo(f"{phase:8} {read_resident_mb():8.1f} MB {milliseconds:8.2f} ms a detection")
    return read_resident_mb()


def read_resident_mb() -> float:
    """Return the resident memory of this process, MB; the highest so far where not on Linux."""
    return (read_resident_bytes(os.getpid()) or read_peak_bytes()) / 1e6


if __name__ == "__main__":
    main()
