"""``phiz detect --ray``: the faces of many pictures, found by all machines of a cluster."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phiz.cli.files import IMAGE_SUFFIXES, STDIN_PATH, find_images
from phiz.errors import OptionError, SettingError

if TYPE_CHECKING:
    from phiz.engine import Engine
    from phiz.faces import DetectOptions
    from phiz.ray.storage import Storage
    from phiz.settings import Settings

# Before Ray is loaded: it would report its use to its makers, and tell on standard error what
# its own files tell too.
RAY_VARIABLES = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}


def detect_in_cluster(
    paths: Sequence[str], folder: str, model: str, options: "DetectOptions"
) -> None:
    """Write a row for each picture into Parquet files, and tell how many there are.

    Args:
        paths: Of pictures and folders; or one address, such as ``s3://bucket/prefix``.
        folder: For the files, its path or address.
        model: Which detector.
        options: For it.

    Raises:
        SettingError: Ray is not installed, or its cluster cannot be reached.
        OptionError: A path or an address cannot be used.
        ClickException: There is no picture, or the work cannot be done.
    """
    for name, value in RAY_VARIABLES.items():
        os.environ.setdefault(name, value)
    try:
        from phiz.ray.job import BulkJob, JobCounts, run_job  # noqa: PLC0415  only the extra installs Ray
        from phiz.ray.storage import parse_address, redact_address  # noqa: PLC0415  see above
    except ImportError as error:
        raise SettingError(
            "Ray is not installed; install it with: pip install 'phiz[ray]'"
        ) from error
    from phiz.settings import load_settings  # noqa: PLC0415  pydantic takes a while to import

    files, image_paths = _find_images(paths)
    job = BulkJob(
        files,
        parse_address(folder),
        model,
        options,
        partial(_load_model_engine, load_settings(), model),
    )
    counts = JobCounts()
    with _connect_cluster():
        for counts in run_job(job, image_paths):
            click.echo(f"{counts.images} of {len(image_paths)} images", err=True)
    click.echo(
        f"{counts.images} images with {counts.faces} faces; {counts.failed} unreadable,"
        f" {len(image_paths) - counts.images} skipped because they have a row; the rows are in"
        f" {redact_address(folder)}"
    )


def _find_images(paths: Sequence[str]) -> "tuple[Storage, list[str]]":
    """Return the pictures that are meant, and what they are among."""
    from phiz.ray.storage import (  # noqa: PLC0415  see above
        has_scheme,
        list_images,
        parse_address,
        redact_address,
    )

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
    return parse_address("").storage, list(
        dict.fromkeys(str(image_path.absolute()) for image_path in found)
    )


def _check_name(image_path: Path) -> None:
    """Find out before hours of work that a row could not tell which picture it is about.

    Raises:
        ClickException: The name is no text.
    """
    try:
        str(image_path).encode()
    except UnicodeEncodeError as error:
        name = click.format_filename(image_path)
        raise click.ClickException(f"the file name {name} is not UTF-8; rename the file") from error


def _load_model_engine(settings: "Settings", model: str) -> "Engine":
    from phiz.loading import load_engine  # noqa: PLC0415  slow to load

    engine, _ = load_engine(settings, {model})
    return engine


@contextmanager
def _connect_cluster() -> Iterator[None]:
    """Be connected to the cluster that RAY_ADDRESS names, or else to one of this machine alone.

    Raises:
        SettingError: It cannot be reached.
        ClickException: What is done there fails.
    """
    import ray  # noqa: PLC0415  only the extra installs it
    from ray.exceptions import RayError  # noqa: PLC0415  see above

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
