"""The places of outputs: beside each image, or under the same path in another folder."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from phiz.cli.files import STDIN_PATH, find_images, write_file
from phiz.errors import OptionError
from phiz.wire.crops import CROP_NAME

BESIDE_SUFFIX: Final = "-blurred"
_BESIDE_NAME: Final = re.compile(rf".*{BESIDE_SUFFIX}(\.\w+)?\.\w+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class EditTask:
    """An image that is edited.

    Attributes:
        path: The image.
        folder: Folder of the outputs.
        name: Name of the image there, with slashes.
    """

    path: Path
    folder: Path
    name: str


def find_tasks(
    paths: Sequence[Path],
    folder: Path | None,
    get_last_name: Callable[[str], str],
    *,
    is_in_place: bool,
) -> list[EditTask]:
    """Return the images at some paths, and where their outputs are.

    Args:
        paths: Images and folders.
        folder: Folder of the outputs; None for the folder of each image.
        get_last_name: Returns the name of an image's last output, by that of the image.
        is_in_place: Whether each image is replaced.

    Raises:
        ClickException: There is no image.
        OptionError: Two images have the same output, or one is standard input.
    """
    if STDIN_PATH in paths:
        raise OptionError("standard input has no name for its output; name files")
    tasks, passed_over = [], []
    for path in paths:
        for image_path in find_images([path], folder, "--output"):
            if folder or is_in_place or image_path == path or not _is_output(image_path):
                tasks.append(_build_task(path, image_path, folder, is_in_place=is_in_place))
            else:
                passed_over.append(image_path)
    if not tasks:
        raise click.ClickException("no images but covered ones")
    _report_passed_over(passed_over, tasks, get_last_name)
    _check_names(tasks, get_last_name)
    if not is_in_place:
        _check_originals(tasks, get_last_name)
    return tasks


def _is_output(path: Path) -> bool:
    return _BESIDE_NAME.fullmatch(path.name) is not None


def _report_passed_over(
    passed_over: Sequence[Path], tasks: Sequence[EditTask], get_last_name: Callable[[str], str]
) -> None:
    """Say which files have the name of a covered image, without being one of these images."""
    outputs = {task.folder / get_last_name(task.name) for task in tasks}
    others = [path for path in passed_over if path not in outputs]
    if others:
        click.echo(
            f"phiz: skipping {len(others)} images whose names end with {BESIDE_SUFFIX}, as those of"
            f" covered images do, such as {click.format_filename(others[0])}; name a file itself to"
            " cover it",
            err=True,
        )


def _build_task(
    path: Path, image_path: Path, folder: Path | None, *, is_in_place: bool
) -> EditTask:
    if folder is not None:
        root = path if path.is_dir() else image_path.parent
        return EditTask(image_path, folder, image_path.relative_to(root).as_posix())
    name = image_path.name
    if not is_in_place:
        name = f"{image_path.stem}{BESIDE_SUFFIX}{image_path.suffix}"
    return EditTask(image_path, image_path.parent, name)


def _check_names(tasks: Sequence[EditTask], get_last_name: Callable[[str], str]) -> None:
    """Refuse two images with one output.

    Raises:
        OptionError: There are two.
    """
    taken: dict[tuple[Path, str], Path] = {}
    for task in tasks:
        # Without case, because some file systems do not tell A from a.
        name = get_last_name(task.name).casefold()
        other = taken.setdefault((task.folder, name), task.path)
        if other != task.path:
            names = f"{click.format_filename(other)} and {click.format_filename(task.path)}"
            raise OptionError(f"{names} would have the same output; name them in two commands")


def _check_originals(tasks: Sequence[EditTask], get_last_name: Callable[[str], str]) -> None:
    """Refuse an output that would replace an image.

    Raises:
        OptionError: One would.
    """
    originals = {task.path.resolve() for task in tasks}
    for task in tasks:
        if (task.folder / get_last_name(task.name)).resolve() in originals:
            name = click.format_filename(task.path)
            raise OptionError(f"the output of {name} would replace an image; use another --output")


def write_output(folder: Path, name: str, content: bytes) -> None:
    """Write an output completely or not at all.

    Raises:
        OSError: It cannot be written, and is named.
    """
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, content)


def remove_stale_crops(folder: Path, names: Iterable[str]) -> None:
    """Remove the crops of an earlier run, which had more faces or another encoding.

    Args:
        folder: Of the crops of one image.
        names: Of the files that it has now.

    Raises:
        OSError: One cannot be removed, and is named.
    """
    kept = set(names)
    for path in folder.iterdir():
        if path.name not in kept and CROP_NAME.fullmatch(path.name) and path.is_file():
            path.unlink()


def skip_finished(tasks: Sequence[EditTask], get_last_name: Callable[[str], str]) -> list[EditTask]:
    """Return the tasks without those whose last output exists, and say how many these are."""
    left = [task for task in tasks if not (task.folder / get_last_name(task.name)).exists()]
    if len(left) < len(tasks):
        click.echo(
            f"phiz: skipping {len(tasks) - len(left)} of {len(tasks)} images, whose outputs exist;"
            " --force replaces them",
            err=True,
        )
    return left
