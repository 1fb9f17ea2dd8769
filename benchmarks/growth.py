r"""Time and memory as the work grows: pixels, faces, clients, images of a batch, workers (Linux).

::

    python -m benchmarks.growth
    python -m benchmarks.growth --json docs/measured/growth.json --picture docs/measured/growth.svg
    python -m benchmarks.growth --sizes 20000   # memory after so many images of 500 sizes

It starts ``phiz serve`` from this environment on one core, and sends images that it makes of those
of the tests. Times are processor time of the service and its workers; memory is the largest that a
worker had. Each slope is fitted in logarithms over the larger half of its points, where a fixed
part no longer counts: 1 means in proportion.
"""

import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

import click
import numpy as np
from PIL import Image as Pillow

from benchmarks.kit import options
from benchmarks.kit.charts import GrowthPanel, draw_growth
from benchmarks.kit.cores import Cores, choose_cores, pin_to
from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.report import build_table, print_tables, write_entry
from benchmarks.kit.requests import (
    PICTURES,
    Request,
    encode_form,
    encode_raw,
    open_connection,
    send_request,
)
from benchmarks.kit.service import PROC, RunningService, measure_usage, start_service
from benchmarks.load.closed import run_closed_loop
from benchmarks.load.contenders import make_phiz
from benchmarks.load.servers import start_server
from phiz.system.procfs import read_processor_seconds

MEGAPIXELS: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 49.0)
MTCNN_MEGAPIXELS: Final = (0.1, 0.3, 1.0, 3.0, 10.0)
FACES: Final = (0, 12, 50, 200, 800)
CLIENTS: Final = (1, 4, 16, 64, 256)
BATCHES: Final = (1, 2, 4, 8, 16)
WORKERS: Final = (1, 2)
REPEATS: Final = 5
LOAD_S: Final = 3.0
CELL_PX, FACE_PX = 40, 32
CROWD_WH: Final = (1600, 1200)
HEAD_XYXY: Final = (70, 160, 265, 355)  # in the selfie of the tests
SIZES: Final = 500
PATIENT: Final = {"PHIZ_DEADLINE": "100", "PHIZ_MAX_PIXELS": "50000000"}
SEED: Final = 1
IDLE_S: Final = 3.0  # an idle worker returns free memory after a second
MAX_GROWN: Final = 1.02  # of the memory of a worker
MIN_GAIN: Final = 1.9  # of two workers, to one


@dataclass(frozen=True, slots=True)
class GrowthPoint:
    """One measurement: milliseconds of processor time, and the worker's largest memory, MB."""

    x: float
    ms: float
    memory_mb: float


Series: TypeAlias = Mapping[str, Mapping[str, Sequence[GrowthPoint]]]
"""Points by what grows, and by what is measured."""


@click.command()
@click.option("--sizes", "images", type=click.IntRange(1), help="Send so many images of 500 sizes.")
@options.json_option
@options.picture_option
def main(images: int | None, document: Path | None, picture: Path | None) -> None:
    """Measure how time and memory grow, or the memory after images of many sizes."""
    cores = choose_cores()
    if images is not None:
        report_sizes(measure_sizes(images, cores), document)
        return
    series = measure_images(cores) | measure_loads(cores)
    slopes = {
        f"{name}: {line}": fit_slope(points)
        for name, lines in series.items()
        for line, points in lines.items()
    }
    rows = [[name, "" if slope is None else f"{slope:.2f}"] for name, slope in slopes.items()]
    print_tables(build_table(["series"], ["slope"], rows))
    one, two = (series["workers"]["answers for a second of processor time"][i].ms for i in (0, 1))
    print(f"two workers, to one, by processor time: {2 * two / one:.2f} (≥ {MIN_GAIN})")
    written = {
        name: {line: [asdict(point) for point in points] for line, points in lines.items()}
        for name, lines in series.items()
    }
    write_entry(document, "growth", {"series": written, "slopes": slopes})
    if picture:
        picture.write_text(
            draw_growth("phiz: time and memory as the work grows", to_panels(series))
        )


def report_sizes(figures: Mapping[str, float], document: Path | None) -> None:
    """Print and write the memory after images of many sizes.

    Raises:
        BenchmarkError: It grew.
    """
    print(json.dumps(figures))
    write_entry(document, "sizes", figures)
    if figures["grown"] > MAX_GROWN:
        raise BenchmarkError(f"a worker's memory grew to {figures['grown']:.3f} times")


