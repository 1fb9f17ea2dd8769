import json
from pathlib import Path
from typing import Any

import pytest

from phiz.errors import OptionError
from phiz.lab.accuracy.datasets import find_datasets
from tests.lab.accuracy import test_fddb, test_wider

POINTS = [[1, 2], [3, 2], [2, 3], [1, 4], [3, 4]]
FACE: dict[str, Any] = {"box": [0, 0, 5, 5]}
PORTRAIT = {**FACE, "landmarks": POINTS}


def write(folder: Path, *pictures: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    document = [{"image": f"{place}.jpg", "faces": faces} for place, faces in enumerate(pictures)]
    (folder / "annotations.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("pictures", "kind", "levels"),
    [
        pytest.param([[], []], "faceless", ("all",), id="no faces"),
        pytest.param([[PORTRAIT], [PORTRAIT]], "portraits", ("all",), id="one face each"),
        pytest.param([[PORTRAIT], []], "scenes", ("all",), id="one without a face"),
        pytest.param([[PORTRAIT, PORTRAIT]], "scenes", ("all",), id="two faces"),
        pytest.param([[FACE]], "scenes", ("all",), id="no landmarks"),
        pytest.param(
            [[{**PORTRAIT, "wider_levels": ["hard"]}]],
            "scenes",
            ("easy", "medium", "hard"),
            id="levels",
        ),
    ],
)
def test_labels_tell_what_can_be_measured(
    tmp_path: Path, pictures: list[list[dict[str, Any]]], kind: str, levels: tuple[str, ...]
) -> None:
    write(tmp_path / "some", *pictures)
    (found,) = find_datasets(tmp_path / "some")
    assert (found.name, found.kind, found.levels) == ("some", kind, levels)
    assert len(found.photographs) == len(pictures)


def test_a_folder_of_folders_gives_all_that_are_known(tmp_path: Path) -> None:
    write(tmp_path / "b", [FACE])
    write(tmp_path / "a", [])
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read me.txt").write_text("nothing")
    for number in range(3):
        frame = tmp_path / "film" / "head" / f"000{number}.jpg"
        frame.parent.mkdir(parents=True, exist_ok=True)
        frame.write_bytes(b"")
    found = find_datasets(tmp_path)
    assert [(each.name, each.kind) for each in found] == [
        ("a", "faceless"),
        ("b", "scenes"),
        ("head", "film"),
    ]
    assert [label.path.name for label in found[2].photographs] == [
        "0000.jpg",
        "0001.jpg",
        "0002.jpg",
    ]


def test_wider_and_fddb_are_read_as_they_are_distributed(tmp_path: Path) -> None:
    for name in ("wider", "fddb"):
        (tmp_path / name).mkdir()
    test_wider.write(tmp_path / "wider")
    test_fddb.write(tmp_path / "fddb")
    fddb, wider = find_datasets(tmp_path)
    assert (fddb.name, fddb.kind, fddb.levels, len(fddb.photographs)) == (
        "fddb",
        "scenes",
        ("all",),
        4,
    )
    assert (wider.name, wider.kind, wider.levels, len(wider.photographs)) == (
        "wider",
        "scenes",
        ("easy", "medium", "hard"),
        2,
    )


def test_a_folder_of_nothing_says_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    (tmp_path / "0001.jpg").write_bytes(b"")
    with pytest.raises(OptionError, match=r"annotations\.json.*WIDER FACE.*FDDB.*frames"):
        find_datasets(tmp_path)


@pytest.mark.parametrize(
    ("every", "offset", "names"),
    [(1, 0, "0123456"), (3, 0, "036"), (3, 1, "14"), (4, 3, "3"), (2, 9, "")],
)
def test_every_so_many_photographs_from_an_offset_on(
    tmp_path: Path, every: int, offset: int, names: str
) -> None:
    write(tmp_path, *([[FACE]] * 7))
    (found,) = find_datasets(tmp_path)
    kept = found.take_every(every, offset).photographs
    assert "".join(label.path.stem for label in kept) == names


def test_a_film_stays_whole(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(b"")
    (film,) = find_datasets(tmp_path)
    assert len(film.take_every(2, 1).photographs) == 4
