"""The edits that ``phiz blur`` and ``phiz crops`` run, and the list of their outputs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phiz.cli.detect_run import run_in_cluster
from phiz.cli.edits.outputs import find_tasks, remove_stale_crops, skip_finished, write_output
from phiz.cli.formats import Layout, open_report
from phiz.cli.run import run_images
from phiz.editing.options import BlurOptions, CropOptions
from phiz.errors import OptionError, UnsupportedImageError
from phiz.faces import DetectOptions
from phiz.image.formats import sniff_format
from phiz.loading import load_engine
from phiz.settings import load_settings
from phiz.timings import Stopwatch
from phiz.wire.edits import BlurEdit, CropEdit, ImageEdit

_IN_PLACE_FORMATS = frozenset({"JPEG", "PNG", "WebP"})


@dataclass(frozen=True, slots=True)
class EditResult:
    """The outputs of one image, and the number of its faces."""

    outputs: tuple[str, ...]
    faces: int


@dataclass(frozen=True, slots=True)
class EditPlan:
    """How the images of a command are edited.

    Attributes:
        edit: What is made of each image.
        model: Detector.
        options: Options of the detector.
        is_in_place: Whether the images are replaced.
    """

    edit: ImageEdit
    model: str
    options: DetectOptions
    is_in_place: bool = False


def blur_images(  # noqa: PLR0913  the options of the command
    *,
    paths: Sequence[str],
    folder: Path | None,
    in_place: bool,
    force: bool,
    format_name: str | None,
    ray_folder: str | None,
    model: str,
    kind: Any,  # noqa: ANN401  BlurOptions checks it
    grow: float,
    **options: Any,  # noqa: ANN401  DetectOptions checks them
) -> None:
    """Cover the faces of images, as the options of ``phiz blur`` say.

    Raises:
        PhizError: An option or a setting is wrong, or a model is missing.
        ClickException: There is no image, or one failed.
    """
    if in_place and folder:
        raise OptionError("--in-place cannot be combined with --output")
    edit = BlurEdit(BlurOptions(kind, grow))
    plan = EditPlan(edit, model, DetectOptions(**options), in_place)
    _run_edit(plan, paths, folder, format_name, ray_folder, force=force)


def crop_images(  # noqa: PLR0913  the options of the command
    *,
    paths: Sequence[str],
    folder: Path | None,
    force: bool,
    format_name: str | None,
    ray_folder: str | None,
    model: str,
    size: int,
    margin: float | None,
    align: Any,  # noqa: ANN401  CropOptions checks it
    encoding: Any,  # noqa: ANN401  as above
    **options: Any,  # noqa: ANN401  DetectOptions checks them
) -> None:
    """Cut out the faces of images, as the options of ``phiz crops`` say.

    Raises:
        PhizError: An option or a setting is wrong, or a model is missing.
        ClickException: There is no image, or one failed.
    """
    if folder is None and ray_folder is None:
        raise OptionError("the crops need a folder; name one with --output")
    edit = CropEdit(CropOptions(size, margin, align, encoding))
    plan = EditPlan(edit, model, DetectOptions(**options))
    _run_edit(plan, paths, folder, format_name, ray_folder, force=force)


def _run_edit(  # noqa: PLR0913  as above
    plan: EditPlan,
    paths: Sequence[str],
    folder: Path | None,
    format_name: str | None,
    ray_folder: str | None,
    *,
    force: bool,
) -> None:
    if ray_folder is not None:
        if format_name or folder or force or plan.is_in_place:
            raise OptionError(
                "--ray writes into its own folder and cannot be combined with --output, --in-place,"
                " --force or --format"
            )
        run_in_cluster(paths, ray_folder, plan.model, plan.options, plan.edit)
        return
    found = find_tasks(
        [Path(path) for path in paths],
        folder,
        plan.edit.get_last_name,
        is_in_place=plan.is_in_place,
    )
    if not (force or plan.is_in_place):
        found = skip_finished(found, plan.edit.get_last_name)
    tasks = {task.path: task for task in found}
    report = open_report(EDITS_LAYOUT, format_name)
    engine, _ = load_engine(load_settings(), {plan.model})
    if plan.options.budget_ms is not None:
        engine.measure_step_costs()

    def edit_image(path: Path, image_bytes: bytes, stopwatch: Stopwatch) -> EditResult:
        task = tasks[path]
        if plan.is_in_place:
            _check_replaceable(image_bytes)
        stopwatch.add_render_stage()
        result = engine.detect(image_bytes, plan.model, plan.options, stopwatch)
        names = []
        for name, content in plan.edit.edit(task.name, image_bytes, result, engine.limits):
            write_output(task.folder, name, content)
            names.append(task.folder / name)
        if force and isinstance(plan.edit, CropEdit):
            remove_stale_crops(names[-1].parent, (path.name for path in names))
        stopwatch.lap("render")
        return EditResult(tuple(map(str, names)), len(result.faces))

    run_images(list(tasks), engine.limits.max_bytes, edit_image, report)


def _check_replaceable(image_bytes: bytes) -> None:
    """Refuse an image whose format would change.

    Raises:
        UnsupportedImageError: It would.
    """
    image_format = sniff_format(image_bytes)
    if image_format is not None and image_format not in _IN_PLACE_FORMATS:
        raise UnsupportedImageError(
            f"a covered {image_format} becomes a PNG, which cannot replace it; use --output"
        )


def _encode_edit(result: EditResult) -> Mapping[str, Any]:
    return {"faces": result.faces, "outputs": list(result.outputs)}


def _list_rows(result: EditResult) -> Iterator[dict[str, str | float]]:
    for output in result.outputs:
        yield {"faces": result.faces, "output": output}


def _list_cells(result: EditResult) -> Iterator[Sequence[str]]:
    yield str(result.faces), result.outputs[-1]


EDITS_LAYOUT = Layout(
    what="the outputs",
    encode=_encode_edit,
    csv_columns=("faces", "output"),
    list_rows=_list_rows,
    table_columns=("faces", "output"),
    text_columns=frozenset({"output"}),
    list_cells=_list_cells,
)