def measure_images(cores: Cores) -> dict[str, dict[str, list[GrowthPoint]]]:
    """Return the cost of one request by what is in it."""
    with ExitStack() as stack:
        with pin_to(cores.server):
            service = stack.enter_context(start_service(1, PATIENT))
        stack.enter_context(pin_to(cores.load))
        return {
            "pixels (megapixels)": measure_pixels(service),
            "faces": measure_faces(service),
            "images of a batch": measure_batches(service),
        }


def measure_pixels(service: RunningService) -> dict[str, list[GrowthPoint]]:
    """Return the cost of one image by its megapixels, for each model and for PNG."""
    lines = {}
    for name, query, kind in (
        ("front", "front", "JPEG"),
        ("yunet", "yunet", "JPEG"),
        ("auto", "auto", "JPEG"),
        ("mtcnn", "mtcnn", "JPEG"),
        ("front, PNG", "front", "PNG"),
    ):
        sizes = MTCNN_MEGAPIXELS if query == "mtcnn" else MEGAPIXELS
        lines[name] = [
            measure_request(
                service,
                size,
                encode_raw(f"/detect?model={query}", encode_scaled(size, kind), f"image/{kind}"),
            )
            for size in sizes
        ]
    return lines


def measure_faces(service: RunningService) -> dict[str, list[GrowthPoint]]:
    """Return the cost of one image of 1600 × 1200 by the number of its faces."""
    images = {count: encode_faces(count) for count in FACES}
    return {
        model: [
            measure_request(
                service, count, encode_raw(f"/detect?model={model}&max_faces=10000", image)
            )
            for count, image in images.items()
        ]
        for model in ("front", "yunet", "centerface", "mtcnn", "auto")
    }


def measure_batches(service: RunningService) -> dict[str, list[GrowthPoint]]:
    """Return the cost of a batch by its number of images."""
    image = encode_scaled(0.3, "JPEG")
    return {
        model: [
            measure_request(
                service, count, encode_form(f"/detect/batch?model={model}", *[image] * count)
            )
            for count in BATCHES
        ]
        for model in ("front", "yunet")
    }


def measure_request(service: RunningService, x: float, request: Request) -> GrowthPoint:
    """Return the median cost of a request.

    Raises:
        BenchmarkError: It is not answered with success.
    """
    processes = (service.process, *service.list_workers())
    worker = processes[1]
    (PROC / str(worker) / "clear_refs").write_text("5")  # its peak begins again
    taken = []
    with closing(open_connection(service.port, 120)) as connection:
        for _ in range(1 + REPEATS):
            before = sum(read_processor_seconds(each) or 0.0 for each in processes)
            answer = send_request(connection, request)
            if answer.status != HTTPStatus.OK:
                raise BenchmarkError(
                    f"{request.path} was answered {answer.status}: {answer.body!r}"
                )
            after = sum(read_processor_seconds(each) or 0.0 for each in processes)
            taken.append(1000 * (after - before))
    return GrowthPoint(x, median(taken[1:]), read_peak_mb(worker))


def measure_loads(cores: Cores) -> dict[str, dict[str, list[GrowthPoint]]]:
    """Return the cost of a request by the number of clients, and by that of workers."""
    image = encode_scaled(0.3, "JPEG")
    clients: dict[str, list[GrowthPoint]] = {"service": [], "worker": [], "median wait": []}
    with start_server(make_phiz(), image, cores.server, PATIENT) as running:
        _, worker = running.list_processes()[:2]
        for count in CLIENTS:
            found = run_closed_loop(running, count, LOAD_S, cores.load)
            memory_mb = read_peak_mb(worker)
            clients["service"].append(GrowthPoint(count, found.service_ms, memory_mb))
            clients["worker"].append(GrowthPoint(count, found.workers_ms, memory_mb))
            clients["median wait"].append(GrowthPoint(count, found.p50_ms, memory_mb))
    rates = []
    for workers in WORKERS:
        with start_server(make_phiz(workers=workers), image, cores.both, PATIENT) as running:
            found = run_closed_loop(running, 8, LOAD_S, cores.both)
            rates.append(GrowthPoint(workers, 1000 / found.processor_ms, 0.0))
    return {"clients": clients, "workers": {"answers for a second of processor time": rates}}


