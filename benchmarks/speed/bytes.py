"""Each model's way from bytes to faces, beside the sum of its parts.

::

    python -m benchmarks.speed.bytes --data DIR \
        --json docs/measured/bytes.json --table docs/measured/bytes.md

The parts are the fastest decoder, at the largest scale that the detection has decoded, and the
calls of the networks that it has made, with the same inputs. ``DIR`` has labelled photographs in
``wider/``, groups and crowds, and in ``lfpw/``, one large face each. The exit status is 1 if a goal
is missed by processor time.
"""

import gc
import io
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeAlias

import click
import simplejpeg
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from benchmarks.kit.options import (
    data_option,
    json_option,
    model_option,
    models_option,
    table_option,
)
from benchmarks.kit.report import print_results, round_figures, write_entry
from phiz.engine import Engine, build_engine
from phiz.faces import DetectOptions
from phiz.image.decode import open_image
from phiz.image.limits import DecodingLimits
from phiz.lab.accuracy.labels import read_annotations
from phiz.models.specs import NetworkSpec
from phiz.runtime import Session
from phiz.runtime.onnx import OnnxRuntime
from phiz.system.malloc import add_huge_pages, fix_malloc_thresholds, has_huge_pages
from phiz.timings import Stopwatch

LIMITS: Final = DecodingLimits(64 << 20, 50_000_000)
KINDS: Final = ("wider", "lfpw")  # photographs of both alternate
LARGEST_WH: Final = (4000, 3000)
PICTURES_BY_SIZE: Final = {(640, 480): 6, (1920, 1080): 6, LARGEST_WH: 2}
FORMATS: Final[Mapping[str, Mapping[str, int]]] = {
    "JPEG": {"quality": 90},
    "PNG": {"compress_level": 6},
}
TURN_S: Final = 0.04  # a part is repeated for about so long at each of its turns
MAX_REPEATS: Final = 25
MAX_SHARE: Final = 0.2  # goals of JPEGs of the two smaller sizes
MAX_FRONT_MS: Final = 0.25
MAX_LARGE_BACK_MS: Final = 1.5
CLOCKS: Final[Mapping[str, Callable[[], float]]] = {
    "processor": time.thread_time,
    "wall": time.perf_counter,
}
HEADINGS: Final = (
    *("image", "model", "ms", "decode", "calls", "beyond, ms", "of the parts", "worst"),
    *("preprocess", "postprocess", "by wall time", "goal"),
)

Inputs: TypeAlias = NDArray[Any]
Times: TypeAlias = Mapping[str, float]
"""ms by clock."""


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """A session that keeps its calls while there is a list for them."""

    session: Session
    calls: list[tuple[Session, Inputs]]
    switch: list[bool]

    def run(self, inputs: Inputs) -> Mapping[str, Inputs]:
        """Return the outputs of the network."""
        if self.switch:
            self.calls.append((self.session, inputs.copy()))
        return self.session.run(inputs)


@dataclass(frozen=True, slots=True)
class RecordingRuntime(OnnxRuntime):
    """onnxruntime, with all calls of its networks in one list while the switch is not empty."""

    calls: list[tuple[Session, Inputs]] = field(default_factory=list)
    switch: list[bool] = field(default_factory=list)

    def open(self, spec: NetworkSpec, model_bytes: bytes) -> Session:
        """Return a session of a network."""
        opened = OnnxRuntime.open(self, spec, model_bytes)
        return RecordedSession(opened, self.calls, self.switch)


@dataclass(frozen=True, slots=True)
class Way:
    """The medians of one image: ms of the whole way and of its parts, by clock.

    ``stages`` are those of the whole way, by processor time.
    """

    detect: Times
    decode: Times
    calls: Times
    stages: Mapping[str, float]

    def compute_beyond_ms(self, clock: str) -> float:
        """Return the time of the whole way beyond that of its parts."""
        return self.detect[clock] - self.decode[clock] - self.calls[clock]

    def compute_share(self, clock: str) -> float:
        """Return the same as a share of the parts."""
        return self.compute_beyond_ms(clock) / (self.decode[clock] + self.calls[clock])


@dataclass(frozen=True, slots=True)
class Case:
    """A model with images of one size and format."""

    image_format: str
    size_wh: tuple[int, int]
    model: str
    ways: Sequence[Way]

    def compute_median(self, read: Callable[[Way], float]) -> float:
        """Return the median of a figure over the images."""
        return median(map(read, self.ways))

    @property
    def goal(self) -> str:
        """The goal, and whether it is reached; empty if there is none."""
        is_large = self.size_wh == LARGEST_WH
        if self.image_format != "JPEG" or (is_large and self.model != "back"):
            return ""
        beyond = self.compute_median(lambda way: way.compute_beyond_ms("processor"))
        share = self.compute_median(lambda way: way.compute_share("processor"))
        if is_large or self.model == "front":
            limit = MAX_LARGE_BACK_MS if is_large else MAX_FRONT_MS
            return f"≤ {limit:g} ms, {'reached' if beyond <= limit else 'MISSED'}"
        return f"≤ {MAX_SHARE:.0%}, {'reached' if share <= MAX_SHARE else 'MISSED'}"

    def to_row(self) -> list[str]:
        """Return a row of the table, below ``HEADINGS``."""
        times = [
            self.compute_median(lambda way, part=part: getattr(way, part)["processor"])  # type: ignore[misc]
            for part in ("detect", "decode", "calls")
        ]
        worst = max(way.compute_share("processor") for way in self.ways)
        stages = [
            self.compute_median(lambda way, stage=stage: way.stages[stage])  # type: ignore[misc]
            for stage in ("preprocess", "postprocess")
        ]
        return [
            "{} × {} {}".format(*self.size_wh, self.image_format),
            f"`{self.model}`",
            *(f"{ms:.2f}" for ms in times),
            f"{self.compute_median(lambda way: way.compute_beyond_ms('processor')):.2f}",
            f"{self.compute_median(lambda way: way.compute_share('processor')):.1%}",
            f"{worst:.1%}",
            *(f"{ms:.2f}" for ms in stages),
            f"{self.compute_median(lambda way: way.compute_share('wall')):.1%}",
            self.goal,
        ]


