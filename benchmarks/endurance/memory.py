"""The most memory that an image takes, for each shape, format, model and option (Linux).

::

    python -m benchmarks.endurance.memory
    python -m benchmarks.endurance.memory --workers 2 --limit-mib 1536 --megapixels 25 --json FILE
    python -m benchmarks.endurance.memory --quick FILE...

Starts ``phiz serve`` from this environment with ``PHIZ_MAX_PIXELS`` at the size of the images, and
sends it images of one colour or of noise. Each is sent to all workers at once, with a reset of each
process's peak before it. The sum of the peaks counts pages of files once, as a control group does.
Files are sent with every model. All takes about ten minutes on two cores, ``--quick`` two. Bodies
of 20 MiB are sent too if this runs in a control group with a limit, from which theirs follows.

The exit status is 1 if a sum exceeds 90 % of ``--limit-mib``, or a process was replaced.
"""

import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlencode

import click
import numpy as np
from PIL import Image as Pillow

from benchmarks.kit.options import MODELS, json_option
from benchmarks.kit.report import build_table, print_tables, write_entry
from benchmarks.kit.requests import Request, encode_form, encode_raw, open_connection, send_request
from benchmarks.kit.service import PROC, RunningService, start_service
from phiz.system.cgroups import read_memory_limit

Size: TypeAlias = tuple[int, int]
Encoder: TypeAlias = Callable[[Size], bytes]

LIMIT_SHARE: Final = 0.9
BATCH_SIZE: Final = 16
LONGEST_WEBP: Final = 16_383
MEBIBYTE: Final = 2**20
TIMEOUT_S: Final = 120.0
MAX_BYTES: Final = 20 * MEBIBYTE  # PHIZ_MAX_BYTES by default
UPLOADS: Final = 16
UNLIMITED: Final = 1e15  # bytes; version 1 of control groups reports no limit as more
PATIENT: Final = {"PHIZ_DEADLINE": "100"}  # batches take longer than by default


@dataclass(frozen=True, slots=True)
class Measured:
    """The peaks of one request to each worker, in MB (10^6 bytes).

    Attributes:
        image: Format and shape, or the name of a file.
        query: Model and options.
        status: Of the answers, the highest.
        worker_mb: Of the largest worker.
        service_mb: Of the service.
        sum_mb: Of all processes.
        pixels: Of the image; 0 for a file.
        seconds: Until all answers were there.
    """

    image: str
    query: str
    status: int
    worker_mb: float
    service_mb: float
    sum_mb: float
    pixels: int
    seconds: float

    def format_cells(self, start_mb: float) -> tuple[str, ...]:
        """Return the cells of a row, given the memory of a worker before its first image."""
        grown = 1e6 * (self.worker_mb - start_mb)
        per_pixel = f"{grown / self.pixels:.1f}" if self.pixels else ""
        figures = f"{self.worker_mb:.0f}", per_pixel, f"{self.service_mb:.0f}", f"{self.sum_mb:.0f}"
        return self.image, self.query, str(self.status), *figures, f"{self.seconds:.1f}"


def save(mode: str, kind: str, **options: object) -> Encoder:
    """Return an encoder of images of one colour."""

    def encode(size: Size) -> bytes:
        file = io.BytesIO()
        Pillow.new(mode, size).save(file, kind, **options)
        return file.getvalue()

    return encode


FORMATS: Final[dict[str, Encoder]] = {
    "JPEG": save("RGB", "JPEG"),
    "JPEG progressive": save("RGB", "JPEG", progressive=True, subsampling=0),
    "JPEG CMYK progressive": save("CMYK", "JPEG", progressive=True),
    "PNG": save("RGB", "PNG"),
    "PNG palette alpha": save("P", "PNG", transparency=0),
    "PNG alpha": save("RGBA", "PNG"),
    "PNG 16 bits": save("I;16", "PNG", transparency=0),
    "GIF": save("P", "GIF", transparency=0),
    "BMP alpha": save("RGBA", "BMP"),
    "TIFF one strip": save("RGBA", "TIFF", compression="tiff_lzw", strip_size=1 << 30),
    "WebP": save("RGB", "WEBP", method=0),
    "WebP alpha": save("RGBA", "WEBP", method=0, exact=True),
    "WebP lossless alpha": save("RGBA", "WEBP", method=0, lossless=True),
    "AVIF alpha 4:4:4": save("RGBA", "AVIF", speed=10, subsampling="4:4:4"),
}
FIRST_FORMAT: Final = "PNG"
QUERIES: Final = (
    *({"model": model} for model in MODELS),
    {"model": "front", "rotate": "auto", "passes": "2", "details": "quality"},
    {"model": "mtcnn", "rotate": "auto", "details": "quality"},
    {"model": "auto", "rotate": "auto", "passes": "2", "details": "quality"},
)
FEW_QUERIES: Final = (QUERIES[0], QUERIES[-2], QUERIES[-1])


