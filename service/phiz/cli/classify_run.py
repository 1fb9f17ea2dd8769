"""The classification that ``phiz classify`` runs, and how it shows classes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from phiz.cli.files import find_images
from phiz.cli.formats import Layout, open_report
from phiz.cli.run import run_images
from phiz.faces import Classification
from phiz.loading import get_default_precision, load_classifier
from phiz.models.specs import Precision
from phiz.settings import load_settings
from phiz.timings import Stopwatch
from phiz.wire.encode import encode_classification


def classify_images(
    *,
    paths: Sequence[Path],
    model: str,
    precision: Precision | None,
    top: int,
    format_name: str | None,
) -> None:
    """Classify images, and print the classes, as the options of ``phiz classify`` say.

    Raises:
        PhizError: A setting is wrong, or the model is missing.
        ClickException: There is no image, or one failed.
    """
    image_paths = find_images(paths)
    report = open_report(CLASSES_LAYOUT, format_name)
    settings = load_settings()
    chosen = precision or get_default_precision(settings, model)
    engine = load_classifier(settings, model, chosen)

    def find_classes(_: Path, image_bytes: bytes, stopwatch: Stopwatch) -> Classification:
        return engine.classify(image_bytes, top, stopwatch)

    run_images(image_paths, engine.limits.max_bytes, find_classes, report)


def _list_rows(result: Classification) -> Iterator[dict[str, str | float]]:
    for each in result.classes:
        yield {
            "model": result.model,
            "precision": result.precision,
            "index": each.index,
            "label": each.label,
            "score": round(each.score, 4),
        }


def _list_cells(result: Classification) -> Iterator[Sequence[str]]:
    for each in result.classes:
        yield str(each.index), each.label, f"{each.score:.2f}"


CLASSES_LAYOUT = Layout(
    what="the classes",
    encode=encode_classification,
    csv_columns=("model", "precision", "index", "label", "score"),
    list_rows=_list_rows,
    table_columns=("class", "label", "score"),
    text_columns=frozenset({"label"}),
    list_cells=_list_cells,
)
