"""The storage of images and results: folders and buckets by their addresses.

An address is a path, or a URI of a file system of pyarrow: ``s3://BUCKET/PREFIX``, ``gs://…``,
``file:///…``. Its query (``?region=…&endpoint_override=…``) is pyarrow's.
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
        file_system: Of pyarrow.
        scheme: The prefix of an address, such as ``s3://``; empty for paths of this machine.
    """

    file_system: FileSystem
    scheme: str = ""

    def to_address(self, path: str) -> str:
        """Return the address of a file."""
        return f"{self.scheme}{path}"

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return the content of a file.

        Raises:
            ImageBytesError: It is larger than the limit. Bytes beyond the limit are not read.
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
    """A file or a folder: its storage, and its path there."""

    storage: Storage
    path: str


def write_output(folder: StoragePath, name: str, content: bytes) -> None:
    """Write a file into a folder or its subfolders, which are created, completely or not at all.

    Raises:
        OSError: It cannot be written.
    """
    file_system = folder.storage.file_system
    path = PurePosixPath(folder.path) / name
    file_system.create_dir(str(path.parent), recursive=True)
    unfinished = str(path.with_name(f"{path.name}.part"))
    with file_system.open_output_stream(unfinished) as stream:
        stream.write(content)
    file_system.move(unfinished, str(path))


def has_scheme(address: str) -> bool:
    """Return whether an address is a URI rather than a path."""
    return SCHEME_SEPARATOR in address


def parse_address(address: str) -> StoragePath:
    """Return the storage and path of an address, whether or not the path exists.

    Raises:
        OptionError: The address has no file system, or cannot be reached.
    """
    if not has_scheme(address):
        return StoragePath(Storage(LocalFileSystem()), str(Path(address).absolute()))
    try:
        file_system, path = FileSystem.from_uri(address)
    except (ValueError, OSError, NotImplementedError) as error:
        plain = redact_address(address)
        # The message repeats the address, which may have secrets.
        reason = f": {error}" if plain == address else ""
        raise OptionError(
            f"{plain} is not an address that can be read or written{reason}"
        ) from error
    return StoragePath(
        Storage(file_system, address.partition(SCHEME_SEPARATOR)[0] + SCHEME_SEPARATOR), path
    )


def list_images(address: str, suffixes: Collection[str]) -> tuple[Storage, list[str]]:
    """Return the storage and the sorted paths of an image file or of all images in a folder.

    Args:
        address: Of a file or a folder.
        suffixes: Suffixes of images in a folder, in lower case.

    Raises:
        OptionError: There are no images, or the address cannot be reached.
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
    """Return an address without its query and credentials; a path as it is."""
    scheme, end, rest = address.partition(SCHEME_SEPARATOR)
    if not end:
        return address
    return f"{scheme}{end}{rest.partition('?')[0].rpartition('@')[2]}"
