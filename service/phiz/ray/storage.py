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

SCHEME_END: Final = "://"


@dataclass(frozen=True, slots=True)
class Files:
    """A file system.

    Attributes:
        system: What reads and writes.
        scheme: What makes an address of a path: ``s3://``; nothing for this machine's own.
    """

    system: FileSystem
    scheme: str = ""

    def address(self, path: str) -> str:
        """Return how a file is called elsewhere."""
        return f"{self.scheme}{path}"

    def read(self, path: str, max_bytes: int) -> bytes:
        """Return the content of a file.

        Raises:
            ImageBytesError: It has more than the limit; no more than that is read.
            OSError: It cannot be read.
        """
        with self.system.open_input_stream(path) as stream:
            data: bytes = stream.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise ImageBytesError(
                f"the file has more than {max_bytes} bytes, the limit; "
                "send a smaller one or set PHIZ_MAX_BYTES"
            )
        return data


@dataclass(frozen=True, slots=True)
class Place:
    """A file or a folder: the files that it is among, and its path there."""

    files: Files
    path: str


def has_scheme(address: str) -> bool:
    """Return whether this is the address of a file system rather than a plain path."""
    return SCHEME_END in address


def place_of(address: str) -> Place:
    """Return what an address names, whether or not it is there.

    Raises:
        OptionError: There is no file system for such an address, or it cannot be reached.
    """
    if not has_scheme(address):
        return Place(Files(LocalFileSystem()), str(Path(address).absolute()))
    try:
        system, path = FileSystem.from_uri(address)
    except (ValueError, OSError, NotImplementedError) as error:
        plain = without_secrets(address)
        # What it says repeats the address, whole or in part.
        reason = f": {error}" if plain == address else ""
        raise OptionError(f"{plain} is no address to read or write{reason}") from error
    return Place(Files(system, address.partition(SCHEME_END)[0] + SCHEME_END), path)


def list_pictures(address: str, suffixes: Collection[str]) -> tuple[Files, list[str]]:
    """Return the paths of the pictures at an address, sorted: the one it names, or all below it.

    Args:
        address: Of a file or a folder.
        suffixes: What the names of pictures end in, in small letters; they are looked for in
            folders alone.

    Raises:
        OptionError: There is nothing, or it cannot be reached.
    """
    place = place_of(address)
    system = place.files.system
    try:
        if system.get_file_info(place.path).type == FileType.File:
            return place.files, [place.path]
        found = system.get_file_info(FileSelector(place.path, recursive=True))
    except OSError as error:
        raise OptionError(f"{without_secrets(address)} cannot be listed: {error}") from error
    paths = sorted(
        info.path
        for info in found
        if info.is_file and PurePosixPath(info.path).suffix.lower() in suffixes
    )
    if not paths:
        raise OptionError(
            f"no pictures at {without_secrets(address)};"
            f" looked for files that end in {' '.join(suffixes)}"
        )
    return place.files, paths


def without_secrets(address: str) -> str:
    """Return an address without its query and who asks; a plain path as it is."""
    scheme, end, rest = address.partition(SCHEME_END)
    if not end:
        return address
    return f"{scheme}{end}{rest.partition('?')[0].rpartition('@')[2]}"
