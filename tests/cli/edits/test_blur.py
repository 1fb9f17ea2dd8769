"""``phiz blur``: outputs, their places, what is skipped and what is refused."""

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from phiz import engine
from phiz.cli.main import main
from phiz.editing.options import BlurOptions
from phiz.faces import DetectOptions
from phiz.image.limits import DecodingLimits
from phiz.ray.job import BulkJob, DetectionActor
from phiz.ray.parquet import read_finished_paths
from phiz.ray.storage import parse_address
from phiz.wire.edits import BlurEdit
from tests.conftest import PICTURES

SELFIE = PICTURES / "selfie_360x640.png"
QUICK = ("--model", "front", "--rotate", "none")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["blur", *map(str, arguments)])


def blur(*arguments: str | Path, errors: str = "") -> list[dict[str, Any]]:
    """The JSON lines of a run that succeeds."""
    done = run(*QUICK, "--format", "json", *arguments)
    assert (done.exit_code, done.stderr) == (0, errors)
    return [json.loads(line) for line in done.stdout.splitlines()]


def is_covered(path: Path) -> bool:
    """Whether the image differs from the selfie about its face."""
    with Image.open(path) as image, Image.open(SELFIE) as selfie:
        assert image.size == selfie.size
        difference = np.asarray(image.convert("RGB")).astype(int) - np.asarray(
            selfie.convert("RGB")
        )
    face, rest = np.abs(difference[200:330, 100:240]), np.abs(difference[420:])
    assert rest.mean() < 4
    return bool(face.mean() > 10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    shutil.copy(SELFIE, tree / "face.png")
    with Image.open(SELFIE) as image:
        image.convert("RGB").save(tree / "deep" / "face.jpg", quality=95)
    return tree


def list_files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def test_a_covered_image_lies_beside_its_own(folder: Path) -> None:
    before = (folder / "face.png").read_bytes()
    (answer,) = blur(folder / "face.png")
    assert answer["faces"] == 1
    assert answer["outputs"] == [str(folder / "face-blurred.png")]
    assert answer["timing_ms"]["render"] > 0
    assert is_covered(folder / "face-blurred.png")
    assert (folder / "face.png").read_bytes() == before
    assert not list(folder.rglob("*.part"))


def test_a_folder_is_covered_once(folder: Path) -> None:
    assert len(blur(folder)) == 2
    outputs = ["deep/face-blurred.jpg", "face-blurred.png"]
    assert list_files(folder) == sorted(["deep/face.jpg", "face.png", *outputs])
    stamps = [(folder / name).stat().st_mtime_ns for name in outputs]
    skipped = "phiz: skipping 2 of 2 images, whose outputs exist; --force replaces them\n"
    assert blur(folder, errors=skipped) == []
    assert [(folder / name).stat().st_mtime_ns for name in outputs] == stamps
    assert len(blur("--force", folder)) == 2
    assert [(folder / name).stat().st_mtime_ns for name in outputs] != stamps


def test_an_image_that_is_named_as_a_covered_one_is_told(folder: Path) -> None:
    own = folder / "deep" / "other-blurred.png"
    shutil.copy(SELFIE, own)
    told = (
        "phiz: skipping 1 images whose names end with -blurred, as those of covered images do, such"
        f" as {own}; name a file itself to cover it\n"
    )
    assert len(blur(folder, errors=told)) == 2
    finished = "phiz: skipping 2 of 2 images, whose outputs exist; --force replaces them\n"
    assert blur(folder, errors=told + finished) == []
    (answer,) = blur(own)
    assert answer["outputs"] == [str(folder / "deep" / "other-blurred-blurred.png")]
    assert own.read_bytes() == SELFIE.read_bytes()


def test_another_folder_keeps_the_paths(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "covered"
    blur("--output", output, folder)
    assert list_files(output) == ["deep/face.jpg", "face.png"]
    assert is_covered(output / "face.png")
    assert is_covered(output / "deep" / "face.jpg")
    assert list_files(folder) == ["deep/face.jpg", "face.png"]


def test_a_folder_of_outputs_among_the_images_is_not_read(folder: Path) -> None:
    blur("--output", folder / "covered", folder)
    blur("--output", folder / "covered", "--force", folder)
    assert list_files(folder / "covered") == ["deep/face.jpg", "face.png"]


def test_images_are_replaced_if_asked(folder: Path) -> None:
    blur("--in-place", folder)
    assert list_files(folder) == ["deep/face.jpg", "face.png"]
    assert is_covered(folder / "face.png")


def test_formats_that_are_not_kept_become_png(tmp_path: Path) -> None:
    with Image.open(SELFIE) as image:
        image.convert("RGB").save(tmp_path / "face.bmp")
    (answer,) = blur(tmp_path / "face.bmp")
    assert answer["outputs"] == [str(tmp_path / "face-blurred.bmp.png")]
    assert is_covered(tmp_path / "face-blurred.bmp.png")
    done = run(*QUICK, "--in-place", tmp_path / "face.bmp")
    assert done.exit_code == 1
    assert "a covered BMP becomes a PNG, which cannot replace it" in done.stderr
    blur(
        tmp_path,
        errors="phiz: skipping 1 of 1 images, whose outputs exist; --force replaces them\n",
    )


def test_a_bad_file_is_named_and_the_rest_go_on(folder: Path) -> None:
    (folder / "a.jpg").write_text("no picture")
    done = run(*QUICK, folder)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"phiz: {folder / 'a.jpg'}: the 10 bytes")
    assert "face-blurred.png" in list_files(folder)
    assert "a-blurred.jpg" not in list_files(folder)


def test_options_reach_the_cover(folder: Path) -> None:
    blur("--kind", "solid", "--grow", "0", "--output", folder / "out", folder / "face.png")
    with Image.open(folder / "out" / "face.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    black = (pixels == 0).all(axis=2)
    assert black[197:340, 97:240].all()  # the box of the answer of README
    assert black.mean() < 0.12


def test_a_table_and_csv_list_the_outputs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    table = run(*QUICK, "--format", "table", "--force", "face.png").stdout
    assert re.search(r"face\.png +1 +face-blurred\.png +\d", table)
    rows = run(*QUICK, "--format", "csv", "--force", "face.png").stdout.splitlines()
    assert rows == ["file,faces,output", "face.png,1,face-blurred.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--in-place", "--output", "x", "a.png"], "cannot be combined with --output"),
        (["--ray", "x", "--force", "a.png"], "--ray writes into its own folder"),
        (["--ray", "x", "--in-place", "a.png"], "--ray writes into its own folder"),
        (["-"], "standard input has no name for its output"),
        (["--details", "all", "a.png"], "No such option"),
        (["--grow", "2", "a.png"], "0<=x<=1"),
    ],
)
def test_a_wrong_command_is_exit_status_2(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_two_images_with_one_output_are_refused(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    done = run("--output", tmp_path / "out", folder, other)
    assert done.exit_code == 2
    assert "would have the same output" in done.stderr
    assert not (tmp_path / "out").exists()


def test_images_that_become_one_png_are_refused(tmp_path: Path) -> None:
    with Image.open(SELFIE) as image:
        image.save(tmp_path / "face.bmp")
    shutil.copy(SELFIE, tmp_path / "face.bmp.png")
    done = run("--output", tmp_path / "out", tmp_path)
    assert done.exit_code == 2
    assert "would have the same output" in done.stderr
    shutil.move(tmp_path / "face.bmp.png", tmp_path / "face-blurred.bmp.png")
    done = run("--force", tmp_path / "face.bmp", tmp_path / "face-blurred.bmp.png")
    assert done.exit_code == 2
    assert "would replace an image" in done.stderr
    assert (tmp_path / "face-blurred.bmp.png").read_bytes() == SELFIE.read_bytes()


def test_photos_of_phones_in_a_folder_are_covered(tmp_path: Path) -> None:
    with Image.open(SELFIE) as image:
        io_bytes = io.BytesIO()
        image.convert("RGB").save(io_bytes, "AVIF", quality=90)
    (tmp_path / "face.HEIC").write_bytes(io_bytes.getvalue())
    (line,) = blur("--output", tmp_path / "out", tmp_path)
    assert line["faces"] == 1


def test_replaced_image_keeps_its_permissions_and_the_links_to_it(tmp_path: Path) -> None:
    image, link = tmp_path / "face.png", tmp_path / "link.png"
    shutil.copy(SELFIE, image)
    image.chmod(0o600)
    link.symlink_to(image)
    blur("--in-place", link)
    assert link.is_symlink()
    assert is_covered(image)
    assert image.stat().st_mode & 0o777 == 0o600


def test_an_original_is_never_replaced_unasked(folder: Path) -> None:
    before = (folder / "face.png").read_bytes()
    done = run("--force", "--output", folder, folder / "face.png")
    assert done.exit_code == 2
    assert "would replace an image" in done.stderr
    nested = CliRunner().invoke(main, ["blur", "--ray", str(folder / "out"), str(folder)])
    assert nested.exit_code == 2
    assert "cannot write images into the folder that they are read from" in nested.stderr
    assert (folder / "face.png").read_bytes() == before
    assert list_files(folder) == ["deep/face.jpg", "face.png"]


def test_a_folder_of_covered_images_alone_is_an_error(tmp_path: Path) -> None:
    shutil.copy(SELFIE, tmp_path / "face-blurred.png")
    done = run(tmp_path)
    assert (done.exit_code, done.stderr) == (1, "Error: no images but covered ones\n")


def test_a_job_of_ray_writes_outputs_and_rows(
    folder: Path, tmp_path: Path, models_folder: Path
) -> None:
    files, place = parse_address("").storage, parse_address(str(tmp_path / "out"))
    read_finished_paths(place)

    def load() -> engine.Engine:
        limits = DecodingLimits(1 << 20, 1 << 20)
        return engine.build_engine(models_folder, "half-pixel", limits, {"front"})

    (folder / "deep" / "text.png").write_text("no picture")
    edit = BlurEdit(BlurOptions())
    job = BulkJob(files, place, "front", DetectOptions(), load, edit, str(folder))
    paths = pa.table({"path": [str(folder / name) for name in list_files(folder)]})
    (counts,) = DetectionActor(job)(paths).to_pylist()
    assert counts == {"problem": None, "images": 3, "failed": 1, "faces": 2}
    names = list_files(tmp_path / "out")
    assert names[:2] == ["deep/face.jpg", "face.png"]
    assert names[2].startswith("part-")
    assert len(names) == 3
    assert is_covered(tmp_path / "out" / "face.png")


def test_a_covered_jpeg_has_no_thumbnail(tmp_path: Path) -> None:
    thumbnail = io.BytesIO()
    with Image.open(SELFIE) as image:
        image.convert("RGB").resize((36, 64)).save(thumbnail, "JPEG")
        exif = Image.Exif()
        exif[0x010F] = "Camera"
        exif[0x8649] = thumbnail.getvalue()  # Photoshop's
        image.convert("RGB").save(tmp_path / "face.jpg", exif=exif)
    blur(tmp_path / "face.jpg")
    covered = (tmp_path / "face-blurred.jpg").read_bytes()
    assert thumbnail.getvalue() in (tmp_path / "face.jpg").read_bytes()
    assert covered.count(b"\xff\xd8\xff") == 1
    assert b"Camera" in covered
