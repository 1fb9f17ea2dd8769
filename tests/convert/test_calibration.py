import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from phiz.convert import calibration
from phiz.convert.calibration import (
    RangeCalibration,
    format_calibrations,
    get_ranges,
    load_calibrations,
)
from phiz.errors import CatalogError, ConversionError

HASH = "0" * 64


def test_written_calibration_is_read_again(tmp_path: Path) -> None:
    found = {
        "one": RangeCalibration(HASH, {"conv1": (-0.25, 1e-05), "relu2": (0.0, 12340.0)}),
        "two": RangeCalibration(HASH[1:] + "f", {"add1": (-3.0, -3.0)}),
    }
    path = tmp_path / "calibration.json"
    path.write_text(format_calibrations(found))
    assert load_calibrations(path) == found


def test_the_committed_file_is_as_it_is_written() -> None:
    path = Path(__file__).parents[2] / "models" / "calibration.json"
    assert format_calibrations(calibration.load_calibrations()) == path.read_text()


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], "the calibration is [], not a table"),
        ({"front": {"ranges": {"a": [0, 1]}}}, "front lacks sha256"),
        ({"front": {"sha256": "0", "ranges": {"a": [0, 1]}}}, "front.sha256 is '0'"),
        ({"front": {"sha256": HASH, "ranges": {}}}, "front.ranges is empty"),
        ({"front": {"sha256": HASH, "ranges": {"a": [0]}}}, "front.ranges.a[1] is missing"),
        ({"front": {"sha256": HASH, "ranges": {"a": [0, 1, 2]}}}, "a has 3 entries"),
        ({"front": {"sha256": HASH, "ranges": {"A": [0, 1]}}}, "ranges.A is 'A'; it must match"),
        ({"front": {"sha256": HASH, "ranges": {"a": [2, 1]}}}, "a is from 2 to 1; it must go up"),
        (
            {"front": {"sha256": HASH, "ranges": {"a": [0, "1"]}}},
            "ranges.a[1] is '1', not a number",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nonsense_is_refused(tmp_path: Path, document: Any, complaint: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(document))
    with pytest.raises(CatalogError) as caught:
        load_calibrations(path)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"\xff", None], ids=["cut", "not UTF-8", "none"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "calibration.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CatalogError, match=r"cannot read the calibration .*calibration\.json"):
        load_calibrations(path)


def test_ranges_are_those_of_the_very_graph() -> None:
    known = RangeCalibration(sha256(b"graph").hexdigest(), {"a": (0, 1)})
    assert get_ranges("x", b"graph", {"x": known}) == known.ranges
    for graph, calibrations in ((b"other", {"x": known}), (b"graph", {"y": known})):
        with pytest.raises(ConversionError, match=r"x\.onnx with sha256 .* is not calibrated"):
            get_ranges("x", graph, calibrations)
