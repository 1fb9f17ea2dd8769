"""``phiz classify``: the classes of images, as a table, JSON or CSV."""

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import click

from phiz.cli.files import find_images, read_image_bytes
from phiz.cli.run import guard_stdout, run_each
from phiz.models.specs import CLASS_COUNT

if TYPE_CHECKING:
    from phiz.classifiers import Classification, ClassificationEngine
    from phiz.models.specs import Precision
    from phiz.timings import Timings

# Written out, because what knows them takes a while to import; a test compares them.
CLASSIFIER_NAMES = ("mobilenet", "efficientnet")
PRECISION_CHOICES = ("float32", "int8")

_CLASSIFY_EPILOG = """
\b
Examples:
  phiz classify cat.jpg
  phiz classify --model mobilenet --top 1 --format csv holiday/ > seen.csv

\b
Exit status: 0 if every image was read; 1 if one failed; 2 if the command is invalid.
"""


class _ClassReport(Protocol):
    """Takes answers one by one.

    Attributes:
        is_buffered: It prints nothing before it is closed.
    """

    is_buffered: ClassVar[bool]

    def add(self, file: str, classification: "Classification", timings: "Timings") -> None:
        """Take the answer to one file."""

    def close(self) -> None:
        """Print what is left."""


class _JsonClassReport:
    """One line for each picture: the answer of the HTTP interface, and the file."""

    is_buffered: ClassVar[bool] = False

    def add(self, file: str, classification: "Classification", timings: "Timings") -> None:
        from phiz.wire.encode import encode_classification  # noqa: PLC0415  slow to load

        answer = {"file": file, **encode_classification(classification)}
        click.echo(json.dumps({**answer, "timing_ms": timings.to_milliseconds()}))

    def close(self) -> None:
        """Do nothing: all is printed."""


class _CsvClassReport:
    """A header, then one row for each class."""

    is_buffered: ClassVar[bool] = False

    def __init__(self) -> None:
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._writer.writerow(("file", "model", "precision", "index", "label", "score"))

    def add(self, file: str, classification: "Classification", timings: "Timings") -> None:  # noqa: ARG002  the rows have no times
        self._writer.writerows(
            (
                file,
                classification.model,
                classification.precision,
                each.index,
                each.label,
                round(each.score, 4),
            )
            for each in classification.classes
        )
        sys.stdout.flush()

    def close(self) -> None:
        """Do nothing: all is printed."""


class _TableClassReport:
    """A table for people: one row for each class."""

    is_buffered: ClassVar[bool] = True

    def __init__(self) -> None:
        from rich.box import SIMPLE_HEAD  # noqa: PLC0415  slow to load, and seldom needed
        from rich.table import Table  # noqa: PLC0415

        self._table = Table("file", "class", "label", "score", "ms", box=SIMPLE_HEAD)
        self._table.columns[0].overflow = "fold"
        for column in (1, 3, 4):
            self._table.columns[column].justify = "right"

    def add(self, file: str, classification: "Classification", timings: "Timings") -> None:
        from rich.text import Text  # noqa: PLC0415  see above

        # As text, because a file's name may look like markup.
        first = Text(file), f"{1000 * timings.total_s:.1f}"
        for number, each in enumerate(classification.classes):
            name, milliseconds = first if number == 0 else ("", "")
            score = f"{each.score:.2f}"
            self._table.add_row(name, str(each.index), each.label, score, milliseconds)

    def close(self) -> None:
        """Print the table."""
        from rich.console import Console  # noqa: PLC0415  see above

        Console().print(self._table)


_CLASS_REPORTS: dict[str, Callable[[], _ClassReport]] = {
    "table": _TableClassReport,
    "json": _JsonClassReport,
    "csv": _CsvClassReport,
}


@click.command(epilog=_CLASSIFY_EPILOG)
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--model",
    type=click.Choice(CLASSIFIER_NAMES),
    default="efficientnet",
    show_default=True,
    help="Classifier; 'mobilenet' is faster and less accurate.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISION_CHOICES),
    help="Precision of the network.  [default: the choice of phiz study, or else int8 on a"
    " processor with instructions for it]",
)
@click.option(
    "--top",
    type=click.IntRange(1, CLASS_COUNT),
    default=5,
    show_default=True,
    help="Number of classes per image, best first.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(tuple(_CLASS_REPORTS)),
    help="Output format: json has one line per image, csv one row per class."
    "  [default: table on a terminal, else json]",
)
def classify(
    *,
    paths: tuple[Path, ...],
    model: str,
    precision: "Precision | None",
    top: int,
    format_name: str | None,
) -> None:
    """Classify images into the 1000 classes of ImageNet.

    PATH is an image, a folder (searched with its subfolders), or - for standard input. An
    unreadable image is reported on standard error, and the others are processed.

    \b
    Build the models once with:
      phiz models build --group classify
    """  # noqa: D301  click keeps the lines after a true backspace character
    # Not at the top: numpy and the runtime take a while to import, and --help should not wait.
    from phiz import settings  # noqa: PLC0415
    from phiz.loading import get_default_precision, load_classifier  # noqa: PLC0415

    image_paths = find_images(paths)
    with guard_stdout("the classes"):
        report = _CLASS_REPORTS[format_name or ("table" if sys.stdout.isatty() else "json")]()
    chosen = settings.load_settings()
    chosen_precision = precision or get_default_precision(chosen, model)
    task = _ClassifyJob(load_classifier(chosen, model, chosen_precision), top, report)
    run_each(image_paths, task.run, report, "the classes")


@dataclass(frozen=True, slots=True)
class _ClassifyJob:
    """What is done with every picture."""

    engine: "ClassificationEngine"
    top: int
    report: _ClassReport

    def run(self, path: Path) -> None:
        """Classify and report one picture.

        Raises:
            ImageError: The picture cannot be read, or its size is over a limit.
            OSError: The file cannot be read.
        """
        from phiz.timings import Stopwatch  # noqa: PLC0415  see classify

        image_bytes = read_image_bytes(path, self.engine.limits.max_bytes)
        stopwatch = Stopwatch()
        found = self.engine.classify(image_bytes, self.top, stopwatch)
        with guard_stdout("the classes"):
            self.report.add(click.format_filename(path), found, stopwatch.to_timings())
