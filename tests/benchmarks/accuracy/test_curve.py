import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import curve, curve_entries
from benchmarks.accuracy.curve import CurveRow
from benchmarks.accuracy.curve_entries import FAMILIES, PEER_FAMILIES, Entry
from benchmarks.accuracy.participants import Answer
from phiz.detectors.anchor_free import AnchorFree
from phiz.faces import DetectOptions
from phiz.lab.accuracy.labels import LEVELS, LabelledImage
from phiz.timings import Stopwatch

BOXES = np.array([[0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
NOTHING = BOXES[:0], np.empty(0, np.float32)


def label(path: Path) -> LabelledImage:
    counted = {"easy": [True, False], "medium": [True, False], "hard": [True, True]}
    masks = {level: np.array(mask) for level, mask in counted.items()}
    return LabelledImage(path, BOXES, masks, np.full((2, 5, 2), np.nan, np.float32))


def test_entries_have_names_of_their_own_and_known_curves(models_folder: Path) -> None:
    lines: list[str] = []
    engine, entries = curve_entries.build_entries(models_folder, lines.append)
    names = [entry.name for entry in entries]
    assert len({*names, *PEER_FAMILIES}) == len(names) + len(PEER_FAMILIES)
    assert {entry.family for entry in entries} | {*PEER_FAMILIES.values()} <= {*FAMILIES}
    assert {entry.model for entry in entries} <= {*engine.detectors}
    assert {"front", "back", "full", "mtcnn", "auto", "auto, 5 ms"} <= {*names}
    mtcnn = [entry.options.min_face for entry in entries if entry.family == "mtcnn"]
    assert mtcnn == [20, 40]
    detector = engine.detectors["yunet, 320 px"]
    assert isinstance(detector, AnchorFree)
    assert detector.choose_scale((640, 480), DetectOptions(), Stopwatch()) == 2
    assert detector.spec.min_score == engine.detectors["yunet"].spec.min_score  # type: ignore[attr-defined]


def test_variants_that_are_not_built_are_left_out_and_named(
    models_folder: Path, tmp_path: Path
) -> None:
    for path in models_folder.glob("*.onnx"):
        if ".int8" not in path.name:
            (tmp_path / path.name).symlink_to(path)
    lines: list[str] = []
    _, entries = curve_entries.build_entries(tmp_path, lines.append)
    assert not any("int8" in entry.family for entry in entries)
    left_out = [f"{name} in 8 bits is left out: " for name in ("yunet", "centerface")]
    for start, line in zip(["auto runs in float32: ", *left_out], lines, strict=True):
        assert line.startswith(start)
        assert "phiz models build" in line


def test_all_are_asked_for_each_image_after_a_first_one_that_does_not_count(
    tmp_path: Path,
) -> None:
    labels = []
    for name in ("0", "1"):
        (tmp_path / name).write_bytes(name.encode())
        labels.append(label(tmp_path / name))
    order: list[tuple[str, bytes]] = []

    def ask(name: str, image_bytes: bytes) -> Answer:
        order.append((name, image_bytes))
        return Answer(NOTHING, NOTHING, float(len(order)))

    answers = curve.ask_interleaved(
        {name: lambda image, name=name: ask(name, image) for name in "ab"},  # type: ignore[misc]
        labels,
    )
    assert order == [
        (name, image)
        for image, names in ((b"0", "ab"), (b"0", "ba"), (b"1", "ab"))
        for name in names
    ]
    assert [each.served_ms for each in answers["a"]] == [4, 5]


def test_figures_of_an_entry_by_arithmetic() -> None:
    both = BOXES, np.array([0.9, 0.3], np.float32)
    first = BOXES[:1], both[1][:1]
    answers = [Answer(first, both, 10.0), Answer(NOTHING, both, 30.0)]
    labels = [label(Path("a")), label(Path("b"))]
    row = curve.summarise_entry(Entry("x", "yunet", "x"), answers, labels, 40.0)
    assert row.average_precision == dict.fromkeys(LEVELS, 1)
    assert row.precision == 1
    assert row.recall == {"easy": 0.5, "medium": 0.5, "hard": 0.25}
    assert (row.mean_ms, row.median_ms, row.relative) == (20, 20, 0.5)


def test_table_and_plots_have_every_entry() -> None:
    shares = dict(zip(LEVELS, (0.9, 0.8, 0.5), strict=True))
    rows = [
        CurveRow(name, family, shares, 0.75, shares, ms, ms, ms, ms / 80)
        for name, family, ms in (
            ("yunet", "yunet", 8.0),
            ("yunet, 640 px", "yunet", 4.0),
            ("mtcnn", "mtcnn", 80.0),
        )
    ]
    cells = curve.format_row(rows[0])
    assert len(cells) == len(curve.HEADINGS)
    assert cells == [
        "yunet",
        "0.900",
        "0.800",
        "0.500",
        "0.750",
        "0.900",
        "0.800",
        "0.500",
        "8.0",
        "8.0",
        "8.0",
        "0.10",
    ]
    drawn = ET.fromstring(curve.draw_rows(rows))  # noqa: S314  our own
    plots = drawn.findall("{*}g")
    assert len(plots) == len(LEVELS)
    assert [len(plot.findall("{*}circle")) for plot in plots] == [3, 3, 3]


@pytest.mark.parametrize("family", FAMILIES)
def test_curves_differ_in_colour_or_line(family: str) -> None:
    assert [*FAMILIES.values()].count(FAMILIES[family]) == 1
