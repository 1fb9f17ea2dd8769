import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest

from phiz.api.page.routes import FOLDER
from tests.api.client import Client

EXAMPLE = "example.jpg"
MAX_BYTES = 60_000
MAX_EXAMPLE_BYTES = 40_000
FILES = sorted(path.name for path in (FOLDER / "static").iterdir())
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


class Elements(HTMLParser):
    """Collects the elements of a page with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def elements(client: Client) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(client.ask("GET", "/").text)
    return parser.found


def read_directives(policy: str) -> dict[str, list[str]]:
    return {name: values for name, *values in map(str.split, policy.split(";"))}


@pytest.mark.parametrize("accept", [None, "*/*", BROWSER, "application/json;q=0.1, text/html"])
def test_browser_gets_the_page(client: Client, accept: str | None) -> None:
    headers = {"accept": accept} if accept else {}
    page = client.ask("GET", "/", headers=headers)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["vary"] == "Accept"
    assert page.text.startswith("<!doctype html>")


def test_program_gets_an_index_of_the_routes(client: Client) -> None:
    answer = client.ask("GET", "/", headers={"accept": "application/json"})
    assert (answer.headers["content-type"], answer.headers["vary"]) == (
        "application/json",
        "Accept",
    )
    index = answer.json()
    described = client.ask("GET", "/openapi.json").json()
    assert (index["name"], index["version"]) == ("phiz", described["info"]["version"])
    routes = {(route["method"], route["path"]): route["summary"] for route in index["routes"]}
    assert len(routes) == len(index["routes"])
    assert routes["POST", "/detect"] == "Find the faces of an image"
    assert {path for _, path in routes} == {*described["paths"], "/docs", "/openapi.json"}
    assert all(routes.values())


def test_other_format_is_refused(client: Client) -> None:
    answer = client.ask("GET", "/", headers={"accept": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


def test_page_that_a_browser_has_is_not_sent_again(client: Client) -> None:
    page = client.ask("GET", "/")
    again = client.ask("GET", "/", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == page.headers["content-security-policy"]


def test_policy_allows_own_files_and_no_inline_code(client: Client) -> None:
    headers = client.ask("GET", "/").headers
    directives = read_directives(headers["content-security-policy"])
    assert directives["default-src"] == ["'none'"]
    for name in ("script-src", "style-src", "connect-src"):
        assert directives[name] == ["'self'"]
    assert directives["img-src"] == ["'self'", "blob:"]
    for name in ("base-uri", "form-action", "frame-ancestors"):
        assert directives[name] == ["'none'"]
    assert "camera=(self)" in headers["permissions-policy"]


def test_page_has_no_inline_code_and_only_relative_addresses(
    client: Client, elements: list[tuple[str, dict[str, str | None]]]
) -> None:
    addresses = [
        value
        for _, attributes in elements
        for name in ("src", "href")
        if (value := attributes.get(name)) is not None
    ]
    assert {"page/main.js", "page/page.css", "page/favicon.svg", "docs"} <= set(addresses)
    for address in addresses:
        assert not re.match(r"[a-z]+:|/", address)
        assert client.ask("GET", urljoin("/", address)).status_code == 200
    assert not [name for _, attributes in elements for name in attributes if name[:2] == "on"]
    assert not [tag for tag, attributes in elements if "style" in attributes or tag == "style"]
    assert all("src" in attributes for tag, attributes in elements if tag == "script")


@pytest.mark.parametrize("name", FILES)
def test_files_name_no_other_host(name: str) -> None:
    if name != EXAMPLE:
        text = (FOLDER / "static" / name).read_text("utf-8")
        assert set(re.findall(r"https?://[^\s\"'`]+", text)) <= {"http://www.w3.org/2000/svg"}
        assert "innerHTML" not in text


def test_everything_that_is_a_field_has_a_label(
    elements: list[tuple[str, dict[str, str | None]]],
) -> None:
    labelled = {attributes.get("for") for tag, attributes in elements if tag == "label"}
    fields = [
        attributes
        for tag, attributes in elements
        if tag in {"input", "select"} and "hidden" not in attributes
    ]
    assert len(fields) > 3
    assert [field["id"] for field in fields if field["id"] not in labelled] == []


def test_icon_is_where_browsers_look_for_it(client: Client) -> None:
    icon = client.ask("GET", "/favicon.ico")
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")
    assert icon.content == client.ask("GET", "/page/favicon.svg").content


def test_page_is_small() -> None:
    files = [FOLDER / "index.html", *(FOLDER / "static" / name for name in FILES)]
    sizes = {path.name: path.stat().st_size for path in files}
    assert sizes.pop(EXAMPLE) <= MAX_EXAMPLE_BYTES
    assert sum(sizes.values()) <= MAX_BYTES, sizes
