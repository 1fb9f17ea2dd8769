from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from phiz import engine
from phiz.faces import DetectOptions
from phiz.image.limits import DecodingLimits
from phiz.ray.job import MAX_PART_IMAGES, BulkJob, DetectionActor, split_paths
from phiz.ray.parquet import read_finished_paths
from phiz.ray.storage import parse_address
from tests.conftest import PICTURES

SELFIE = PICTURES / "selfie_360x640.png"
LIMITS = DecodingLimits(1 << 20, 1 << 20)


def finder(folder: Path, models: Path) -> DetectionActor:
    files = parse_address("").storage
    load = partial(engine.build_engine, models, "half-pixel", LIMITS, {"front"})
    place = parse_address(str(folder))
    read_finished_paths(place)
    return DetectionActor(BulkJob(files, place, "front", DetectOptions(), load))


def part(*paths: Path) -> pa.Table:
    return pa.table({"path": [str(path) for path in paths]})


def test_a_picture_that_cannot_be_read_fails_alone(models_folder: Path, tmp_path: Path) -> None:
    text, large = tmp_path / "text.jpg", tmp_path / "large.jpg"
    text.write_text("no picture")
    large.write_bytes(bytes(LIMITS.max_bytes + 1))
    folder = tmp_path / "parts"
    pictures = part(SELFIE, text, tmp_path / "gone.jpg", large, SELFIE)
    (counts,) = finder(folder, models_folder)(pictures).to_pylist()
    assert counts == {"problem": None, "images": 5, "failed": 3, "faces": 2}
    rows = pa.parquet.read_table(folder).to_pylist()
    assert [row["error"] and row["error"]["code"] for row in rows] == [
        *(None, "unsupported_image", "unreadable_file", "too_many_bytes", None)
    ]
    assert "No such file" in rows[2]["error"]["detail"]


def test_problem_of_a_machine_is_told(tmp_path: Path) -> None:
    (row,) = finder(tmp_path / "parts", tmp_path / "models")(part(SELFIE)).to_pylist()
    assert "phiz models build" in row.pop("problem")
    assert row == {"images": 0, "failed": 0, "faces": 0}
    assert list((tmp_path / "parts").iterdir()) == []


def test_a_mistake_of_ours_costs_one_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        limits = LIMITS

        def detect(self, *_: object) -> None:
            raise ZeroDivisionError

    files, place = parse_address("").storage, parse_address(str(tmp_path / "parts"))
    read_finished_paths(place)
    load: Any = Broken
    (counts,) = DetectionActor(BulkJob(files, place, "front", DetectOptions(), load))(
        part(SELFIE)
    ).to_pylist()
    assert counts == {"problem": None, "images": 1, "failed": 1, "faces": 0}
    (row,) = pa.parquet.read_table(place.path).to_pylist()
    assert row["error"]["code"] == "internal"
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("count", "processors", "sizes"),
    [
        (0, 2, []),
        (1, 2, [1]),
        (8, 2, [1] * 8),
        (17, 2, [2] * 8 + [1]),
        (8000, 2, [MAX_PART_IMAGES] * 16),
        (1001, 1, [250] * 4 + [1]),
    ],
)
def test_parts_are_small_and_enough_for_all(count: int, processors: int, sizes: list[int]) -> None:
    paths = [str(number) for number in range(count)]
    parts = split_paths(paths, processors)
    assert [len(each) for each in parts] == sizes
    assert [path for each in parts for path in each] == paths
