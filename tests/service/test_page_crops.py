"""Crops and covered faces of the page at / in a real browser, which are those of what it shows."""

import pytest

from tests.browser import Browser

from .page import IS_IDLE, assert_quiet, click, detect, read, set_slider, show
from .running import GROUP, SELFIE, Running

pytestmark = [pytest.mark.integration, pytest.mark.needs("chromium")]

CROPS = "document.querySelectorAll('#crops-list img').length"
COVERED = "document.querySelectorAll('#blur-result img').length"
ZIP_IS_OFFERED = "document.querySelector('#crops-zip').checkVisibility()"
# Holds back the answers of a route, until the page has called window.go().
HOLD = """{
  const { fetch } = window;
  const held = new Promise((resolve) => { window.go = resolve; });
  window.asked = window.ended = 0;
  window.fetch = async (url, request) => {
    if (!String(url).includes("/crops")) return fetch(url, request);
    window.asked += 1;
    try {
      const response = await fetch(url, request);
      await held;
      return response;
    } finally {
      window.ended += 1;
    }
  };
}"""


@pytest.fixture
def group(page: Browser, service: Running) -> Browser:
    """The page with a picture of several faces, and its crops."""
    count = len(detect(service, GROUP)["faces"])
    show(page, GROUP, count)
    click(page, "#tab-crops")
    cut_out(page, count)
    return page


def cut_out(page: Browser, count: int) -> None:
    page.evaluate("document.querySelector('#crops-form').requestSubmit()")
    page.wait_for(f"{CROPS} === {count} && {ZIP_IS_OFFERED}")


def choose(page: Browser, selector: str, value: str) -> None:
    page.evaluate(
        f"{{ const field = document.querySelector({selector!r}); field.value = {value!r};"
        " field.dispatchEvent(new Event('change', { bubbles: true })); }"
    )


def test_crops_go_when_the_limits_change(group: Browser, service: Running) -> None:
    count = group.evaluate(CROPS)
    set_slider(group, "#score", 0.9)
    assert group.evaluate(CROPS) == 0
    assert not group.evaluate(ZIP_IS_OFFERED)
    cut_out(group, count)
    click(group, "#own-limit")
    assert group.evaluate(CROPS) == 0
    assert_quiet(group, service)


def test_crops_go_when_their_options_change(group: Browser) -> None:
    choose(group, "#crops-align", "eyes")
    assert group.evaluate(CROPS) == 0


def test_crops_go_when_another_model_is_looked_at(group: Browser) -> None:
    click(group, "#models [value=yunet]")
    group.wait_for(f"document.querySelector('[data-model=yunet] .legend li') && {IS_IDLE}")
    assert group.evaluate(CROPS) > 0
    choose(group, "#answer", "yunet")
    assert group.evaluate(CROPS) == 0


def test_covered_faces_stay_as_long_as_their_options(group: Browser) -> None:
    click(group, "#tab-blur")
    group.evaluate("document.querySelector('#blur-form').requestSubmit()")
    group.wait_for(f"{COVERED} === 1")
    set_slider(group, "#score", 0.9)  # of other requests
    assert (group.evaluate(COVERED), group.evaluate(CROPS)) == (1, 0)
    choose(group, "#blur-kind", "solid")
    assert group.evaluate(COVERED) == 0


def test_crops_that_come_too_late_are_not_shown(group: Browser) -> None:
    group.evaluate(HOLD)
    group.evaluate("document.querySelector('#crops-form').requestSubmit()")
    group.wait_for("asked")
    show(group, SELFIE, 1)
    group.evaluate("go()")
    group.wait_for("ended && !document.querySelector('#crops-form .primary').disabled")
    assert group.evaluate(CROPS) == 0
    assert group.evaluate("document.querySelector('#problem').hidden")


def test_crops_of_the_camera_go_with_it(page: Browser, service: Running) -> None:
    click(page, "#models [value=front]")
    click(page, "#models [value=auto]")
    click(page, "#camera")
    page.wait_for("document.querySelectorAll('canvas + .overlay .face').length === 1")
    page.wait_for("!document.querySelector('#results').hidden")
    click(page, "#tab-crops")
    cut_out(page, 1)
    frames = "Number(document.querySelector('.panel').dataset.frames)"
    page.wait_for(f"{frames} > {page.evaluate(frames) + 15}")
    assert page.evaluate(CROPS) == 1  # while the camera runs, they are those of the click
    click(page, "#camera")
    assert read(page, "#camera") == "Camera"
    assert page.evaluate(CROPS) == 0
    assert_quiet(page, service)
