import json
from typing import Any

import pyarrow as pa

from benchmarks.accuracy.cluster import find_differing, parse_json_lines, parse_rows
from phiz.ray.parquet import SCHEMA, build_error_row

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
    failed = build_error_row("/b.jpg", "back", "empty_image", "0 bytes")
    found: list[dict[str, Any]] = pa.Table.from_pylist(
        [row | one for one in given] + [failed], SCHEMA
    ).to_pylist()
    return found


def test_the_same_faces_are_the_same_in_both_forms() -> None:
    (answer,) = parse_json_lines(line()).values()
    assert parse_rows(rows({})) == parse_json_lines(line(route=[])) == {"/a.jpg": answer}
    assert answer["faces"] == [FACE]
    assert find_differing(parse_json_lines(line()), parse_rows(rows({}))) == []


def test_differing_answers_are_found() -> None:
    moved = FACE | {"score": 0.7500001}
    assert find_differing(parse_json_lines(line(faces=[moved])), parse_rows(rows({}))) == ["/a.jpg"]
    assert find_differing(parse_json_lines(line(faces=[])), parse_rows(rows({}))) == ["/a.jpg"]
    assert find_differing(parse_json_lines(line()), parse_rows(rows({"width": 41}))) == ["/a.jpg"]
    assert find_differing(parse_json_lines(line()), parse_rows(rows({"model": "full"}))) == [
        "/a.jpg"
    ]


def test_image_with_one_answer_differs() -> None:
    assert find_differing(parse_json_lines(line()), parse_rows(rows())) == ["/a.jpg"]
    assert find_differing({}, parse_rows(rows({}))) == ["/a.jpg"]
