"""Whether ``phiz detect --ray`` and ``phiz detect`` find the same, number for number.

::

    python -m benchmarks.accuracy.cluster pictures/
    python -m benchmarks.accuracy.cluster --model full pictures/

Runs both on one folder, the first into a temporary one, and compares every image: its model, its
size and all values of each face. Prints the numbers of images and faces.

The exit status is 1 if an image or a face differs, or if only one of the two has read an image.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import click
import pyarrow.dataset as ds

from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.options import FOLDER

DETECT: Final = (sys.executable, "-m", "phiz", "detect")
MAX_SHOWN: Final = 10  # of the images that differ
DONE_STATUSES: Final = (0, 1)  # all images were read, or one could not be

Answers: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The answer to each image that could be read, by its absolute path."""


def parse_json_lines(lines: str) -> Answers:
    """Return the answers in the JSON lines of ``phiz detect``."""
    return {
        str(Path(one["file"]).resolve()): {
            "model": one["model"],
            **one["image"],
            "faces": one["faces"],
        }
        for one in map(json.loads, lines.splitlines())
    }


def parse_rows(rows: Sequence[Mapping[str, Any]]) -> Answers:
    """Return the answers in rows of Parquet files, without null fields."""
    return {
        str(Path(row["path"]).resolve()): {
            name: drop_nulls(row[name]) for name in ("model", "width", "height", "faces")
        }
        for row in rows
        if row["error"] is None
    }


def drop_nulls(value: Any) -> Any:  # noqa: ANN401  whatever a column holds
    """Return a value without the fields that are null, at any depth."""
    if isinstance(value, dict):
        return {name: drop_nulls(part) for name, part in value.items() if part is not None}
    return [drop_nulls(part) for part in value] if isinstance(value, list) else value


def find_differing(one: Answers, other: Answers) -> list[str]:
    """Return the images whose answers differ, or have only one."""
    return sorted(path for path in {*one, *other} if one.get(path) != other.get(path))


def run_detect(*arguments: str) -> str:
    """Return the output of ``phiz detect``.

    Raises:
        BenchmarkError: It failed.
    """
    done = subprocess.run([*DETECT, *arguments], check=False, capture_output=True, text=True)  # noqa: S603  our own
    if done.returncode not in DONE_STATUSES:
        raise BenchmarkError(f"phiz detect ended with {done.returncode}: {done.stderr}")
    return done.stdout


@click.command()
@click.option("--model", default="auto", show_default=True)
@click.argument("folder", type=FOLDER)
def main(folder: Path, model: str) -> None:
    """Compare the faces of both commands in the images of a folder."""
    one = parse_json_lines(run_detect("--model", model, "--format", "json", str(folder)))
    with tempfile.TemporaryDirectory() as parts:
        run_detect("--model", model, "--ray", parts, str(folder))
        rows = ds.dataset(parts, format="parquet").to_table().to_pylist()
    other = parse_rows(rows)
    faces = sum(len(answer["faces"]) for answer in one.values())
    print(f"{model}: {len(one)} pictures with {faces} faces, {len(other)} with Ray")
    different = find_differing(one, other)
    for path in different[:MAX_SHOWN]:
        print(f"{path}\n  {one.get(path)}\n  {other.get(path)}")
    print(f"{len(different)} pictures differ")
    sys.exit(bool(different or not one))


if __name__ == "__main__":
    main()
