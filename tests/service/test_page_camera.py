"""The camera of the page at / in a real browser."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.api.doubles import MAY_END, command
from tests.browser import Browser

from .doubled import doubled
from .page import IS_IDLE, assert_quiet, click, open_page, read, show
from .running import SELFIE, Running, environment, running, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.needs("chromium")]

FRAMES = "Number(document.querySelector('.panel').dataset.frames)"
# Keeps each stream of the camera. A test may hold them back.
SPY = """{
  const { mediaDevices } = navigator;
  const open = mediaDevices.getUserMedia.bind(mediaDevices);
  window.cameras = [];
  window.mayOpen = Promise.resolve();
  mediaDevices.getUserMedia = async (wanted) => {
    const camera = await open(wanted);
    cameras.push(camera);
    await mayOpen;
    return camera;
  };
}"""


@pytest.fixture
def camera(page: Browser) -> Browser:
    """The page with one model that is quick, and a spy on the camera."""
    click(page, "#models [value=front]")
    click(page, "#models [value=auto]")
    page.evaluate(SPY)
    return page


def wait_for_frames(page: Browser, count: int = 3) -> None:
    """Wait until more frames have been answered."""
    page.wait_for(f"{FRAMES} > 0")
    page.wait_for(f"{FRAMES} > {page.evaluate(FRAMES) + count}")


def count_streams(service: Running) -> float:
    return service.metric("phiz_streams")


def test_camera_shows_answered_frames(page: Browser, service: Running) -> None:
    click(page, "#models [value=front]")
    click(page, "#models [value=auto]")
    click(page, "#camera")
    page.wait_for("document.querySelectorAll('canvas + .overlay .face').length === 1")
    wait_for_frames(page)
    page.wait_for("/frames.s . \\d+/.test(document.querySelector('.rate').textContent)")
    page.wait_for("!document.querySelector('#steadiness').hidden")
    assert "blend" in read(page, "#steadiness dt")
    click(page, "#camera")
    assert read(page, "#status") == "The camera is off."
    # The last frame stays, as a picture.
    click(page, "#models [value=back]")
    page.wait_for(f"document.querySelector('[data-model=back] .legend li') && {IS_IDLE}")
    assert_quiet(page, service)


def test_quick_clicks_start_one_camera(camera: Browser, service: Running) -> None:
    camera.evaluate("for (let i = 0; i < 3; i++) document.querySelector('#camera').click()")
    wait_for_frames(camera)
    assert camera.evaluate("cameras.length") == 1
    assert count_streams(service) == 1
    click(camera, "#camera")
    assert not camera.evaluate("cameras.some(({ active }) => active)")
    wait_for(lambda: count_streams(service) == 0)


def test_picture_that_is_opened_before_the_camera_stays(camera: Browser) -> None:
    camera.evaluate("window.mayOpen = new Promise((resolve) => { window.go = resolve; }); null")
    click(camera, "#camera")
    camera.wait_for("cameras.length")
    show(camera, SELFIE, 1)
    camera.evaluate("go()")
    camera.wait_for("!cameras[0].active")
    assert read(camera, "#camera") == "Camera"
    assert camera.evaluate("document.querySelector('.view img').naturalWidth") == 360


def test_options_that_change_leave_one_stream(camera: Browser, service: Running) -> None:
    click(camera, "#camera")
    wait_for_frames(camera)
    # Two of the three changes come before the stream of the one before is open.
    camera.evaluate(
        "for (const value of ['nms', 'blend', 'nms'])"
        " document.querySelector(`#overlap [value=${value}]`).click()"
    )
    camera.wait_for("document.querySelector('#overlap [value=nms]').checked")
    wait_for_frames(camera, 10)
    assert count_streams(service) == 1
    click(camera, "#camera")
    wait_for(lambda: count_streams(service) == 0)
    assert_quiet(camera, service)


def test_hidden_tab_sends_nothing_and_goes_on_when_it_is_seen(
    camera: Browser, service: Running
) -> None:
    click(camera, "#camera")
    wait_for_frames(camera)
    with camera.hide():
        wait_for(lambda: count_streams(service) == 0)
    wait_for_frames(camera)
    assert count_streams(service) == 1
    assert camera.evaluate("document.querySelector('#problem').hidden")
    click(camera, "#camera")
    assert_quiet(camera, service)


def test_camera_that_is_taken_away_is_told(camera: Browser) -> None:
    click(camera, "#camera")
    wait_for_frames(camera)
    # As a browser does when it is unplugged.
    camera.evaluate(
        "const [track] = cameras[0].getTracks(); track.stop();"
        " track.dispatchEvent(new Event('ended'))"
    )
    camera.wait_for("!document.querySelector('#problem').hidden")
    assert "it was taken away" in read(camera, "#problem")
    assert read(camera, "#camera") == "Camera"


def test_page_pauses_however_a_proxy_says_how_long(camera: Browser) -> None:
    click(camera, "#overlap [value=both]")  # by POST
    camera.evaluate(
        "window.asked = []; window.fetch = async () => { asked.push(performance.now());"
        " return new Response('', { status: 429, headers: {"
        " 'Retry-After': 'Wed, 21 Oct 2015 07:28:00 GMT' } }); }; null"
    )
    click(camera, "#camera")
    times_ms = camera.wait_for("asked.length > 5 && asked")
    assert min(later - sooner for sooner, later in pairwise(times_ms)) > 190
    assert "Status 429" in read(camera, "#problem")
    click(camera, "#camera")


def test_frames_that_are_late_are_told_and_do_not_end_the_view(
    browser: Browser, models_folder: Path, tmp_path: Path
) -> None:
    served = doubled(command("late", tmp_path), deadline_s=0.5, hangs_s=60)
    with running(served, environment(models_folder), tmp_path / "log") as service:
        open_page(browser, service)
        click(browser, "#camera")
        browser.wait_for("!document.querySelector('#problem').hidden")
        assert "deadline_exceeded" in read(browser, "#problem")
        wait_for(lambda: service.metric("phiz_frames_total", outcome="deadline_exceeded") > 1)
        (tmp_path / MAY_END).touch()
        wait_for_frames(browser)
        assert browser.evaluate("document.querySelector('#problem').hidden")
        assert read(browser, "#camera") == "Stop"
        assert count_streams(service) == 1
        click(browser, "#camera")
