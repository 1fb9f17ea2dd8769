"""A build: sources, conversion, and files that are either whole or not there."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from phiz.build.conversion import convert
from phiz.build.download import Progress, Report, source_folder
from phiz.build.sources import read_source
from phiz.cards import NetworkCard
from phiz.catalog import find_flaw
from phiz.errors import ModelError

LOCK = ".build.lock"
PARTIAL = ".part"


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

    Args:
        networks: What is wanted.
        folder: Where the built files go; made if it is not there.
        report: Told of every step.
        files: A folder of downloaded sources; None means to download them.
        may_download: Whether what ``files`` does not have is downloaded.
        force: Build all of them, whatever is there.
        progress: Told how far a download is.

    Raises:
        SourceError: A source cannot be had, or is not the pinned one.
        ConversionError: A source does not give the file that the catalogue names.
        ModelError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone_in(folder):
            # Looked at again: another build may have been at work until now.
            wanted = [card for card in networks if force or find_flaw(card, folder) is not None]
            _clear(folder)
            if wanted:
                with source_folder(
                    wanted, report, files, progress, may_download=may_download
                ) as sources:
                    _build_into(wanted, folder, report, sources)
    except OSError as error:
        raise ModelError(
            f"{error.filename or folder} cannot be written: {error.strerror}"
        ) from error


def _clear(folder: Path) -> None:
    """Remove what builds that were stopped have left."""
    for left in folder.glob(f".*{PARTIAL}"):
        left.unlink()


def _build_into(
    networks: Sequence[NetworkCard], folder: Path, report: Report, sources: Path
) -> None:
    for card in networks:
        report(f"converting {card.file}")
        _write(folder / card.file, convert(card, read_source(card.made_from, sources)))


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
