import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from phiz.errors import OptionError
from phiz.lab.study.photographs import check_study_data
from phiz.models import catalog
from tests.conftest import PICTURES

KNOWN = catalog.load_catalog()
FACE, CLASSES = KNOWN.get_models("face"), KNOWN.get_models("classify")
PICTURE = next(path for path in sorted(PICTURES.iterdir()) if path.suffix == ".png")
BOX = {"box": [10, 10, 40, 40]}
LEVELS = {"wider_levels": ["easy", "medium", "hard"]}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with a picture for each kind of model."""
    for name, file, entry in (
        ("wider", "annotations.json", {"faces": [BOX | LEVELS]}),
        ("photos", "labels.json", {"class_index": 3}),
    ):
        (tmp_path / name / "images").mkdir(parents=True)
        (tmp_path / name / "images" / "a.png").write_bytes(PICTURE.read_bytes())
        write(tmp_path / name / file, [{"image": "a.png", **entry}])
    return tmp_path


def write(path: Path, entries: list[Mapping[str, Any]]) -> None:
    path.write_text(json.dumps(entries))


def test_usable_photographs_pass(data: Path) -> None:
    check_study_data(data, KNOWN.models)


@pytest.mark.parametrize(
    ("faces", "missing"),
    [
        ([BOX], "the level easy, medium, hard,"),
        ([], "the level easy, medium, hard,"),
        ([BOX | {"wider_levels": ["hard"]}], "the level easy, medium,"),
    ],
)
def test_labels_without_levels_are_refused(
    faces: list[Mapping[str, Any]], missing: str, data: Path
) -> None:
    write(data / "wider" / "annotations.json", [{"image": "a.png", "faces": faces}])
    with pytest.raises(OptionError, match=rf"annotations\.json has no face of {missing}"):
        check_study_data(data, FACE)
    check_study_data(data, CLASSES)


@pytest.mark.parametrize("content", [None, b"", b"no picture", PICTURE.read_bytes()[:2000]])
@pytest.mark.parametrize("folder", ["wider", "photos"])
def test_unreadable_photographs_are_named(folder: str, content: bytes | None, data: Path) -> None:
    path = data / folder / "images" / "a.png"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OptionError, match=rf"the photograph \S*{folder}\S*a\.png cannot be read"):
        check_study_data(data, KNOWN.models)


def test_folder_needs_only_the_photographs_of_the_models(data: Path) -> None:
    (data / "photos" / "labels.json").unlink()
    check_study_data(data, FACE)
    with pytest.raises(OptionError, match=r"photos/labels\.json cannot be read"):
        check_study_data(data, KNOWN.models)
    write(data / "photos" / "labels.json", [])
    with pytest.raises(OptionError, match="has no photographs to judge classifiers by"):
        check_study_data(data, CLASSES)
