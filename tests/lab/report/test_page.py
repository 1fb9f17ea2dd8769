import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phiz.lab.report.page import render_page
from phiz.lab.study.record import read_study
from tests.lab.study.made import usual
from tests.tools import program

MEASURED = sorted((Path(__file__).parents[3] / "docs" / "measured" / "study").glob("*.json"))
# The look of the page on a phone, written where --dump-dom shows it.
LOOK = """<script>
addEventListener("load", () => {
  const boxes = [...document.querySelectorAll("svg")].map(svg => svg.getBoundingClientRect());
  const texts = [...document.querySelectorAll("svg text")].map(
    text => text.getBoundingClientRect());
  const bars = [...document.querySelectorAll("svg rect")].map(bar => bar.getBoundingClientRect());
  document.body.setAttribute("data-look", JSON.stringify({
    screen: innerWidth, wide: document.documentElement.scrollWidth,
    charts: boxes.map(box => [Math.round(box.width), Math.round(box.height)]),
    bars: bars.filter(bar => bar.width > 0 && bar.height > 0).length,
    text: Math.min(...texts.map(box => box.height)),
    left: Math.min(...texts.map(box => box.left)),
    right: Math.max(...texts.map(box => box.right)),
    edge: Math.min(...boxes.map(box => box.right)),
    ground: getComputedStyle(document.body).backgroundColor,
    loaded: performance.getEntriesByType("resource").length,
  }));
});
</script></body>"""
PHONE_WH = (390, 844)
# A window is never narrower than 500 pixels: the phone is a frame within it.
FRAME = """<!doctype html><body style="margin:0">
<iframe id="phone" style="border:0;width:{}px;height:{}px" srcdoc="{}"></iframe>"""


def look(page: str, folder: Path, *options: str) -> dict[str, Any]:
    """Return what a browser makes of a page, on a screen as wide as a phone's."""
    framed = page.replace("</body>", LOOK.replace("document.body.set", "top.document.body.set"))
    file = folder / "page.html"
    quoted = framed.replace("&", "&amp;").replace('"', "&quot;")
    file.write_text(FRAME.format(*PHONE_WH, quoted))
    command = [
        program("chromium"),
        "--headless=new",
        "--hide-scrollbars",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
    ]
    command += ["--no-first-run", "--disable-background-networking", "--disable-sync"]
    command += ["--disable-component-update", f"--user-data-dir={folder / 'profile'}", *options]
    command += ["--virtual-time-budget=5000", "--dump-dom", file.as_uri()]
    dumped = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = re.search(r'data-look="([^"]*)"', dumped.stdout)
    assert found, dumped.stdout[-2000:] + dumped.stderr[-2000:]
    seen: dict[str, Any] = json.loads(found[1].replace("&quot;", '"'))
    return seen


@pytest.mark.integration
@pytest.mark.needs("chromium")
@pytest.mark.parametrize("devices", [1, 3])
def test_a_browser_shows_it_on_a_phone(devices: int, tmp_path: Path) -> None:
    studies = [
        usual(f"AMD EPYC {n}R14, x86_64", n, emulated="less of it" if n % 2 else None)
        for n in range(1, devices + 1)
    ]
    page = render_page(studies)
    seen = look(page, tmp_path)
    assert seen["screen"] == 390
    assert seen["wide"] == 390  # nothing sticks out
    assert len(seen["charts"]) == page.count("<svg") == 2 * (3 + devices)
    assert all(width > 350 and height > 60 for width, height in seen["charts"])
    assert seen["bars"] == 3 * 6 * devices
    assert seen["text"] >= 12  # pixels, of the smallest letters in a chart
    assert 0 <= seen["left"] <= seen["right"] <= seen["edge"] <= 390  # beyond it a chart is cut
    assert seen["loaded"] == 0


@pytest.mark.integration
@pytest.mark.needs("chromium")
def test_page_is_dark_for_a_reader_who_wants_that(tmp_path: Path) -> None:
    light = look(render_page([usual()]), tmp_path)
    dark = look(
        render_page([usual()]),
        tmp_path,
        "--force-dark-mode",
        "--blink-settings=preferredColorScheme=0",
    )
    assert light["ground"] == "rgb(255, 255, 255)"
    assert dark["ground"] == "rgb(18, 23, 28)"


def test_page_loads_nothing_and_has_no_script() -> None:
    page = render_page([usual()])
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)=|url\(|@import", page)


def test_page_has_recommendations_and_verdicts() -> None:
    text = re.sub(r"<[^>]*>", "", render_page([usual()]))
    assert "Classifiers, lowest latency: mobilenet in onnxruntime int8 (2.00 ms a picture)." in text
    assert "best answers within 2 ms: mobilenet in onnxruntime int8 (85.0%); 3 ms" in text
    assert "Quantisation is faster. It holds in part here." in text
    assert "Newer hardware is faster. It cannot be told from this." in text
    assert "avx512_vnni" in text


def test_devices_are_drawn_side_by_side_and_emulation_is_said() -> None:
    page = render_page([usual("Whole"), usual("Half", 2.0, emulated="a quota of half a processor")])
    assert "<b>Half is emulated</b>: a quota of half a processor." in page
    assert "What networks cost on 2 devices" in page
    bars = re.findall(r">(Whole|Half \(emulated\))</text>", page)
    assert bars == ["Whole", "Half (emulated)"] * 18
    assert "Latency and answers, Half (emulated); in bold" in page
    assert "Latency and answers, Whole; in bold" in page


def test_a_long_name_leaves_room_for_its_being_emulated() -> None:
    name = "A machine of wood and beads"
    page = render_page([usual("Whole"), usual(name), usual(name, emulated="less of it")])
    assert ">A machine of wood…</text>" in page
    assert ">A mach… (emulated)</text>" in page


def test_only_devices_without_photographs_are_said_to_have_had_none() -> None:
    with_them, without = usual("Whole"), replace(usual("Half"), has_photographs=False)
    right, none = "Answers are those that are right", "here were no labelled photographs"
    assert none not in render_page([with_them])
    assert right not in render_page([without])
    assert f"T{none}: answers" in render_page([without])
    both = render_page([with_them, without])
    assert right in both
    assert f"On Half t{none}: answers" in both


@pytest.mark.integration
@pytest.mark.needs("chromium")
def test_names_are_text(tmp_path: Path) -> None:
    page = render_page([usual("<b>&")])
    assert "<b>&<" not in page
    assert look(page, tmp_path)["wide"] == 390


@pytest.mark.parametrize("path", MEASURED, ids=lambda path: path.name)
def test_measured_studies_can_be_drawn(path: Path) -> None:
    measured = read_study(path)
    page = render_page([measured])
    assert page.count("<svg") >= 2 * 3
    assert (measured.emulated is None) == ("emulated</b>" not in page)