@click.command()
@data_option
@models_option
@model_option
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@json_option
@table_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    data: Path,
    models: Path,
    names: Sequence[str],
    rounds: int,
    document: Path | None,
    page: Path | None,
) -> None:
    """Measure each model from bytes to faces, beside the sum of its parts."""
    if not has_huge_pages(os.environ):  # a worker is started with them
        command = (sys.executable, "-m", "benchmarks.speed.bytes", *sys.argv[1:])
        os.execve(sys.executable, command, add_huge_pages(os.environ))  # noqa: S606  this Python
    fix_malloc_thresholds()
    runtime = RecordingRuntime()
    engine = build_engine(models, "half-pixel", LIMITS, names, runtime=runtime)
    gc.freeze()
    cases = []
    for size_wh, count in PICTURES_BY_SIZE.items():
        photographs = list(itertools.islice(pick_photographs(data), count))
        for image_format, settings in FORMATS.items():
            images = [encode_image(path, size_wh, image_format, settings) for path in photographs]
            for model in names:
                ways = [measure_way(engine, runtime, model, image, rounds) for image in images]
                cases.append(Case(image_format, size_wh, model, ways))
                click.echo(" ".join(cases[-1].to_row()), err=True)
    print_results(HEADINGS, [case.to_row() for case in cases], page, "bytes")
    figures = {"rounds": rounds, "cases": [asdict(case) | {"goal": case.goal} for case in cases]}
    write_entry(document, "bytes", round_figures(figures))
    sys.exit(any("MISSED" in case.goal for case in cases))


def pick_photographs(data: Path) -> Iterator[Path]:
    """Yield photographs of both kinds in turn, spread over their events."""
    kinds = [[label.path for label in read_annotations(data / kind)] for kind in KINDS]
    for pair in zip(*(paths[:: len(paths) // 7] for paths in kinds), strict=False):
        yield from pair


def encode_image(
    path: Path, size_wh: tuple[int, int], image_format: str, settings: Mapping[str, int]
) -> bytes:
    """Return the middle of a photograph at a size."""
    file = io.BytesIO()
    with Pillow.open(path) as opened:
        fitted = ImageOps.fit(opened.convert("RGB"), size_wh, Pillow.Resampling.BICUBIC)
    fitted.save(file, image_format, **settings)
    return file.getvalue()


def measure_way(
    engine: Engine, runtime: RecordingRuntime, model: str, image_bytes: bytes, rounds: int
) -> Way:
    """Return the medians of one image. The whole way and its parts take turns."""
    image = open_image(image_bytes, LIMITS)
    engine.detect(image, model, DetectOptions(), Stopwatch())
    factor = image.get_finest_scale().factor
    runtime.calls.clear()
    runtime.switch.append(True)
    engine.detect(image_bytes, model, DetectOptions(), Stopwatch())
    runtime.switch.clear()
    calls = [*runtime.calls]

    def run_calls() -> None:
        for session, inputs in calls:
            session.run(inputs)

    size_wh = image.width, image.height
    parts: dict[str, Callable[[], object]] = {
        "detect": lambda: engine.detect(image_bytes, model, DetectOptions(), Stopwatch()),
        "decode": partial(decode_fast, image_bytes, size_wh, factor),
        "calls": run_calls,
    }
    times: dict[str, list[Times]] = {name: [] for name in parts}
    stages = []
    for _ in range(rounds):
        for name, run in parts.items():
            times[name].append(time_part(run))
        stopwatch = Stopwatch(clock=time.thread_time)
        engine.detect(image_bytes, model, DetectOptions(), stopwatch)
        stages.append(stopwatch.to_timings().to_milliseconds())
    medians = {
        name: {clock: median(turn[clock] for turn in turns) for clock in CLOCKS}
        for name, turns in times.items()
    }
    return Way(
        **medians, stages={name: median(turn[name] for turn in stages) for name in stages[0]}
    )


def decode_fast(image_bytes: bytes, size_wh: tuple[int, int], factor: int) -> None:
    """Decode an image with the fastest decoder, a JPEG at a scale."""
    if image_bytes.startswith(b"\xff\xd8"):
        width, height = (-(-side // factor) for side in size_wh)
        simplejpeg.decode_jpeg(image_bytes, "RGBX", min_width=width, min_height=height)
        return
    with Pillow.open(io.BytesIO(image_bytes)) as image:
        image.load()


def time_part(run: Callable[[], object]) -> Times:
    """Return the median times of some runs in a row, ms."""
    took: dict[str, list[float]] = {clock: [] for clock in CLOCKS}
    until = time.perf_counter() + TURN_S
    while not took["wall"] or (time.perf_counter() < until and len(took["wall"]) < MAX_REPEATS):
        before = [read() for read in CLOCKS.values()]
        run()
        after = [read() for read in CLOCKS.values()]
        for clock, start, end in zip(CLOCKS, before, after, strict=True):
            took[clock].append(1000 * (end - start))
    return {clock: median(each) for clock, each in took.items()}


if __name__ == "__main__":
    main()