def list_shapes(pixels: int) -> dict[str, Size]:
    """Return the sizes of so many pixels by name."""
    side = int(pixels**0.5)
    return {
        "square": (side, side),
        "n × 1": (pixels, 1),
        "1 × n": (1, pixels),
        "n × 2": (pixels // 2, 2),
        "2 × n": (2, pixels // 2),
        "n × 20": (pixels // 20, 20),
        "20 × n": (20, pixels // 20),
        "wide": (LONGEST_WEBP, pixels // LONGEST_WEBP),
        "tall": (pixels // LONGEST_WEBP, LONGEST_WEBP),
    }


def encode_noise(size_bytes: int, pixels: int) -> bytes:
    """Return a grey PNG of about so many bytes, which does not compress."""
    width = int(pixels**0.5)
    rows = min(size_bytes, pixels) // (width + 1)
    noise = np.random.default_rng(0).integers(0, 256, (rows, width), np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(noise).save(file, "PNG", compress_level=0)
    return file.getvalue()


@click.command()
@click.option("--megapixels", type=click.FloatRange(0.1), default=13, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True)
@click.option("--limit-mib", type=click.IntRange(1), default=512, show_default=True)
@click.option("--quick", is_flag=True, help="Few formats and shapes.")
@click.argument("files", type=click.Path(path_type=Path, dir_okay=False), nargs=-1)
@json_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    megapixels: float,
    workers: int,
    limit_mib: int,
    quick: bool,
    files: Sequence[Path],
    document: Path | None,
) -> None:
    """Measure the most memory that images take."""
    pixels = int(1e6 * megapixels)
    with start_service(workers, {"PHIZ_MAX_PIXELS": str(pixels), **PATIENT}) as service:
        processes = service.list_workers()
        start_mb = max(read_memory_mb(process, "VmRSS") for process in processes)
        measured = [*measure_images(service, pixels, quick=quick), *measure_files(service, files)]
        measured += measure_bodies(service, pixels)
        replaced = processes != service.list_workers()
    limit_mb = LIMIT_SHARE * limit_mib * MEBIBYTE / 1e6
    worst = max(measured, key=lambda one: one.sum_mb)
    columns = "worker MB", "bytes a pixel", "service MB", "sum MB", "s"
    rows = (one.format_cells(start_mb) for one in measured)
    print_tables(
        build_table(("image", "query", "status"), columns, rows),
        f"a worker had {start_mb:.0f} MB; worst sum {worst.sum_mb:.0f} MB of {limit_mb:.0f} MB",
    )
    entry = {"start_mb": start_mb, "measured": [asdict(one) for one in measured]}
    write_entry(document, f"memory {limit_mib} MiB", entry)
    sys.exit(replaced or worst.sum_mb > limit_mb)


def measure_images(service: RunningService, pixels: int, *, quick: bool) -> Iterator[Measured]:
    """Yield the peaks of images of so many pixels, all that their formats can have."""
    for shape, size in list_shapes(pixels).items():
        for name, encode in FORMATS.items():
            if name != FIRST_FORMAT and (quick or shape != "square"):
                continue
            image_bytes = encode(size)
            for query in FEW_QUERIES if quick or name != FIRST_FORMAT else QUERIES:
                request = encode_raw(f"/detect?{urlencode(query)}", image_bytes)
                yield measure_request(service, f"{name}, {shape}", request, size[0] * size[1])


def measure_files(service: RunningService, files: Sequence[Path]) -> Iterator[Measured]:
    """Yield the peaks of files with every model."""
    for path in files:
        for query in QUERIES:
            request = encode_raw(f"/detect?{urlencode(query)}", path.read_bytes())
            yield measure_request(service, path.name, request, 0)


def measure_bodies(service: RunningService, pixels: int) -> Iterator[Measured]:
    """Yield the peaks of large bodies, many at once, and of batches."""
    if read_memory_limit() < UNLIMITED:
        large = encode_noise(MAX_BYTES - 4096, pixels)
        upload = encode_raw("/detect?model=mtcnn", large)
        yield measure_request(service, f"{UPLOADS} uploads of 20 MiB", upload, 0, UPLOADS)
    size = list_shapes(pixels)["square"]
    for name in FORMATS:
        images = [FORMATS[name](size)] * BATCH_SIZE
        batch = encode_form("/detect/batch?model=front", *images)
        if len(batch.body) < MAX_BYTES:
            yield measure_request(service, f"{BATCH_SIZE} × {name}", batch, 0, 2)


def measure_request(
    service: RunningService, image: str, request: Request, pixels: int, count: int = 0
) -> Measured:
    """Return the peaks of a request that is sent by so many clients at once, one for a worker."""
    workers = service.list_workers()
    for process in (service.process, *workers):
        (PROC / str(process) / "clear_refs").write_text("5", "ascii")  # resets the peak
    started_s = time.perf_counter()
    with ThreadPoolExecutor(count or len(workers)) as clients:
        sent = clients.map(lambda _: send(service, request), range(count or len(workers)))
        status = max(sent)
    seconds = time.perf_counter() - started_s
    click.echo(f"{image} {request.path} {seconds:.1f} s", err=True)
    service_mb = read_memory_mb(service.process)
    peaks_mb = [read_memory_mb(process) for process in workers]
    return Measured(
        image,
        request.path,
        status,
        max(peaks_mb),
        service_mb,
        service_mb + sum(peaks_mb) - sum(read_memory_mb(each, "RssFile") for each in workers),
        pixels,
        seconds,
    )


def send(service: RunningService, request: Request) -> int:
    """Return the status of the answer, or 0 if the connection was ended."""
    with closing(open_connection(service.port, TIMEOUT_S)) as connection:
        try:
            return send_request(connection, request).status
        except OSError:
            return 0


def read_memory_mb(process: int, name: str = "VmHWM") -> float:
    """Return a size of a process, by default its peak since the last reset, MB."""
    lines = (PROC / str(process) / "status").read_text("utf-8", "replace").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kilobytes) * 1024 / 1e6


if __name__ == "__main__":
    main()
