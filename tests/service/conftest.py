import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.browser import Browser, open_browser

from .page import open_page
from .running import SELFIE, SERVE, Running, Starter, environment, running

CAMERA_WH = (320, 320)


@pytest.fixture(scope="package")
def service(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One with two workers, for the tests that leave it as it was."""
    log = tmp_path_factory.mktemp("service") / "log"
    with running([*SERVE, "--workers", "2"], environment(models_folder), log) as service:
        yield service


@pytest.fixture
def start(models_folder: Path, tmp_path: Path) -> Starter:
    return Starter(models_folder, tmp_path)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One whose camera sees a selfie."""
    folder = tmp_path_factory.mktemp("browser")
    frame = io.BytesIO()
    Image.open(SELFIE).convert("RGB").resize(CAMERA_WH, box=(0, 100, 360, 460)).save(frame, "JPEG")
    (folder / "camera.mjpeg").write_bytes(frame.getvalue() * 2)
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    video = f"--use-file-for-fake-video-capture={folder / 'camera.mjpeg'}"
    with open_browser(folder, *camera, video) as browser:
        browser.resize(1000, 900)
        yield browser


@pytest.fixture
def page(browser: Browser, service: Running) -> Browser:
    """The page, ready for a picture."""
    open_page(browser, service)
    return browser
