"""The detection that ``phiz detect`` runs, and how it shows faces."""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from phiz.cli.files import JPEG_SUFFIXES, OutputPaths, find_images, write_file
from phiz.cli.formats import Layout, open_report
from phiz.cli.run import run_images
from phiz.editing.render import read_rgb_profile, render_annotated
from phiz.errors import SettingError
from phiz.faces import DetectionResult, DetectOptions, Face
from phiz.image.decode import open_image
from phiz.image.limits import DecodingLimits
from phiz.loading import load_engine
from phiz.settings import load_settings
from phiz.timings import Stopwatch
from phiz.wire.edits import ImageEdit
from phiz.wire.encode import encode_result

LANDMARK_COLUMNS = (
    "left_eye",
    "right_eye",
    "nose",
    "mouth",
    "mouth_left",
    "mouth_right",
    "left_ear",
    "right_ear",
)
"""Every landmark that some model gives; CSV has a column for each."""

# Before Ray is loaded: it would report its use to its makers, and tell on standard error what
# its own files tell too.
RAY_VARIABLES = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}


def detect_images(
    *,
    paths: Sequence[str],
    model: str,
    format_name: str | None,
    folder: Path | None,
    ray_folder: str | None,
    **options: Any,  # noqa: ANN401  DetectOptions checks them
) -> None:
    """Find faces, and print, draw or store them, as the options of ``phiz detect`` say.

    Raises:
        PhizError: An option or a setting is wrong, or a model is missing.
        ClickException: There is no image, or one failed.
    """
    detect_options = DetectOptions(**options)
    if ray_folder is not None:
        if format_name or folder:
            raise click.UsageError(
                "--ray writes Parquet and cannot be combined with --format or --draw"
            )
        run_in_cluster(paths, ray_folder, model, detect_options)
        return
    image_paths = find_images([Path(path) for path in paths], folder)
    destinations = OutputPaths(folder, image_paths) if folder else None
    report = open_report(FACES_LAYOUT, format_name)
    engine, _ = load_engine(load_settings(), {model})
    if detect_options.budget_ms is not None:
        engine.measure_step_costs()

    def find_faces(_: Path, image_bytes: bytes, stopwatch: Stopwatch) -> DetectionResult:
        return engine.detect(image_bytes, model, detect_options, stopwatch)

    draw = partial(_write_annotated, destinations, engine.limits) if destinations else None
    run_images(image_paths, engine.limits.max_bytes, find_faces, report, draw)


def run_in_cluster(
    paths: Sequence[str],
    folder: str,
    model: str,
    options: DetectOptions,
    edit: ImageEdit | None = None,
) -> None:
    """Process images on a cluster, as ``process_in_cluster`` does.

    Raises:
        SettingError: Ray is not installed, or the cluster cannot be reached.
    """
    for name, value in RAY_VARIABLES.items():
        os.environ.setdefault(name, value)
    try:
        from phiz.cli.cluster import process_in_cluster  # noqa: PLC0415  only the extra has Ray
    except ImportError as error:
        raise SettingError(
            "Ray is not installed; install it with: pip install 'phiz[ray]'"
        ) from error
    process_in_cluster(paths, folder, model, options, edit)


def _write_annotated(
    destinations: OutputPaths,
    limits: DecodingLimits,
    path: Path,
    image_bytes: bytes,
    result: DetectionResult,
) -> None:
    """Write a copy of an image with its faces drawn in.

    Raises:
        ImageError: The image cannot be decoded.
        OSError: The file cannot be written, and is named.
    """
    output_path = destinations.pick_path(path)
    picture = render_annotated(
        open_image(image_bytes, limits),
        result.faces,
        "jpeg" if output_path.suffix.lower() in JPEG_SUFFIXES else "png",
        limits,
        read_rgb_profile(image_bytes),
    )
    write_file(output_path, picture.content)


def _list_rows(result: DetectionResult) -> Iterator[dict[str, str | float]]:
    """Yield a row of CSV for each face; a landmark that the model has not is missing."""
    for face in result.faces:
        x1, y1, x2, y2 = face.box
        sides = {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
        points = {
            f"{name}_{axis}": value
            for name, point in face.landmarks.items()
            for axis, value in zip("xy", point, strict=True)
        }
        yield {
            "model": face.model,
            "score": round(face.score, 4),
            **{name: round(value, 2) for name, value in (sides | points).items()},
        }


def _list_cells(result: DetectionResult) -> list[Sequence[str]]:
    """Return a row of the table for each face, or one that says that there is none."""
    if not result.faces:
        return [("none", *[""] * 6)]
    return [_format_face(number, face) for number, face in enumerate(result.faces, 1)]


def _format_face(number: int, face: Face) -> Sequence[str]:
    x1, y1, x2, y2 = face.box
    sides = (str(round(side)) for side in (x1, y1, x2 - x1, y2 - y1))
    return (str(number), f"{face.score:.2f}", *sides, face.model)


FACES_LAYOUT = Layout(
    what="the faces",
    encode=encode_result,
    csv_columns=(
        *("model", "score", "x", "y", "width", "height"),
        *(f"{name}_{axis}" for name in LANDMARK_COLUMNS for axis in "xy"),
    ),
    list_rows=_list_rows,
    table_columns=("face", "score", "x", "y", "width", "height", "model"),
    text_columns=frozenset({"model"}),
    list_cells=_list_cells,
)
