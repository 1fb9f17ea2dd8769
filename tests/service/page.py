"""Actions of a reader on the page at /, and the texts and pictures that appear there."""

from pathlib import Path
from typing import Any

import httpx

from tests.browser import Browser

from .running import PATIENCE_S, Running

IS_IDLE = "!document.querySelector('[aria-busy=true]')"


def open_page(browser: Browser, service: Running) -> None:
    """Open the page, and wait until it is ready for a picture."""
    browser.console.clear()
    browser.requests.clear()
    browser.open(f"{service.url}/")
    browser.wait_for("!document.querySelector('#controls').hidden")


def click(page: Browser, selector: str) -> None:
    page.evaluate(f"document.querySelector({selector!r}).click()")


def read(page: Browser, selector: str) -> str:
    text: str = page.evaluate(f"document.querySelector({selector!r}).textContent")
    return text


def set_slider(page: Browser, selector: str, value: float) -> None:
    page.evaluate(
        f"{{ const slider = document.querySelector({selector!r}); slider.value = {value};"
        " slider.dispatchEvent(new Event('input')); }"
    )


def show(page: Browser, picture: Path, faces: int) -> None:
    """Choose a picture, and wait for its faces."""
    page.choose_file("#file", picture)
    page.wait_for(f"document.querySelectorAll('.face').length === {faces} && {IS_IDLE}")


def detect(service: Running, picture: Path, **options: Any) -> Any:
    answer = httpx.post(
        f"{service.url}/detect", content=picture.read_bytes(), params=options, timeout=PATIENCE_S
    )
    return answer.json()


def assert_quiet(page: Browser, service: Running) -> None:
    """Nothing left the origin, and the browser did not complain."""
    assert page.console == []
    own = (f"{service.url}/", f"blob:{service.url}/", service.url.replace("http", "ws"))
    assert [url for url in page.requests if not url.startswith(own)] == []
    assert len(page.requests) > 5
