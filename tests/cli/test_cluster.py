"""``phiz detect --ray``, with a cluster of this machine alone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from phiz.cli.main import main
from tests.conftest import PICTURES
from tests.ray.variables import RAY

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("one_cluster")]

PHIZ = [sys.executable, "-m", "phiz", "detect"]
NAMES = ("group_640x480.png", "row_960x540.png")


def detect(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PHIZ, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **RAY, "RAY_ADDRESS": "local"},
        timeout=300,  # a guard against hanging; on a busy machine Ray takes minutes to start
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The test pictures, and one that is none."""
    tree = tmp_path / "pictures"
    (tree / "deep").mkdir(parents=True)
    for name in NAMES:
        shutil.copy(PICTURES / name, tree / "deep" / name)
    (tree / "text.jpg").write_text("no picture")
    return tree


def rows(parts: Path) -> dict[str, dict[str, Any]]:
    return {Path(row["path"]).name: row for row in pq.read_table(parts).to_pylist()}


def without_nothing(value: Any) -> Any:
    """A row without what is null, which JSON leaves out."""
    if isinstance(value, dict):
        return {name: without_nothing(each) for name, each in value.items() if each is not None}
    return [without_nothing(each) for each in value] if isinstance(value, list) else value


def test_rows_are_those_of_the_command_line(folder: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    done = detect("--ray", parts, "--details", "quality", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "3 images with 10 faces; 1 unreadable, 0 skipped because they have a row;"
        f" the rows are in {parts}\n"
    )
    error = rows(parts)["text.jpg"]["error"]
    assert (error["code"], error["detail"][:12]) == ("unsupported_image", "the 10 bytes")

    lines = detect("--format", "json", "--details", "quality", folder).stdout.splitlines()
    answers = {Path(answer["file"]).name: answer for answer in map(json.loads, lines)}
    assert answers.keys() == set(NAMES)
    found = rows(parts)
    assert found.keys() == {*NAMES, "text.jpg"}
    for name, answer in answers.items():
        row = without_nothing(found[name])
        assert row["path"] == answer["file"]
        assert (row["model"], row["faces"]) == (answer["model"], answer["faces"])
        assert {"width": row["width"], "height": row["height"]} == answer["image"]


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["--format", "json", "a.jpg"], 2, "cannot be combined with --format or --draw"),
        (["--draw", "drawn", "a.jpg"], 2, "cannot be combined with --format or --draw"),
        (["-"], 2, "other machines cannot read standard input"),
        (["a.jpg", "s3://bucket/b"], 2, "s3://bucket/b is an address and must be the only PATH"),
        (
            ["a.jpg", "s3://key:secret@bucket/b?c=secret"],
            2,
            "s3://bucket/b is an address and must be",
        ),
        (["nowhere://bucket"], 2, "nowhere://bucket is not an address"),
        (["nowhere://key:secret@bucket"], 2, "nowhere://bucket is not an address"),
        (["file:///no/such/folder"], 2, "cannot list file:///no/such/folder"),
        (["."], 1, "no images in ."),
        ([os.fsdecode(b"\xff.jpg")], 1, "is not UTF-8; rename the file"),
    ],
)
def test_wrong_paths_are_refused_before_anything_is_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], status: int, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["detect", "--ray", "parts", *arguments])
    assert done.exit_code == status
    assert problem in done.stderr
    assert "secret" not in done.output
    assert list(tmp_path.iterdir()) == []


def test_missing_ray_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "phiz.cli.cluster", raising=False)
    done = CliRunner().invoke(main, ["detect", "--ray", "parts", "a.jpg"])
    assert done.exit_code == 1
    assert "pip install 'phiz[ray]'" in done.stderr