def measure_sizes(images: int, cores: Cores) -> dict[str, float]:
    """Return a worker's memory after a tenth of the images and after all, MB."""
    random = np.random.default_rng(SEED)
    sides = [(int(width), int(height)) for width, height in random.integers(40, 1400, (SIZES, 2))]
    with Pillow.open(PICTURES / "group_640x480.png") as opened:
        group = opened.convert("RGB")
    encoded = [encode_image(group.resize(size_wh), "JPEG") for size_wh in sides]
    models = ("front",) * 17 + ("back", "yunet", "mtcnn&min_face=60")
    with ExitStack() as stack:
        with pin_to(cores.server):
            running = stack.enter_context(start_service(1))
        stack.enter_context(pin_to(cores.load))
        (worker,) = running.list_workers()
        connection = stack.enter_context(closing(open_connection(running.port)))
        early_mb = 0.0
        for number in range(images):
            model = models[int(random.integers(len(models)))]
            image = encoded[int(random.integers(SIZES))]
            answer = send_request(connection, encode_raw(f"/detect?model={model}", image))
            if answer.status != HTTPStatus.OK:
                raise BenchmarkError(f"an image was answered {answer.status}: {answer.body!r}")
            if number == images // 10:
                early_mb = measure_idle_mb(worker)
        late_mb = measure_idle_mb(worker)
    return {
        "images": images,
        "early_mb": early_mb,
        "late_mb": late_mb,
        "grown": late_mb / early_mb,
    }


def measure_idle_mb(worker: int) -> float:
    """Return the memory of a worker once it has returned what it does not use, MB."""
    time.sleep(IDLE_S)
    return measure_usage(worker).memory_mb


def encode_scaled(megapixels: float, kind: str) -> bytes:
    """Return an image of the tests with so many megapixels."""
    with Pillow.open(PICTURES / "group_640x480.png") as opened:
        scale = (megapixels * 1e6 / (opened.width * opened.height)) ** 0.5
        size_wh = round(opened.width * scale), round(opened.height * scale)
        return encode_image(opened.convert("RGB").resize(size_wh), kind)


def encode_faces(count: int) -> bytes:
    """Return an image of noise with so many faces of 32 pixels."""
    random = np.random.default_rng(SEED)
    with Pillow.open(PICTURES / "selfie_360x640.png") as opened:
        face = opened.convert("RGB").crop(HEAD_XYXY).resize((FACE_PX, FACE_PX))
    width, height = CROWD_WH
    noise = random.integers(90, 130, (height // 8, width // 8, 3), np.uint8)
    crowd = Pillow.fromarray(noise).resize(CROWD_WH)
    columns = width // CELL_PX
    for place in random.permutation(columns * (height // CELL_PX))[:count].tolist():
        crowd.paste(face, (CELL_PX * (place % columns), CELL_PX * (place // columns)))
    return encode_image(crowd, "JPEG")


def encode_image(image: Pillow.Image, kind: str) -> bytes:
    """Return an encoded image."""
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 90} if kind == "JPEG" else {"compress_level": 1}))
    return file.getvalue()


def read_peak_mb(process: int) -> float:
    """Return the largest resident memory of a process since its peak began, MB."""
    lines = (PROC / str(process) / "status").read_text("utf-8", "replace").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024 / 1e6


def fit_slope(points: Sequence[GrowthPoint]) -> float | None:
    """Return the slope of log time over log x for the larger half of the points."""
    kept = [point for point in points if point.x > 0][-max(2, len(points) // 2 + 1) :]
    if len(kept) < 2:  # noqa: PLR2004
        return None
    x, y = (np.log([getattr(point, name) for point in kept]) for name in ("x", "ms"))
    return float(np.polyfit(x, y, 1)[0])


def to_panels(series: Series) -> Iterator[GrowthPanel]:
    """Yield the panels of the chart: times, and below them the memory by pixels and faces."""
    for name, lines in series.items():
        if name != "workers":  # of which there are two numbers
            times = {line: [(point.x, point.ms) for point in each] for line, each in lines.items()}
            yield GrowthPanel(f"ms by {name}", times)
    for name in ("pixels (megapixels)", "faces"):
        memory = {
            line: [(point.x, point.memory_mb) for point in each]
            for line, each in series[name].items()
        }
        yield GrowthPanel(f"largest memory of the worker, MB, by {name}", memory)


if __name__ == "__main__":
    main()
