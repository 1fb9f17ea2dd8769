import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from phiz.api.errors import add_error_handlers
from phiz.api.page.files import PageFiles
from tests.api.client import Client


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    (tmp_path / "page.js").write_text("let x;\n")
    (tmp_path / "page.css").write_text("p {}\n")
    app = FastAPI()
    app.state.methods = {}
    add_error_handlers(app)
    app.mount("/page", PageFiles(directory=tmp_path))
    with asyncio.Runner() as runner:
        yield Client(app, runner)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("page.js", "text/javascript; charset=utf-8"), ("page.css", "text/css; charset=utf-8")],
)
def test_file_has_its_type_and_may_be_kept(client: Client, name: str, media_type: str) -> None:
    first = client.ask("GET", f"/page/{name}")
    assert first.headers["content-type"] == media_type
    assert first.headers["cache-control"] == "private, no-cache"
    again = client.ask("GET", f"/page/{name}", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_unusable_range_is_an_error_of_the_service(client: Client) -> None:
    answer = client.ask("GET", "/page/page.js", headers={"range": "bytes=99-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "bad_range")


def test_missing_file_is_not_found(client: Client) -> None:
    for path in ("/page/other.js", "/page/../page.js", "/page/"):
        assert client.ask("GET", path).status_code == 404
