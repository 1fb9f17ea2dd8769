"""Whether ``phiz detect --ray`` finds what ``phiz detect`` finds, number for number.

::

    python -m benchmarks.accuracy.cluster pictures/
    python -m benchmarks.accuracy.cluster --model full pictures/

Runs both on one folder, the first into a temporary one, and compares every picture: its model, its
size and each face with all that is told of it. Prints how many pictures and faces were compared.

The exit status is 1 if a picture or a face differs, or if only one of the two has read a picture.
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

DETECT: Final = (sys.executable, "-m", "phiz", "detect")
MAX_SHOWN: Final = 10  # of the pictures that differ
DONE_STATUSES: Final = (0, 1)  # exit statuses: all pictures were read, or one could not be

Answers: TypeAlias = Mapping[str, Mapping[str, Any]]
"""What was answered of each picture that could be read, by its absolute path."""


def parse_json_lines(lines: str) -> Answers:
    """Return the answers that ``phiz detect`` has written as JSON lines."""
    answers = (json.loads(line) for line in lines.splitlines())
    return {
        str(Path(one["file"]).resolve()): {
            "model": one["model"],
            **one["image"],
            "faces": one["faces"],
        }
        for one in answers
    }


def parse_rows(rows: Sequence[Mapping[str, Any]]) -> Answers:
    """Return the answers in rows of Parquet files, without what has no value."""
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
    """Return the pictures of which the answers differ, or of which there is only one."""
    return sorted(path for path in {*one, *other} if one.get(path) != other.get(path))


def run_detect(*arguments: str) -> str:
    """Return what ``phiz detect`` prints.

    Raises:
        ClickException: It could not work at all.
    """
    done = subprocess.run(  # noqa: S603  our own command
        [*DETECT, *arguments], check=False, capture_output=True, text=True
    )
    if done.returncode not in DONE_STATUSES:
        raise click.ClickException(f"phiz detect ended with {done.returncode}: {done.stderr}")
    return done.stdout


@click.command()
@click.option("--model", default="auto", show_default=True, help="What detects.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path, model: str) -> None:
    """Compare the faces that both ways find in the pictures of a folder."""
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
    if different or not one:
        sys.exit(1)


if __name__ == "__main__":
    main()
