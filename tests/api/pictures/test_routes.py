"""Images as answers, from workers whose detectors are doubles: the whole image is three faces."""

import asyncio
import io
import json
import zipfile
from typing import Any

import pytest
from PIL import Image as Pillow
from starlette.types import Message

from phiz.api.pictures.response import PictureResponse
from phiz.wire.messages import EncodedAnswer
from phiz.wire.picture_schemas import CropAnswer
from tests.api.client import SIZE_WH, Client, encoded, form, mirrors, started

STAGES = ["queue", "decode", "preprocess", "inference", "postprocess", "render"]


def read_stages(header: str) -> list[str]:
    return [entry.partition(";")[0] for entry in header.split(", ")]


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_the_header_accept_answers_the_annotated_image(
    client: Client, png: bytes, kind: str
) -> None:
    accept = {"accept": f"image/{kind}"}
    response = client.ask("POST", "/detect?max_faces=1", content=png, headers=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"image/{kind}"
    assert response.headers["phiz-faces"] == "1"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert read_stages(response.headers["server-timing"]) == [*STAGES, "total"]
    image = Pillow.open(io.BytesIO(response.content))
    assert (image.format, image.size) == (kind.upper(), SIZE_WH)
    assert len(image.convert("RGB").getcolors(10_000) or ()) > 2


def test_an_option_in_the_query_or_the_form_answers_it_too(client: Client, png: bytes) -> None:
    body, kind = form(("image", png), ("format", b"png"))
    by_form = client.ask("POST", "/detect", content=body, kind=kind)
    by_query = client.ask("POST", "/detect?format=png", content=png)
    assert by_form.headers["content-type"] == by_query.headers["content-type"] == "image/png"
    assert by_form.content == by_query.content


def test_json_stays_as_it_was(client: Client, png: bytes) -> None:
    for headers in ({}, {"accept": "*/*"}, {"accept": "application/json"}):
        response = client.ask("POST", "/detect", content=png, headers=headers)
        assert response.headers["content-type"] == "application/json"
        assert "phiz-faces" not in response.headers
        assert "render" not in response.json()["timing_ms"]


@pytest.mark.parametrize("path", ["/detect", "/crops", "/blur"])
def test_another_format_is_refused_as_json(client: Client, png: bytes, path: str) -> None:
    response = client.ask("POST", path, content=png, headers={"accept": "image/tiff"})
    assert response.status_code == 406
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "not_acceptable"


@pytest.mark.parametrize("path", ["/detect", "/crops", "/blur"])
def test_the_error_of_an_image_is_json_whatever_is_accepted(client: Client, path: str) -> None:
    response = client.ask("POST", f"{path}?model=back", content=b"no image")
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_image")


def test_crops_are_an_archive_a_form_or_json(client: Client, png: bytes) -> None:
    archive = client.ask("POST", "/crops?size=32", content=png)
    assert archive.headers["content-type"] == "application/zip"
    assert archive.headers["content-disposition"] == 'attachment; filename="faces.zip"'
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        assert files.namelist() == ["faces.json", *(f"face-{n}.jpg" for n in (1, 2, 3))]
        CropAnswer.model_validate_json(files.read("faces.json"))
        assert Pillow.open(io.BytesIO(files.read("face-1.jpg"))).size == (32, 32)
    headers = {"accept": "multipart/form-data"}
    parts = client.ask("POST", "/crops?size=32", content=png, headers=headers)
    assert parts.headers["content-type"].startswith("multipart/form-data; boundary=")
    headers = {"accept": "application/json"}
    answer = client.ask("POST", "/crops?size=32", content=png, headers=headers)
    document = answer.json()
    CropAnswer.model_validate(document)
    assert all(face["crop"]["image"] for face in document["faces"])
    for response in (archive, parts, answer):
        assert response.headers["phiz-faces"] == "3"
        assert read_stages(response.headers["server-timing"]) == [*STAGES, "total"]


def test_a_covered_image_has_its_own_format_or_another(client: Client) -> None:
    file = io.BytesIO()
    Pillow.new("RGB", SIZE_WH, "teal").save(file, "JPEG")
    own = client.ask("POST", "/blur?kind=solid&rotate=none", content=file.getvalue())
    assert own.headers["content-type"] == "image/jpeg"
    assert own.headers["phiz-faces"] == "3"
    pixels = Pillow.open(io.BytesIO(own.content)).convert("RGB")
    assert pixels.getextrema() == ((0, 0),) * 3
    headers = {"accept": "image/webp"}
    other = client.ask("POST", "/blur?rotate=none", content=file.getvalue(), headers=headers)
    assert other.headers["content-type"] == "image/webp"


def test_requests_are_counted_by_route(png: bytes) -> None:
    with started(mirrors()) as client:
        client.ask("POST", "/detect", content=png)
        client.ask("POST", "/detect?format=png", content=png)
        client.ask("POST", "/blur?rotate=none", content=png)
        client.ask("POST", "/blur", content=b"no image")
        client.ask("POST", "/crops", content=png, headers={"accept": "image/png"})
        name = "phiz_render_seconds_count"
        assert client.metric(name, route="/detect", outcome="ok") == 1
        assert client.metric(name, route="/blur", outcome="ok") == 1
        assert client.metric(name, route="/blur", outcome="unsupported_image") == 1
        assert client.metric(name, route="/crops", outcome="not_acceptable") == 1
        assert client.metric("phiz_stage_seconds_count", model="auto", stage="render") == 1


def test_forecasts_of_a_detection_learn_nothing_of_images(png: bytes) -> None:
    with started(mirrors()) as client:
        latencies = client.app.state.service.pool.latencies
        client.ask("POST", "/detect?model=back", content=png)
        before = latencies.estimate_least_s("back")
        for _ in range(5):
            client.ask("POST", "/blur?model=back&rotate=none&format=webp", content=png)
        assert latencies.estimate_least_s("back") == before
        assert latencies.estimate_least_s("back", "blur webp") > 0
        assert latencies.estimate_least_s("back", "crop") == before


def test_bytes_of_an_answer_are_held_until_it_is_sent(client: Client) -> None:
    places = client.app.state.service.admission.bodies
    response = client.ask("POST", "/blur?format=png&rotate=none", content=encoded((200, 150)))
    assert response.status_code == 200
    assert places.held_bytes == 0


def build_answer(body: bytes) -> EncodedAnswer:
    return EncodedAnswer(body, "total;dur=1", 2, {}, {}, 1.0, "image/png")


async def send_response(body: bytes, pause_s: float = 0.0) -> tuple[list[Message], list[Any]]:
    released: list[Any] = []
    sent: list[Message] = []

    async def send(message: Message) -> None:
        assert not released
        await asyncio.sleep(pause_s)
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is asked")

    response = PictureResponse(build_answer(body), lambda: released.append(True))
    await response({"type": "http"}, receive, send)
    return sent, released


@pytest.mark.parametrize("size", [0, 1, 1 << 18, (1 << 18) + 1, 1_000_000])
def test_an_answer_is_sent_in_parts_and_then_released(size: int) -> None:
    body = bytes(index % 251 for index in range(size))
    sent, released = asyncio.run(send_response(body))
    start, *parts = sent
    headers = dict(start["headers"])
    assert headers[b"content-length"] == str(size).encode()
    assert headers[b"phiz-faces"] == b"2"
    assert b"".join(part["body"] for part in parts) == body
    assert [part["more_body"] for part in parts] == [True] * (len(parts) - 1) + [False]
    assert max(len(part["body"]) for part in parts) <= 1 << 18
    assert released == [True]


def test_an_answer_that_cannot_be_sent_is_released() -> None:
    released: list[bool] = []

    async def send(_: Message) -> None:
        raise ConnectionResetError

    async def receive() -> Message:
        raise AssertionError("nothing is asked")

    response = PictureResponse(build_answer(b"x"), lambda: released.append(True))
    with pytest.raises(ConnectionResetError):
        asyncio.run(response({"type": "http"}, receive, send))
    assert released == [True]


def test_errors_are_described_in_json(client: Client, png: bytes) -> None:
    response = client.ask("POST", "/crops?size=9", content=png)
    assert json.loads(response.content)["detail"] == (
        "size is '9'; it must be a whole number from 16 to 1024"
    )
