"""The option ``--ray``: many images, processed by all machines of a cluster."""

import logging
import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click
import ray
from ray.exceptions import RayError

from phiz.cli.files import IMAGE_SUFFIXES, STDIN_PATH, find_images
from phiz.engine import Engine
from phiz.errors import OptionError, SettingError
from phiz.faces import DetectOptions
from phiz.loading import load_engine
from phiz.ray.job import BulkJob, JobCounts, run_job
from phiz.ray.storage import (
    Storage,
    StoragePath,
    has_scheme,
    list_images,
    parse_address,
    redact_address,
)
from phiz.settings import Settings, load_settings
from phiz.wire.edits import ImageEdit


def process_in_cluster(
    paths: Sequence[str],
    folder: str,
    model: str,
    options: DetectOptions,
    edit: ImageEdit | None = None,
) -> None:
    """Write a row for each image into Parquet files, and print how many there are.

    Args:
        paths: Images and folders; or one address, such as ``s3://bucket/prefix``.
        folder: Path or address of the folder for the files.
        model: Detector.
        options: Its options.
        edit: What is made of each image and its faces, beside its row; None for nothing.

    Raises:
        SettingError: The cluster cannot be reached.
        OptionError: A path or an address cannot be used.
        ClickException: There is no image, or the job failed.
    """
    storage, image_paths = _find_images(paths)
    load = partial(_load_model_engine, load_settings(), model)
    root, output_folder = _find_root(paths, image_paths), parse_address(folder)
    if edit is not None:
        has_folder = not {parse_address(path).path for path in paths} <= {*image_paths}
        _check_output(output_folder, StoragePath(storage, root), has_folder=has_folder)
    job = BulkJob(storage, output_folder, model, options, load, edit, root)
    counts = JobCounts()
    with _connect_cluster():
        for counts in run_job(job, image_paths):
            click.echo(f"{counts.images} of {len(image_paths)} images", err=True)
    click.echo(
        f"{counts.images} images with {counts.faces} faces; {counts.failed} unreadable,"
        f" {len(image_paths) - counts.images} skipped because they have a row; the rows are in"
        f" {redact_address(folder)}"
    )


def _find_images(paths: Sequence[str]) -> tuple[Storage, list[str]]:
    """Return the storage of the images, and their paths in it."""
    if len(paths) == 1 and has_scheme(paths[0]):
        return list_images(paths[0], IMAGE_SUFFIXES)
    for path in paths:
        if has_scheme(path):
            raise OptionError(f"{redact_address(path)} is an address and must be the only PATH")
        if Path(path) == STDIN_PATH:
            raise OptionError("other machines cannot read standard input; name files or an address")
    found = find_images([Path(path) for path in paths])
    for image_path in found:
        _check_name(image_path)
    absolute = dict.fromkeys(str(image_path.absolute()) for image_path in found)
    return parse_address("").storage, list(absolute)


def _find_root(paths: Sequence[str], image_paths: Sequence[str]) -> str:
    """Return the folder that outputs are named by: the only one that is named, or a common one."""
    named = parse_address(paths[0]).path
    if len(paths) == 1 and [named] != image_paths:
        return named
    return posixpath.commonpath([posixpath.dirname(path) for path in image_paths])


def _check_output(output_folder: StoragePath, root: StoragePath, *, has_folder: bool) -> None:
    """Refuse a folder whose outputs would replace images, or be read as images next time.

    Args:
        output_folder: The folder of the outputs.
        root: The folder of the images.
        has_folder: Whether all images in a folder are read.

    Raises:
        OptionError: It is the folder of the images, or in a folder that is read.
    """
    output, images = (posixpath.join(place.path, "") for place in (output_folder, root))
    is_read = output == images or (has_folder and output.startswith(images))
    if is_read and output_folder.storage.scheme == root.storage.scheme:
        raise OptionError(
            "--ray cannot write images into the folder that they are read from; name another folder"
        )


def _check_name(image_path: Path) -> None:
    """Check before hours of work that a row can hold the name of an image.

    Raises:
        ClickException: The name is not UTF-8.
    """
    try:
        str(image_path).encode()
    except UnicodeEncodeError as error:
        name = click.format_filename(image_path)
        raise click.ClickException(f"the file name {name} is not UTF-8; rename the file") from error


def _load_model_engine(settings: Settings, model: str) -> Engine:
    engine, _ = load_engine(settings, {model})
    return engine


@contextmanager
def _connect_cluster() -> Iterator[None]:
    """Connect to the cluster of RAY_ADDRESS, or else to one of this machine alone.

    Raises:
        SettingError: The cluster cannot be reached.
        ClickException: The job fails.
    """
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        # A cluster for this command alone needs no dashboard, which is ten processes. On a busy
        # machine they would keep Ray from starting in the time that it allows.
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, ValueError) as error:
        raise SettingError(f"cannot reach the Ray cluster: {error}; check RAY_ADDRESS") from error
    try:
        yield
    except (RayError, OSError) as error:
        raise click.ClickException(f"the Ray job failed: {error}") from error
    finally:
        ray.shutdown()
