import json
from pathlib import Path
from typing import Any

import pytest

from phiz.errors import CatalogError, OptionError
from phiz.lab.study.record import parse_study, read_study, to_document
from tests.lab.study.made import usual


def plain() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(to_document(usual(emulated="a quota"))))
    return document


def test_study_survives_writing_and_reading(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(json.dumps(plain()))
    assert read_study(tmp_path / "study.json") == usual(emulated="a quota")


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (("format",), 1, "its format is 1, and this version reads 2; measure again"),
        (("device",), "", "device is '', not a text"),
        (("machine", "quota"), "all", "machine.quota is 'all', not a number"),
        (("figures", 0, "runs"), 0, r"figures\[0\].runs is 0; it must be at least 1"),
        (("figures", 0, "combination", "variant", "runtime"), "x", "it must be 'onnxruntime' or"),
        (("figures", 0, "visits_ms"), [], r"figures\[0\].visits_ms is empty"),
        (("figures",), {}, "figures is {}, not a list"),
        (("qualities", 0, "accuracy"), [], r"qualities\[0\].accuracy is \[\], not a table"),
        (("networks", "front", "group"), "cats", "networks.front.group"),
        (("qualities", 0, "visits_ms"), [], r"qualities\[0\] has no visits_ms"),
        (("networks",), {}, "networks is empty"),
        (("figures", 0, "runs"), True, "runs is True, not a whole number"),
        (("figures", 0, "p99_ms"), float("nan"), "p99_ms is nan, not a number"),
        (("stollen",), 0.1, "stollen is an unknown entry"),
    ],
)
def test_wrong_entries_are_named(place: tuple[Any, ...], value: object, complaint: str) -> None:
    document = entry = plain()
    for key in place[:-1]:
        entry = entry[key]
    entry[place[-1]] = value
    with pytest.raises(CatalogError, match=complaint):
        parse_study(json.dumps(document))


@pytest.mark.parametrize("text", [None, "{", "[]"], ids=["missing", "broken", "no study"])
def test_unreadable_file_is_named(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    with pytest.raises(OptionError, match=r"a\.json cannot be read"):
        read_study(tmp_path / "a.json")
