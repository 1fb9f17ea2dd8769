"""The files that commands read and write."""

import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from phiz.errors import ImageBytesError, OptionError

STDIN_PATH = Path("-")
IMAGE_SUFFIXES = (
    ".avif",
    ".bmp",
    ".gif",
    ".heic",
    ".heif",
    ".hif",
    ".jfif",
    ".jpe",
    ".jpeg",
    ".jpg",
    ".png",
    ".tif",
    ".tiff",
    ".webp",
)
JPEG_SUFFIXES = (".jfif", ".jpe", ".jpeg", ".jpg")


def find_images(
    paths: Sequence[Path], output_folder: Path | None = None, option: str = "--draw"
) -> list[Path]:
    """Return the paths, with folders replaced by the images in them, sorted by their paths.

    Files that are named are returned whatever their suffix, and whether or not they exist.

    Args:
        paths: Files and folders.
        output_folder: Folder of copies; images in it are left out.
        option: The option that names that folder.

    Raises:
        ClickException: There is no image.
        UsageError: Copies would be written into a folder that is read.
    """
    image_paths = [
        image_path for path in paths for image_path in _list_images(path, output_folder, option)
    ]
    if not image_paths:
        names = ", ".join(click.format_filename(path) for path in paths)
        raise click.ClickException(
            f"no images in {names}; looked for files that end in {' '.join(IMAGE_SUFFIXES)}"
        )
    return image_paths


def _list_images(path: Path, output_folder: Path | None, option: str) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = (file for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    kept = _exclude_output(output_folder, path, found, option)
    return sorted(file for file in kept if file.is_file())


def _exclude_output(
    output_folder: Path | None, path: Path, files: Iterable[Path], option: str
) -> Iterable[Path]:
    """Return the files at a path without copies, which would be copied once more."""
    if output_folder is None or not output_folder.resolve().is_relative_to(path.resolve()):
        return files
    folder = output_folder.resolve()
    if folder == path.resolve():
        name = click.format_filename(path)
        raise click.UsageError(
            f"{option} cannot write into {name}, because the copies would be read as images next"
            " time; choose another folder or a subfolder"
        )
    return (file for file in files if not file.parent.resolve().is_relative_to(folder))


def read_image_bytes(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file, or of standard input.

    Raises:
        ImageBytesError: The content exceeds the limit; no more than that is read.
        OSError: The file cannot be read.
    """
    if path == STDIN_PATH:
        image_bytes = sys.stdin.buffer.read(max_bytes + 1)
    else:
        with path.open("rb") as stream:
            image_bytes = stream.read(max_bytes + 1)
    if len(image_bytes) > max_bytes:
        raise ImageBytesError(
            f"the file exceeds the limit of {max_bytes} bytes; "
            "use a smaller file or raise PHIZ_MAX_BYTES"
        )
    return image_bytes


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, unless they exist.

    Raises:
        ClickException: The folder cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        name = click.format_filename(folder)
        raise click.ClickException(f"cannot create the folder {name}: {error.strerror}") from error


class OutputPaths:
    """Paths of the drawn copies: none is used twice, and none is a source.

    Names follow the order of the images, so that the same command draws into the same files
    again. The folder is created if it does not exist.
    """

    def __init__(self, folder: Path, sources: Sequence[Path]) -> None:
        make_folder(folder)
        self._folder = folder
        self._taken = {_to_key(path) for path in sources}

    def pick_path(self, source: Path) -> Path:
        """Return the path for the next image: its own name, with a number if it is taken."""
        suffix = source.suffix if source.suffix.lower() in JPEG_SUFFIXES else ".png"
        stem = "stdin" if source == STDIN_PATH else source.stem
        candidates = (self._folder / name for name in _iter_names(stem, suffix))
        path = next(path for path in candidates if _to_key(path) not in self._taken)
        self._taken.add(_to_key(path))
        return path


def write_file(path: Path, content: bytes) -> None:
    """Write a file completely or not at all.

    A file that is there keeps its permissions, and a link to one remains.

    Raises:
        OSError: The file cannot be written, and is named; its old content remains.
    """
    target = path.resolve() if path.is_symlink() else path
    # A name that no file of the user has, which "x" checks. It needs no room beside a long one.
    part = target.with_name(f".phiz-{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # it is gone, or was never there
            part.unlink()


def check_writable(path: Path, needed: Path, option: str) -> None:
    """Check before minutes of measurements that a file can be written after them.

    Args:
        path: The file.
        needed: The path that must exist and be writable: the file or its folder.
        option: The option that names it.

    Raises:
        OptionError: The file cannot be written.
    """
    if not needed.exists():
        raise OptionError(
            f"cannot write {path}: {needed} does not exist; create it or change {option}"
        )
    if not os.access(needed, os.W_OK):
        raise OptionError(f"cannot write {path}: {needed} is read-only; change {option}")


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON document.

    Raises:
        ClickException: The file cannot be written.
    """
    try:
        path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror}") from error


def _to_key(path: Path) -> str:
    # Without case, because some file systems do not tell A from a.
    return str(path.resolve()).casefold()


def _iter_names(stem: str, suffix: str) -> Iterator[str]:
    yield f"{stem}{suffix}"
    number = 2
    while True:
        yield f"{stem}-{number}{suffix}"
        number += 1
