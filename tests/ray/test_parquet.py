import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phiz import engine
from phiz.cli.detect_run import LANDMARK_COLUMNS
from phiz.engine import Engine
from phiz.errors import OptionError
from phiz.faces import DetectionResult, DetectOptions
from phiz.image.limits import DecodingLimits
from phiz.options import Details
from phiz.ray.parquet import (
    SCHEMA,
    build_error_row,
    build_result_row,
    read_finished_paths,
    write_part,
)
from phiz.ray.storage import StoragePath, parse_address
from phiz.timings import Stopwatch
from phiz.wire.encode import encode_result
from tests.conftest import PICTURES

FAILED = build_error_row("/c.jpg", "auto", "empty_image", "the picture has no bytes")


@pytest.fixture
def folder(tmp_path: Path) -> StoragePath:
    """One that is not there yet."""
    return parse_address(str(tmp_path / "parts" / "of a day"))


@pytest.fixture(scope="module")
def loaded(models_folder: Path) -> Engine:
    return engine.build_engine(models_folder, "half-pixel", DecodingLimits(1 << 20, 1 << 20))


@pytest.fixture(scope="module")
def result(loaded: Engine) -> Callable[[str, Details], DetectionResult]:
    data = (PICTURES / "group_640x480.png").read_bytes()

    def detect(model: str, details: Details) -> DetectionResult:
        return loaded.detect(data, model, DetectOptions(details=details), Stopwatch())

    return detect


def rows(folder: StoragePath) -> list[dict[str, Any]]:
    table = pq.read_table(folder.path)
    assert table.schema.equals(SCHEMA)
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def without_nothing(value: Any) -> Any:
    """A row without what is null, which JSON leaves out."""
    if isinstance(value, dict):
        return {name: without_nothing(each) for name, each in value.items() if each is not None}
    return [without_nothing(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("details", ["none", "quality"])
@pytest.mark.parametrize("model", ["front", "mtcnn", "auto"])
def test_a_row_has_every_number_of_the_wire_format(
    folder: StoragePath,
    result: Callable[[str, Details], DetectionResult],
    model: str,
    details: Details,
) -> None:
    read_finished_paths(folder)
    found = result(model, details)
    write_part(folder, [build_result_row("/a.png", found)])
    (row,) = rows(folder)
    assert (row["path"], row["error"], row["width"], row["height"]) == ("/a.png", None, 640, 480)
    answer = json.loads(json.dumps(encode_result(found)))
    assert row["model"] == answer["model"]
    assert without_nothing(row["faces"]) == answer["faces"]
    assert len(row["faces"]) > 1


def test_no_face_is_an_empty_list_and_an_error_none(folder: StoragePath) -> None:
    read_finished_paths(folder)
    write_part(folder, [build_result_row("/b.png", DetectionResult("front", 8, 6, (), ())), FAILED])
    empty, failed = rows(folder)
    assert (empty["faces"], empty["error"]) == ([], None)
    assert failed == {
        "path": "/c.jpg",
        "model": "auto",
        "width": None,
        "height": None,
        "faces": None,
        "error": {"code": "empty_image", "detail": "the picture has no bytes"},
    }


def test_the_schema_has_every_landmark() -> None:
    landmarks = SCHEMA.field("faces").type.value_type.field("landmarks").type
    assert tuple(field.name for field in landmarks) == LANDMARK_COLUMNS


def test_finished_paths_are_read_from_all_parts(folder: StoragePath) -> None:
    assert read_finished_paths(folder) == set()
    write_part(folder, [FAILED, FAILED | {"path": "/d.jpg"}])
    write_part(folder, [FAILED | {"path": "/e.jpg"}])
    assert read_finished_paths(folder) == {"/c.jpg", "/d.jpg", "/e.jpg"}


def test_a_part_that_is_done_twice_is_there_once(folder: StoragePath) -> None:
    read_finished_paths(folder)
    assert write_part(folder, [FAILED]) == write_part(folder, [FAILED])
    assert rows(folder) == [FAILED]


def test_a_part_that_was_cut_short_is_passed_over(folder: StoragePath) -> None:
    read_finished_paths(folder)
    name = write_part(folder, [FAILED])
    whole = Path(folder.path, name)
    whole.with_name(f"_{name}").write_bytes(whole.read_bytes()[:100])
    assert read_finished_paths(folder) == {"/c.jpg"}
    assert rows(folder) == [FAILED]


def test_files_that_are_no_parts_are_passed_over(folder: StoragePath) -> None:
    read_finished_paths(folder)
    name = write_part(folder, [FAILED])
    whole = Path(folder.path, name)
    whole.with_name("notes.txt").write_text("of mine")
    whole.with_name("part-of-mine.parquet").write_text("of mine")
    whole.with_name(f"{name}.crc").write_text("of another program")
    deep = whole.parent / "deep"
    deep.mkdir()
    (deep / name).write_text("of mine")
    (whole.parent / f"part-{16 * '0'}.parquet").mkdir()
    assert read_finished_paths(folder) == {"/c.jpg"}


@pytest.mark.parametrize("content", [b"", b"no Parquet", b"PAR1" + 100 * b"x" + b"PAR1"])
def test_a_part_that_is_damaged_is_named(folder: StoragePath, content: bytes) -> None:
    read_finished_paths(folder)
    name = write_part(folder, [FAILED])
    Path(folder.path, name).write_bytes(content)
    with pytest.raises(OptionError, match=f"cannot read a part in {folder.path}: .*{name}"):
        read_finished_paths(folder)


def test_a_part_whose_columns_are_others_is_named(folder: StoragePath) -> None:
    read_finished_paths(folder)
    name = write_part(folder, [FAILED])
    pq.write_table(pa.table({"path": [[1, 2]]}), Path(folder.path, name))
    with pytest.raises(OptionError, match="cannot read a part"):
        read_finished_paths(folder)
