"""The page at / in a real browser."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from phiz.api.security.keys import create_key, format_line
from tests.browser import Browser

from .page import IS_IDLE, assert_quiet, click, detect, read, set_slider, show
from .running import GROUP, SELFIE, Running, Starter

pytestmark = [pytest.mark.integration, pytest.mark.needs("chromium")]

FACE_RGB = (0x5D, 0xFF, 0xB0)  # of a box
# Where a box and its picture are on the page.
PLACES = """(() => {
  const frame = (element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return [x, y, width, height];
  };
  const picture = document.querySelector(".view img");
  return {
    picture: frame(picture), natural: [picture.naturalWidth, picture.naturalHeight],
    boxes: [...document.querySelectorAll(".box")].map(frame),
    dots: [...document.querySelectorAll("circle")].map(frame),
  };
})()"""


@pytest.mark.parametrize("density", [1, 2])
def test_boxes_are_where_the_json_has_them(page: Browser, service: Running, density: int) -> None:
    page.resize(900, 1000, density)
    faces = detect(service, GROUP)["faces"]
    show(page, GROUP, len(faces))
    places = page.evaluate(PLACES)
    page.evaluate(f"scrollTo(0, {places['picture'][1]})")
    places = page.evaluate(PLACES)
    left, top, width, height = places["picture"]
    scale = width / places["natural"][0]
    assert scale == pytest.approx(height / places["natural"][1], rel=0.01)
    expected = [
        (
            left + box["x"] * scale,
            top + box["y"] * scale,
            box["width"] * scale,
            box["height"] * scale,
        )
        for box in (face["box"] for face in faces)
    ]
    assert np.abs(np.array(places["boxes"]) - expected).max() < 1
    dots = np.array(places["dots"])
    points = [point for face in faces for point in face["landmarks"].values()]
    centres = [(left + point["x"] * scale, top + point["y"] * scale) for point in points]
    assert np.abs(dots[:, :2] + dots[:, 2:] / 2 - centres).max() < 1
    # On the screen: the left line of each box, half way down.
    screen = np.asarray(Image.open(io.BytesIO(page.take_picture())).convert("RGB"), np.float32)
    for x, y, _, box_height in expected:
        row = screen[round((y + box_height / 2) * density)]
        start = round((x - 6) * density)
        strip = row[start : round((x + 6) * density)]
        is_line = np.abs(strip - FACE_RGB).max(axis=1) < 40
        assert is_line.any()
        centre = start + np.flatnonzero(is_line).mean() + 0.5
        assert abs(centre - x * density) <= 1
    page.resize(1000, 900)


def test_small_faces_are_seen_under_their_drawings(
    page: Browser, service: Running, tmp_path: Path
) -> None:
    """Most pixels of a face of 16 px stay as they are."""
    small = Image.open(SELFIE).convert("RGB").resize((41, 72), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (320, 240), (90, 90, 110))
    canvas.paste(small, (140, 80))
    canvas.save(tmp_path / "small.png")
    (face,) = detect(service, tmp_path / "small.png", model="yunet")["faces"]
    assert 12 < face["box"]["width"] < 18
    click(page, "#models [value=yunet]")
    click(page, "#models [value=auto]")
    show(page, tmp_path / "small.png", 1)
    x, y, *_ = page.evaluate(PLACES)["picture"]
    left, top = round(x + face["box"]["x"]), round(y + face["box"]["y"])
    right, bottom = left + round(face["box"]["width"]), top + round(face["box"]["height"])

    def read_face() -> Any:
        screen = Image.open(io.BytesIO(page.take_picture())).convert("RGB")
        return np.asarray(screen.crop((left, top, right, bottom)), np.float32)

    drawn = read_face()
    page.evaluate("document.querySelector('.overlay').style.visibility = 'hidden'")
    is_same = np.abs(drawn - read_face()).max(axis=2) < 30
    assert is_same.mean() > 0.7
    page.evaluate("document.querySelector('.overlay').style.visibility = ''")
    page.evaluate("document.querySelector('#faces button').focus()")
    page.wait_for("document.querySelectorAll('.chosen circle').length === 5")


def test_models_stand_side_by_side_on_the_same_picture(page: Browser, service: Running) -> None:
    expected = {name: detect(service, GROUP, model=name) for name in ("auto", "yunet", "front")}
    show(page, GROUP, len(expected["auto"]["faces"]))
    for name in ("yunet", "front"):
        click(page, f"#models [value={name}]")
        page.wait_for(f"document.querySelector('[data-model={name}] .legend li') && {IS_IDLE}")
    for name, answer in expected.items():
        count = len(answer["faces"])
        panel = f"[data-model={name}]"
        assert read(page, f"{panel} .count") == f"{count} face{'' if count == 1 else 's'}"
        assert page.evaluate(f"document.querySelectorAll('{panel} .face').length") == count
        legend = read(page, f"{panel} .legend")
        assert all(stage in legend for stage in ("queue", "decode", "preprocess", "inference"))
    for step in expected["auto"]["route"]:
        assert step["why"].partition("px")[0][:20] in read(page, "[data-model=auto] .route")
    assert not all(step["ran"] for step in expected["auto"]["route"])
    assert "skipped: skipped" not in read(page, "[data-model=auto] .route")
    click(page, "#models [value=auto]")
    page.wait_for("document.querySelectorAll('.panel').length === 2")
    # Answers that are there are not asked for again.
    asked = [url for url in page.requests if "/detect" in url]
    assert [url.partition("model=")[2] for url in asked] == ["auto", "yunet", "front"]
    assert_quiet(page, service)


def test_sliders_filter_what_was_answered(page: Browser, service: Running) -> None:
    faces = detect(service, GROUP)["faces"]
    show(page, GROUP, len(faces))
    sizes = sorted(min(face["box"]["width"], face["box"]["height"]) for face in faces)
    requests = len(page.requests)
    set_slider(page, "#size", int(sizes[1]))
    assert page.evaluate("document.querySelectorAll('.face').length") == len(sizes) - 1
    set_slider(page, "#size", 0)
    set_slider(page, "#score", 1)
    best = sum(face["score"] >= 1 for face in faces)
    assert page.evaluate("document.querySelectorAll('.face').length") == best
    assert len(page.requests) == requests
    assert "without another request" in read(page, "#limits-note")
    set_slider(page, "#score", 0.2)
    low = detect(service, GROUP, min_score=0.1)["faces"]
    count = sum(face["score"] >= 0.2 for face in low)
    page.wait_for(f"document.querySelectorAll('.face').length === {count}")
    assert "min_score=0.1" in read(page, "#limits-note")
    assert [url.partition("?")[2] for url in page.requests[requests:]] == [
        "model=auto&min_score=0.1"
    ]
    click(page, "#own-limit")
    assert page.evaluate("document.querySelectorAll('.face').length") == len(faces)


def test_blending_and_suppression_are_a_switch(page: Browser, service: Running) -> None:
    click(page, "#models [value=back]")
    click(page, "#models [value=auto]")
    blended = detect(service, SELFIE, model="back")["faces"]
    best = detect(service, SELFIE, model="back", overlap="nms")["faces"]
    show(page, SELFIE, len(blended))
    click(page, "#overlap [value=both]")
    page.wait_for(f"document.querySelectorAll('.dashed').length === {len(best)} && {IS_IDLE}")
    for selector, faces in ((".face:not(.dashed)", blended), (".dashed", best)):
        drawn = page.evaluate(
            f"document.querySelector({selector + ' .box'!r}).getAttribute('width')"
        )
        assert float(drawn) == faces[0]["box"]["width"]
    assert_quiet(page, service)


def test_crops_and_covered_faces_can_be_downloaded(page: Browser, service: Running) -> None:
    count = len(detect(service, GROUP)["faces"])
    show(page, GROUP, count)
    click(page, "#tab-crops")
    page.evaluate("document.querySelector('#crops-align').value = 'eyes'")
    page.evaluate("document.querySelector('#crops-form').requestSubmit()")
    page.wait_for(f"document.querySelectorAll('#crops-list img').length === {count}")
    assert page.wait_for("document.querySelector('#crops-list img').naturalWidth") == 112
    assert page.evaluate("document.querySelector('#crops-list a').download") == "face-1.jpg"
    click(page, "#tab-blur")
    page.evaluate("document.querySelector('#blur-form').requestSubmit()")
    page.wait_for("document.querySelector('#blur-result img')?.naturalWidth === 640")
    assert page.evaluate("document.querySelector('#blur-result a').download") == (
        "group_640x480-covered.png"
    )
    assert f"{count} faces covered" in read(page, "#status")
    assert_quiet(page, service)


def test_command_and_answer_can_be_copied(page: Browser, service: Running) -> None:
    answer = detect(service, SELFIE)
    show(page, SELFIE, 1)
    click(page, "#tab-json")
    assert read(page, "#curl-detect") == (
        f"curl -F image=@selfie_360x640.png -F model=auto {service.url}/detect"
    )
    shown = page.evaluate("JSON.parse(document.querySelector('#json').textContent)")
    assert (shown["faces"], shown["image"]) == (answer["faces"], answer["image"])
    click(page, "#pane-json .code button")
    page.wait_for("document.querySelector('#status').textContent === 'Copied.'")


def test_error_is_told_in_the_words_of_the_service(
    page: Browser, service: Running, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("These are notes, and no picture.\n" * 20)
    show(page, GROUP, len(detect(service, GROUP)["faces"]))
    click(page, "#models [value=front]")
    page.wait_for(f"document.querySelector('[data-model=front] .legend li') && {IS_IDLE}")
    problem = detect(service, tmp_path / "notes.txt")
    assert problem["code"] == "unsupported_image"
    page.choose_file("#file", tmp_path / "notes.txt")
    page.wait_for("!document.querySelector('#problem').hidden")
    text = read(page, "#problem")
    for part in (problem["detail"], problem["title"], problem["code"]):
        assert part in text
    assert page.evaluate("document.querySelector('.route').hidden")
    # The other model would answer the same, and shows nothing of the picture before.
    page.wait_for("document.querySelector('[data-model=front] .count').textContent === 'Not asked'")
    assert not page.evaluate("document.querySelector('.legend li')")
    assert page.evaluate("document.querySelector('#results').hidden")
    click(page, "#models [value=front]")
    show(page, SELFIE, 1)  # the next picture works
    assert page.evaluate("document.querySelector('#problem').hidden")


def test_everything_can_be_done_with_the_keyboard(page: Browser, service: Running) -> None:
    visited: list[str] = []

    def tab_to(selector: str) -> None:
        for _ in range(40):
            page.press("Tab")
            visited.append(
                page.evaluate("document.activeElement.id || document.activeElement.value")
            )
            if page.evaluate(f"document.activeElement.matches({selector!r})"):
                return
        pytest.fail(f"the key Tab does not reach {selector}: {visited}")

    tab_to("#example")
    assert {"choose", "camera"} <= set(visited)
    page.press("Enter")
    page.wait_for(f"document.querySelectorAll('.face').length > 1 && {IS_IDLE}")
    assert "auto: " in read(page, "#status")
    tab_to("#models [value=front]")
    page.press(" ")
    page.wait_for("document.querySelectorAll('.panel').length === 2")
    tab_to("#score")
    before = read(page, "#score-value")
    page.press("ArrowRight")
    assert read(page, "#score-value") != before
    tab_to("#overlap [value=blend]")
    page.press("ArrowRight")
    page.wait_for(f"document.querySelector('#overlap [value=nms]').checked && {IS_IDLE}")
    tab_to("#tab-faces")
    page.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-crops"
    assert page.evaluate("document.querySelector('#pane-faces').hidden")
    page.press("ArrowLeft")
    tab_to("#faces button")
    page.wait_for("document.querySelectorAll('.chosen').length === 1")
    assert_quiet(page, service)


def test_key_is_asked_for_and_sent(browser: Browser, start: Starter) -> None:
    user, operator = create_key(), create_key()
    lines = [format_line(user, "user"), format_line(operator, "operator", ["docs"])]
    with start(PHIZ_API_KEYS=";".join(lines)) as service:
        # As a browser sends the password that it has asked for.
        browser.open(f"{service.url.replace('://', f'://me:{operator}@')}/")
        browser.wait_for("!document.querySelector('#key-form').hidden")
        assert browser.evaluate("document.querySelector('#controls').hidden")
        browser.evaluate(f"document.querySelector('#key').value = {user!r}")
        browser.evaluate("document.querySelector('#key-form').requestSubmit()")
        browser.wait_for("!document.querySelector('#controls').hidden")
        show(browser, SELFIE, 1)
        assert '-H "X-API-Key: $KEY"' in read(browser, "#curl-detect")
        assert user not in browser.evaluate("document.body.textContent")
        browser.evaluate("sessionStorage.clear()")
