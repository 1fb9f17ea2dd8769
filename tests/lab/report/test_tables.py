import re
from collections.abc import Iterable

from phiz.lab.report.tables import render_devices, render_measurements
from tests.lab.study.made import usual


def read_rows(lines: Iterable[str]) -> list[list[str]]:
    """Return the cells of each row that is not a heading."""
    rows = "\n".join(lines).splitlines()
    return [cells for row in rows if (cells := re.findall(r"<td[^>]*>(.*?)</td>", row))]


def test_every_measurement_has_a_row_with_its_figures() -> None:
    rows = read_rows(render_measurements([usual()]))
    times = ["0.500", "0.600", "0.750"]  # median, 90 and 99 of 100
    assert len(rows) == 12
    assert rows[4] == [
        *("front", "onnxruntime float32", "1", "1", *times, "500"),
        *("2 of 2", "2000", "0.500", "14000", "100"),
    ]


def test_every_model_has_a_row_with_its_answers() -> None:
    rows = read_rows(render_measurements([usual()]))
    front = ["1.00", "100", "98.0%"]
    assert rows[-2:] == [
        ["front", "onnxruntime float32", *front, "yes", "0.300", "0.990"],
        ["front", "onnxruntime int8", *front, "no", "0.300", "0.990"],
    ]


def test_tables_stand_under_the_name_of_their_device() -> None:
    page = "".join(render_measurements([usual("Abacus"), usual("<Slate>", slower=2)]))
    first, second = page.index("<summary>Abacus:"), page.index("<summary>&lt;Slate&gt;:")
    assert first < page.index(">4.000<") < second < page.index(">8.000<")
    assert "<Slate>" not in page


def test_device_is_described_and_emulation_is_named() -> None:
    lines = list(render_devices([usual(), usual("Half", emulated="a quota of <0.5>")]))
    values = [row[0] for row in read_rows(lines)]
    half = len(values) // 2
    assert values[0] == "Abacus"
    assert values[half] == "Half (emulated: a quota of &lt;0.5&gt;)"
    assert values[1:half] == values[half + 1 :]
    assert {"Abacus, beads", "avx2, avx512_vnni", "2500 MHz", "none", "8.0 GB"} <= set(values)
