import json
from typing import Any

import pyarrow as pa

from benchmarks.accuracy.cluster import differing, plain, spread
from phiz.ray.parquet import SCHEMA, failed_row

FACE = {
    "box": {"x": 1.5, "y": 2.5, "width": 3.5, "height": 4.5},
    "score": 0.75,
    "landmarks": {"left_eye": {"x": 1.25, "y": 2.25}},
}


def line(**changed: Any) -> str:
    image = {"width": 40, "height": 30}
    return json.dumps(
        {"file": "/a.jpg", "model": "back", "image": image, "faces": [FACE], **changed}
    )


def rows(*given: dict[str, Any]) -> list[dict[str, Any]]:
    """As they are once they were in a file: with null for what is not there."""
    row = {"path": "/a.jpg", "model": "back", "width": 40, "height": 30, "faces": [FACE]}
    failed = failed_row("/b.jpg", "back", "empty_image", "0 bytes")
    found: list[dict[str, Any]] = pa.Table.from_pylist(
        [row | one for one in given] + [failed], SCHEMA
    ).to_pylist()
    return found


def test_the_same_faces_are_the_same_in_both_forms() -> None:
    (answer,) = plain(line()).values()
    assert spread(rows({})) == plain(line(route=[])) == {"/a.jpg": answer}
    assert answer["faces"] == [FACE]
    assert differing(plain(line()), spread(rows({}))) == []


def test_what_differs_is_told() -> None:
    moved = FACE | {"score": 0.7500001}
    assert differing(plain(line(faces=[moved])), spread(rows({}))) == ["/a.jpg"]
    assert differing(plain(line(faces=[])), spread(rows({}))) == ["/a.jpg"]
    assert differing(plain(line()), spread(rows({"width": 41}))) == ["/a.jpg"]
    assert differing(plain(line()), spread(rows({"model": "full"}))) == ["/a.jpg"]


def test_what_only_one_has_read_differs() -> None:
    assert differing(plain(line()), spread(rows())) == ["/a.jpg"]
    assert differing({}, spread(rows({}))) == ["/a.jpg"]
