"""Where pictures and answers lie: folders of this machine, and buckets, by their addresses.

An address is a path, or what pyarrow has a file system for: ``s3://BUCKET/PREFIX``, ``gs://…``,
``file:///…``. The query of an address (``?region=…&endpoint_override=…``) is pyarrow's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from phiz.errors import ImageBytesError, OptionError

SCHEME_SEPARATOR: Final = "://"


@dataclass(frozen=True, slots=True)
class Storage:
    """A file system.

    Attributes:
        file_system: What reads and writes.
        scheme: What makes an address of a path: ``s3://``; nothing for this machine's own.
    """

    file_system: FileSystem
    scheme: str = ""

    def to_address(self, path: str) -> str:
        """Return how a file is called elsewhere."""
        return f"{self.scheme}{path}"

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return the content of a file.

        Raises:
            ImageBytesError: It has more than the limit; no more than that is read.
            OSError: It cannot be read.
        """
        with self.file_system.open_input_stream(path) as stream:
            content: bytes = stream.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise ImageBytesError(
                f"the file exceeds the limit of {max_bytes} bytes; "
                "use a smaller file or raise PHIZ_MAX_BYTES"
            )
        return content


@dataclass(frozen=True, slots=True)
class StoragePath:
    """A file or a folder: the files that it is among, and its path there."""

    storage: Storage
    path: str


def has_scheme(address: str) -> bool:
    """Return whether this is the address of a file system rather than a plain path."""
    return SCHEME_SEPARATOR in address


def parse_address(address: str) -> StoragePath:
    """Return what an address names, whether or not it is there.

    Raises:
        OptionError: There is no file system for such an address, or it cannot be reached.
    """
    if not has_scheme(address):
        return StoragePath(Storage(LocalFileSystem()), str(Path(address).absolute()))
    try:
        file_system, path = FileSystem.from_uri(address)
    except (ValueError, OSError, NotImplementedError) as error:
        plain = redact_address(address)
        # What it says repeats the address, whole or in part.
        reason = f": {error}" if plain == address else ""
        raise OptionError(
            f"{plain} is not an address that can be read or written{reason}"
        ) from error
    return StoragePath(
        Storage(file_system, address.partition(SCHEME_SEPARATOR)[0] + SCHEME_SEPARATOR), path
    )


def list_images(address: str, suffixes: Collection[str]) -> tuple[Storage, list[str]]:
    """Return the paths of the pictures at an address, sorted: the one it names, or all below it.

    Args:
        address: Of a file or a folder.
        suffixes: What the names of pictures end in, in small letters; they are looked for in
            folders alone.

    Raises:
        OptionError: There is nothing, or it cannot be reached.
    """
    location = parse_address(address)
    file_system = location.storage.file_system
    try:
        if file_system.get_file_info(location.path).type == FileType.File:
            return location.storage, [location.path]
        found = file_system.get_file_info(FileSelector(location.path, recursive=True))
    except OSError as error:
        raise OptionError(f"cannot list {redact_address(address)}: {error}") from error
    paths = sorted(
        info.path
        for info in found
        if info.is_file and PurePosixPath(info.path).suffix.lower() in suffixes
    )
    if not paths:
        raise OptionError(
            f"no images at {redact_address(address)};"
            f" looked for files that end in {' '.join(suffixes)}"
        )
    return location.storage, paths


def redact_address(address: str) -> str:
    """Return an address without its query and who asks; a plain path as it is."""
    scheme, end, rest = address.partition(SCHEME_SEPARATOR)
    if not end:
        return address
    return f"{scheme}{end}{rest.partition('?')[0].rpartition('@')[2]}"
