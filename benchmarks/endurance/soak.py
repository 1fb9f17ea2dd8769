"""Whether memory stays where it is: many detections in JPEG files of many sizes.

::

    python -m benchmarks.endurance.soak
    python -m benchmarks.endurance.soak --model front=8 --model mtcnn=2 --longest 4000
    python -m benchmarks.endurance.soak --runtime openvino --threads 2
    python -m benchmarks.endurance.soak --json docs/measured/speed.json --table docs/runtimes.md

The files are made in memory before anything is watched. Each detection is what a request is:
``Engine.detect``, from the bytes to the faces.

Prints the resident memory as it goes. It may grow while it is warming up, and afterwards by no
more than ``--growth`` percent; if it does, the exit status is 1.
"""

import io
import itertools
import random
import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from PIL import Image as Pillow

from benchmarks.kit.figures import format_table, replace_block, write_entry
from benchmarks.kit.options import json_option, models_option, table_option
from phiz import engine
from phiz.faces import DetectOptions
from phiz.image.limits import DecodingLimits
from phiz.image.synthetic import draw_crowd
from phiz.models import catalog
from phiz.runtime.variants import RUNTIME_FACTORIES, RuntimeName, Variant, get_version, open_runtime
from phiz.system.malloc import fix_malloc_thresholds
from phiz.timings import Stopwatch

MODELS = ("front", "back", "full", "mtcnn", "auto")
SIZES = 500
QUALITIES = (30, 98)  # of the files, the lowest and the highest
LIMITS = DecodingLimits(max_bytes=1_000_000_000, max_pixels=1_000_000_000)  # never reached
REPORT_LINES = 20  # lines of the report


@dataclass(frozen=True, slots=True)
class SoakResult:
    """What was detected with, and the resident memory.

    Attributes:
        models: Of a round, each as often as its share says.
        runtime: That ran the networks, and its version.
        threads: That detected at once.
        sizes: Of the files.
        longest: Side of them, pixels.
        warm_up: Detections.
        first_mb: Resident after them, MB (10^6 bytes).
        detections: All of them.
        last_mb: Resident after them.
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
        """Of the resident memory since the warm-up, percent."""
        return 100 * (self.last_mb / self.first_mb - 1)


@click.command()
@models_option
@click.option(
    "--model",
    "shares",
    metavar="NAME[=SHARE]",
    multiple=True,
    default=("back=1", "mtcnn=1"),
    show_default=True,
    help="A model, and how many of its detections there are in each round.",
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
    models: Path | None,
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
    folder = models or catalog.get_default_folder()
    runs = open_runtime(Variant(runtime, "float32"))
    fix_malloc_thresholds()  # as the service does
    loaded = engine.build_engine(folder, "half-pixel", LIMITS, set(names), runtime=runs)

    def detect(name: str, file: bytes) -> None:
        loaded.detect(file, name, DetectOptions(), Stopwatch())

    tasks = zip(itertools.cycle(names), iterate_forever(encode_files(longest)), strict=False)
    with ThreadPoolExecutor(threads) as pool:
        first = run_detections(pool, detect, tasks, warm_up, "warm-up")
        last = run_detections(pool, detect, tasks, detections - warm_up, "soak")
    runs_in = f"{runtime} {get_version(runtime)}"
    soak = SoakResult(names, runs_in, threads, SIZES, longest, warm_up, first, detections, last)
    print_result(soak, document, page)
    if soak.growth_percent > growth:
        sys.exit(1)


def print_result(soak: SoakResult, document: Path | None, page: Path | None) -> None:
    """Print the figures, and write them where they are wanted."""
    click.echo(
        f"{soak.first_mb:.1f} MB after {soak.warm_up}, {soak.last_mb:.1f} MB after"
        f" {soak.detections}: {soak.growth_percent:+.1f} %"
    )
    growth = {"growth_percent": round(soak.growth_percent, 2)}
    write_entry(document, "soak", asdict(soak) | growth)
    if page:
        headings = ("models in turns", "runtime", "threads", "detections", "resident MB")
        shared = [", ".join(f"`{name}`" for name in soak.models), soak.runtime, str(soak.threads)]
        counts = (soak.warm_up, soak.first_mb), (soak.detections, soak.last_mb)
        rows = [[*shared, f"{count:,}", f"{mb:.0f}"] for count, mb in counts]
        replace_block(page, "soak", format_table(headings, rows))


def expand_share(share: str) -> list[str]:
    """Return a model's name as often as its share says."""
    name, _, times = share.partition("=")
    if name not in MODELS or not (times or "1").isdecimal():
        raise click.BadParameter(f"{share!r} is not one of {', '.join(MODELS)}, or that and =SHARE")
    return [name] * int(times or 1)


def encode_files(longest: int) -> list[bytes]:
    """Return JPEG files of 500 random sizes and qualities, parts of one picture."""
    chance = random.Random(0)  # noqa: S311 (the same files in every run)
    crowd = Pillow.fromarray(draw_crowd(longest, longest))
    files = []
    for _ in range(SIZES):
        size_wh = chance.randint(32, longest), chance.randint(32, longest)
        file = io.BytesIO()
        crowd.crop((0, 0, *size_wh)).save(file, "JPEG", quality=chance.randint(*QUALITIES))
        files.append(file.getvalue())
    return files


def iterate_forever(files: Sequence[bytes]) -> Iterator[bytes]:
    """Yield files by chance, the same in every run."""
    chance = random.Random(0)  # noqa: S311 (see above)
    while True:
        yield chance.choice(files)


def run_detections(
    pool: ThreadPoolExecutor,
    detect: Callable[[str, bytes], None],
    tasks: Iterator[tuple[str, bytes]],
    detections: int,
    phase: str,
) -> float:
    """Run so many detections; return the resident memory after the last, MB."""
    for count in split_detections(detections):
        started = time.perf_counter()
        deque(pool.map(lambda task: detect(*task), itertools.islice(tasks, count)), maxlen=0)
        milliseconds = 1000 * (time.perf_counter() - started) / count
        click.echo(f"{phase:8} {read_resident_mb():8.1f} MB {milliseconds:8.2f} ms a detection")
    return read_resident_mb()


def split_detections(detections: int) -> Iterator[int]:
    """Yield the lengths of so many parts, about equal."""
    for part in range(REPORT_LINES):
        length = (part + 1) * detections // REPORT_LINES - part * detections // REPORT_LINES
        if length:
            yield length


def read_resident_mb() -> float:
    """Return the resident memory of this process, MB (10^6 bytes)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # not Linux: the highest so far
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
