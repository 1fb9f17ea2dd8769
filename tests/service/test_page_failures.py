"""Errors on the page at / when a request fails, in a real browser."""

from pathlib import Path

import pytest
from PIL import Image

from tests.browser import Browser

from .page import click, open_page, read, show
from .running import SELFIE, Running, Starter

pytestmark = [pytest.mark.integration, pytest.mark.needs("chromium")]

UNREACHED = "the service cannot be reached"
# Breaks the requests whose address has a text, as a connection does that is cut off.
BREAK = """{
  const { fetch } = window;
  window.fetch = async (url, request) => {
    if (String(url).includes("TEXT")) throw new TypeError("Failed to fetch");
    return fetch(url, request);
  };
}"""


def read_problem(page: Browser) -> str:
    page.wait_for("!document.querySelector('#problem').hidden")
    return read(page, "#problem")


def test_example_that_cannot_be_loaded_is_told(browser: Browser, start: Starter) -> None:
    with start() as service:
        open_page(browser, service)
        assert service.stop() == 0
        click(browser, "#example")
        assert UNREACHED in read_problem(browser)


def test_example_of_a_proxy_is_told(page: Browser) -> None:
    page.evaluate(
        "{ const { fetch } = window; window.fetch = async (url, request) =>"
        " String(url).endsWith('example.jpg')"
        " ? new Response('<h1>Bad gateway</h1>', { status: 502 }) : fetch(url, request); }"
    )
    click(page, "#example")
    assert "Status 502" in read_problem(page)
    assert "a proxy" in read_problem(page)


def test_answer_that_is_cut_off_is_told(page: Browser) -> None:
    page.evaluate(
        "window.fetch = async () => new Response(new ReadableStream({"
        " pull(body) { body.error(new TypeError('network error')); } })); null"
    )
    click(page, "#example")
    assert UNREACHED in read_problem(page)


def test_answer_of_a_foreign_page_is_told(page: Browser) -> None:
    page.evaluate("window.fetch = async () => new Response('<h1>Sign in</h1>'); null")
    page.choose_file("#file", SELFIE)
    assert "not from the service" in read_problem(page)


def test_picture_that_cannot_be_shown_is_told(page: Browser, tmp_path: Path) -> None:
    picture = tmp_path / "selfie.tiff"  # Chromium reads no TIFF
    Image.open(SELFIE).convert("RGB").save(picture)
    page.evaluate(BREAK.replace("TEXT", "format=jpeg"))
    page.choose_file("#file", picture)
    assert UNREACHED in read_problem(page)
    assert read(page, ".count") == "1 face"
    # The next picture works.
    show(page, SELFIE, 1)
    assert page.evaluate("document.querySelector('#problem').hidden")


def test_page_asks_again_for_what_it_could_not_load(browser: Browser, service: Running) -> None:
    browser.block("*/models")
    browser.open(f"{service.url}/")
    try:
        assert UNREACHED in read_problem(browser)
        browser.evaluate("document.querySelector('#problem').hidden = true")
        browser.choose_file("#file", SELFIE)
        assert UNREACHED in read_problem(browser)
    finally:
        browser.block()
    show(browser, SELFIE, 1)
    assert browser.evaluate("document.querySelector('#problem').hidden")


def test_error_that_nothing_has_caught_is_told(page: Browser) -> None:
    page.evaluate("Promise.reject(new Error('it broke')); null")
    assert "it broke" in read_problem(page)
    page.evaluate("document.querySelector('#problem').hidden = true")
    page.evaluate("setTimeout(() => { throw new Error('it broke again'); }); null")
    assert "it broke again" in read_problem(page)


def test_text_that_cannot_be_copied_is_told(page: Browser, service: Running) -> None:
    del service
    show(page, SELFIE, 1)
    click(page, "#tab-json")
    page.evaluate(
        "navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed'));"
        " document.execCommand = () => false; null"
    )
    click(page, "#pane-json .code button")
    assert "cannot copy the text" in read_problem(page)
    assert page.evaluate("getSelection().toString()").startswith("curl ")
