"""Bodies whose content type does not say what they are."""

import base64
import json
from codecs import BOM_UTF8
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.client import SIZE_WH, Client, encoded
from tests.api.doubles import LIMITS

JSON = "application/json"
PNG = encoded(SIZE_WH)
LONG = base64.b64encode(PNG.ljust(5000, b"\0")).decode()
OBJECT = json.dumps({"image": LONG, "model": "back"}).encode()


def ask_in_pieces(client: Client, body: bytes, size: int) -> tuple[int, Any]:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    request = client.http.post(
        "/detect?model=back", content=pieces(), headers=[("content-type", JSON)]
    )
    response = client.runner.run(request)
    return response.status_code, response.json()


@pytest.mark.parametrize("kind", [JSON, "application/json; charset=utf-8", "application/x+json"])
@pytest.mark.parametrize("path", ["/detect", "/classify"])
def test_an_image_with_the_type_of_json_is_the_image(client: Client, kind: str, path: str) -> None:
    response = client.ask("POST", path, content=PNG, kind=kind)
    assert response.status_code == 200
    width_height = response.json().get("image", {"width": SIZE_WH[0], "height": SIZE_WH[1]})
    assert (width_height["width"], width_height["height"]) == SIZE_WH


@pytest.mark.parametrize("size", [1, 5, 11, 12, 13, 1000])
@pytest.mark.parametrize("body", [PNG, OBJECT, BOM_UTF8 + OBJECT], ids=["image", "json", "mark"])
def test_a_body_is_known_in_pieces_of_any_size(client: Client, body: bytes, size: int) -> None:
    status, answer = ask_in_pieces(client, body, size)
    assert (status, answer["model"]) == (200, "back")
    assert client.app.state.service.admission.bodies.held_bytes == 0


def test_an_image_with_the_type_of_json_has_the_limit_of_an_image(client: Client) -> None:
    content = PNG.ljust(LIMITS.max_bytes, b"\0")
    assert client.ask("POST", "/detect", content=content, kind=JSON).status_code == 200
    response = client.ask("POST", "/detect", content=content + b"\0", kind=JSON)
    assert (response.status_code, response.json()["code"]) == (413, "too_many_bytes")
    assert f"the limit is {LIMITS.max_bytes};" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/detect", "/detect/batch"])
def test_the_mark_of_the_byte_order_is_skipped_once(client: Client, path: str) -> None:
    content = json.dumps({"images": [LONG]}).encode()
    assert client.ask("POST", path, content=BOM_UTF8 + content, kind=JSON).status_code == 200
    response = client.ask("POST", path, content=2 * BOM_UTF8 + content, kind=JSON)
    assert (response.status_code, response.json()["code"]) == (400, "malformed_body")


def test_json_with_a_mark_and_another_type_is_told_its_type(client: Client) -> None:
    response = client.ask("POST", "/detect", content=BOM_UTF8 + OBJECT, kind="text/plain")
    assert response.status_code == 415
    assert "the body is JSON" in response.json()["detail"]
