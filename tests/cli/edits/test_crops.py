"""``phiz crops``: a folder for each image, with its faces and their document."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from phiz.cli.main import main
from phiz.wire.picture_schemas import CroppedFace
from tests.conftest import PICTURES

GROUP = PICTURES / "group_640x480.png"
QUICK = ("--model", "front", "--format", "json")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["crops", *map(str, arguments)])


def list_files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    shutil.copy(GROUP, tree / "deep" / "group.png")
    Image.new("RGB", (64, 48), "teal").save(tree / "blank.png")
    return tree


def test_each_image_has_a_folder_and_is_done_once(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "faces"
    arguments = (*QUICK, "--size", "48", "--align", "eyes", "--output", output, folder)
    done = run(*arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    assert list_files(output) == [
        "blank.png/faces.json",
        *(f"deep/group.png/{name}" for name in ("face-1.jpg", "face-2.jpg", "faces.json")),
    ]
    blank, group = (json.loads(line) for line in done.stdout.splitlines())
    assert (blank["faces"], group["faces"]) == (0, 2)
    assert group["outputs"][-1] == str(output / "deep/group.png/faces.json")

    document = json.loads((output / "deep/group.png/faces.json").read_text())
    for face in document["faces"]:
        crop = CroppedFace.model_validate(face).crop
        assert (crop.size, crop.align, crop.image) == (48, "eyes", None)
        with Image.open(output / "deep/group.png" / str(crop.file)) as image:
            assert image.size == (48, 48)

    again = run(*arguments)
    assert (again.exit_code, again.stdout) == (0, "")
    assert "skipping 2 of 2 images" in again.stderr


def test_an_image_without_its_document_is_done_again(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "faces"
    arguments = (*QUICK, "--encoding", "png", "--output", output, folder / "deep")
    assert run(*arguments).exit_code == 0
    (output / "group.png" / "faces.json").unlink()
    assert run(*arguments).exit_code == 0
    assert list_files(output) == [
        f"group.png/{name}" for name in ("face-1.png", "face-2.png", "faces.json")
    ]


def test_force_leaves_no_crops_of_an_earlier_run(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "faces"
    arguments = (*QUICK, "--output", output, folder / "deep")
    assert run(*arguments).exit_code == 0
    group = output / "group.png"
    own = ["face-2.webp", "face-x.jpg", "my-face-2.jpg", "notes.txt"]
    for name in [*own, "face-07.jpg", "face-12.png"]:
        (group / name).write_bytes(b"mine")
    (group / "face-9.jpg").mkdir()
    assert run("--max-faces", "1", "--force", *arguments).exit_code == 0
    assert list_files(group) == sorted(["face-1.jpg", "faces.json", *own])
    assert run("--encoding", "png", "--force", *arguments).exit_code == 0
    assert list_files(group) == sorted(["face-1.png", "face-2.png", "faces.json", *own])
    assert run("--min-score", "1", "--force", *arguments).exit_code == 0
    assert list_files(group) == sorted(["faces.json", *own])


def test_crops_need_a_folder() -> None:
    done = run(GROUP)
    assert done.exit_code == 2
    assert "name one with --output" in done.stderr
