"""Files that commands write: completely or not at all, and no other file with them."""

import os
from pathlib import Path

import pytest

from phiz.cli.files import write_file


def test_a_file_of_the_user_with_a_similar_name_stays(tmp_path: Path) -> None:
    own = tmp_path / "face.jpg.part"
    own.write_bytes(b"mine")
    write_file(tmp_path / "face.jpg", b"new")
    assert own.read_bytes() == b"mine"
    assert (tmp_path / "face.jpg").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    write_file(tmp_path / "face.jpg", b"new")
    assert (tmp_path / "face.jpg").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_name_may_be_as_long_as_the_folder_allows(tmp_path: Path) -> None:
    path = tmp_path / ("x" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    write_file(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("name", ["taken", "missing/face.jpg", "file/face.jpg"])
def test_a_failure_names_the_file_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").touch()
    path = tmp_path / name
    with pytest.raises(OSError, match=name) as caught:
        write_file(path, b"new")
    assert caught.value.filename == str(path)
    assert {each.name for each in tmp_path.rglob("*")} == {"taken", "file"}
