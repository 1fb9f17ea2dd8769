"""``phiz detect``: find the faces of images, as a table, JSON or CSV."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phiz.cli.files import OutputPaths, encode_annotated, find_images, read_image_bytes, write_file
from phiz.cli.formats import REPORTS, FaceReport
from phiz.cli.run import guard_stdout, run_each

if TYPE_CHECKING:
    from phiz.engine import Engine
    from phiz.faces import Details, DetectOptions, Overlap, Rotate

# Written out, because what knows them takes a while to import; a test compares them.
DETECTOR_NAMES = ("auto", "front", "back", "full", "mtcnn")
OVERLAP_CHOICES = ("blend", "nms")
ROTATE_CHOICES = ("none", "auto")
DETAIL_CHOICES = ("none", "quality")
MAX_PASSES = 2
MAX_FACES = 10_000
MAX_MIN_FACE = 65_535
MAX_BUDGET_MS = 60_000

_DETECT_EPILOG = """
\b
Examples:
  phiz detect face.jpg
  phiz detect --model mtcnn --min-face 40 holiday/ > faces.jsonl
  phiz detect --format csv *.png | sort -t, -k3
  phiz detect --draw looked-at/ --min-score 0.8 crowd.jpg
  curl -s https://example.org/face.jpg | phiz detect -
  phiz detect --ray faces/ s3://bucket/pictures

\b
Exit status: 0 if every image was read, and drawn with --draw; 1 if one failed; 2 if the
command is invalid. An image without faces is no failure. With --ray, 0 if every image has a
row; the row of an unreadable image holds its error.
"""


@click.command(epilog=_DETECT_EPILOG)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--model",
    type=click.Choice(DETECTOR_NAMES),
    default="auto",
    show_default=True,
    help="Detector; 'auto' selects models to suit each image.",
)
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    help="Minimum score of a face.  [default: the model's own limit]",
)
@click.option(
    "--min-face",
    type=click.FloatRange(1, MAX_MIN_FACE),
    help="Minimum size of a face: the shorter side of its box, in pixels. mtcnn starts its search"
    " at this size, so a larger value is faster.  [default: 20 for mtcnn, none for the others]",
)
@click.option(
    "--max-faces",
    type=click.IntRange(1, MAX_FACES),
    default=1000,
    show_default=True,
    help="Maximum number of faces per image, best first.",
)
@click.option(
    "--overlap",
    type=click.Choice(OVERLAP_CHOICES),
    default="blend",
    show_default=True,
    help="Merge overlapping predictions into their weighted mean, or keep only the best.",
)
@click.option(
    "--passes",
    type=click.IntRange(1, MAX_PASSES),
    default=1,
    show_default=True,
    help="Process each image twice, half a grid cell apart, for steadier faces. Not for mtcnn.",
)
@click.option(
    "--rotate",
    type=click.Choice(ROTATE_CHOICES),
    default="none",
    show_default=True,
    help="With auto, turn images without a clear upright face in quarter turns, and add roll.",
)
@click.option(
    "--details",
    type=click.Choice(DETAIL_CHOICES),
    default="none",
    show_default=True,
    help="Add roll and quality to each face. Only JSON shows them.",
)
@click.option(
    "--budget-ms",
    type=click.FloatRange(1, MAX_BUDGET_MS),
    help="Time budget of auto per image, in milliseconds.  [default: none; auto continues while"
    " more faces are likely]",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(tuple(REPORTS)),
    help="Output format: json has one line per image, csv one row per face."
    "  [default: table on a terminal, else json]",
)
@click.option(
    "--draw",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for copies of the images with boxes, landmarks and scores. A JPEG stays a JPEG;"
    " other formats become PNG.",
)
@click.option(
    "--ray",
    "ray_folder",
    metavar="FOLDER",
    help="Run on a Ray cluster (RAY_ADDRESS, or else this machine), and write Parquet files into"
    " this folder or address, such as s3://bucket/faces. PATH may be an address too. Images that"
    " already have a row are skipped.",
)
def detect(  # noqa: PLR0913  each is an option
    *,
    paths: tuple[str, ...],
    model: str,
    min_score: float | None,
    min_face: float | None,
    max_faces: int,
    overlap: "Overlap",
    passes: int,
    rotate: "Rotate",
    details: "Details",
    budget_ms: float | None,
    format_name: str | None,
    folder: Path | None,
    ray_folder: str | None,
) -> None:
    """Find faces in images.

    PATH is an image, a folder (searched with its subfolders), or - for standard input. Boxes
    and landmarks are pixels of the upright image, from its upper left corner. An unreadable
    image is reported on standard error, and the others are processed.
    """
    # Not at the top: numpy, the runtime and pydantic take a while to import, and --help
    # should not wait for them.
    from phiz import settings  # noqa: PLC0415
    from phiz.faces import DetectOptions  # noqa: PLC0415
    from phiz.loading import load_engine  # noqa: PLC0415

    options = DetectOptions(
        min_score, min_face, max_faces, overlap, passes, rotate, details, budget_ms
    )
    if ray_folder is not None:
        if format_name or folder:
            raise click.UsageError(
                "--ray writes Parquet and cannot be combined with --format or --draw"
            )
        from phiz.cli.cluster import detect_in_cluster  # noqa: PLC0415  see above

        detect_in_cluster(paths, ray_folder, model, options)
        return
    image_paths = find_images([Path(path) for path in paths], folder)
    destinations = OutputPaths(folder, image_paths) if folder else None
    with guard_stdout("the faces"):
        report = REPORTS[format_name or ("table" if sys.stdout.isatty() else "json")]()
    engine, _ = load_engine(settings.load_settings(), {model})
    if budget_ms is not None:
        engine.measure_step_costs()
    task = _DetectJob(engine, model, options, report, destinations)
    run_each(image_paths, task.run, report, "the faces")


@dataclass(frozen=True, slots=True)
class _DetectJob:
    """Detects, reports and draws one image after another."""

    engine: "Engine"
    model: str
    options: "DetectOptions"
    report: FaceReport
    destinations: OutputPaths | None

    def run(self, path: Path) -> None:
        """Detect, report and draw one image.

        Raises:
            ImageError: The picture cannot be read, or its size is over a limit.
            OSError: A file cannot be read or written; which, if it is not the picture, is named.
        """
        from phiz.timings import Stopwatch  # noqa: PLC0415  see detect

        image_bytes = read_image_bytes(path, self.engine.limits.max_bytes)
        stopwatch = Stopwatch()
        result = self.engine.detect(image_bytes, self.model, self.options, stopwatch)
        with guard_stdout("the faces"):
            self.report.add(click.format_filename(path), result, stopwatch.to_timings())
        if self.destinations:
            output_path = self.destinations.pick_path(path)
            write_file(
                output_path,
                encode_annotated(image_bytes, result.faces, self.engine.limits, output_path.suffix),
            )
