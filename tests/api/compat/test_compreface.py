import base64
import json
from pathlib import Path
from typing import Any

import pytest

from phiz.api.compat.compreface import (
    ComprefaceAnswer,
    ComprefaceError,
    ComprefaceParameters,
    translate_answer,
)
from phiz.api.content.upload import IMAGE_FIELDS
from phiz.api.service import RequestLimits
from phiz.faces import DetectOptions
from phiz.wire.examples import DETECT_EXAMPLE
from tests.api.client import Client, doubles, form
from tests.api.doubles import BEGUN, MAY_END, command

PATH = "/api/v1/detection/detect"
JSON = "application/json"


def ask(
    client: Client,
    *parts: tuple[str, bytes],
    query: str = "",
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    body, kind = form(*parts)
    response = client.ask("POST", PATH + query, content=body, kind=kind, headers=headers)
    return response.status_code, response.json()


def test_answer_has_each_box(client: Client, png: bytes) -> None:
    status, answer = ask(client, ("file", png), query="?det_prob_threshold=0.8&limit=2")
    assert status == 200
    box = {"probability": 0.8, "x_min": 0, "y_min": 0, "x_max": 60, "y_max": 40}
    assert answer == {"result": 2 * [{"box": box}]}


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ({}, DetectOptions(order="size")),
        ({"limit": "0"}, DetectOptions(order="size")),
        ({"limit": "3"}, DetectOptions(order="size", max_faces=3)),
        ({"limit": "2000000000"}, DetectOptions(order="size", max_faces=10_000)),
        ({"det_prob_threshold": "0.25"}, DetectOptions(order="size", min_score=0.25)),
        ({"face_plugins": "age, pose"}, DetectOptions(order="size", details="pose")),
        ({"face_plugins": "landmarks,mask"}, DetectOptions(order="size")),
    ],
    ids=str,
)
def test_options_are_those_of_detect(query: dict[str, str], options: DetectOptions) -> None:
    assert ComprefaceParameters.model_validate(query).to_arguments() == ("auto", options)


def test_largest_face_comes_first() -> None:
    assert ComprefaceParameters(limit=1).to_arguments()[1].order == "size"


def test_plugins_add_landmarks_and_pose() -> None:
    pose = {"yaw": 1.5, "pitch": -2.0, "roll": 0.5}
    (face,) = DETECT_EXAMPLE["faces"]
    answer = {**DETECT_EXAMPLE, "faces": [{**face, "pose": pose}]}
    options = ComprefaceParameters(face_plugins="landmarks,pose,age", status=True)
    translated = translate_answer(answer, options)
    ComprefaceAnswer.model_validate(translated)
    (found,) = translated["result"]
    assert found["landmarks"] == [[138, 233], [200, 238], [168, 273], [135, 288], [196, 293]]
    assert found["pose"] == pose
    assert found["execution_time"] == {"detector": 8.269}
    versions = dict.fromkeys(("detector", "landmarks", "pose"), "phiz.auto")
    assert translated["plugins_versions"] == versions


def test_status_adds_times_and_versions(client: Client, png: bytes) -> None:
    # As the client of CompreFace writes it.
    _, answer = ask(client, ("file", png), query="?&limit=1&status=True&face_plugins=calculator")
    ComprefaceAnswer.model_validate(answer)
    (face,) = answer["result"]
    assert face["execution_time"]["detector"] > 0
    assert answer["plugins_versions"] == {"detector": "phiz.auto"}


@pytest.mark.parametrize("separator", ["", "\n"], ids=["one-line", "lines"])
def test_image_may_be_base64_in_json(client: Client, png: bytes, separator: str) -> None:
    text = base64.encodebytes(png).decode().replace("\n", separator)
    body = json.dumps({"file": text}).encode()
    response = client.ask("POST", f"{PATH}?limit=1", content=body, kind=JSON)
    assert response.status_code == 200, response.text
    assert response.json()["result"][0]["box"]["x_max"] == 60


def test_options_may_stand_beside_the_image_in_json(client: Client, png: bytes) -> None:
    text = base64.b64encode(png).decode()
    members = {"file": text, "limit": 2, "status": True, "subject": ["ignored"]}
    response = client.ask("POST", PATH, content=json.dumps(members).encode(), kind=JSON)
    assert response.status_code == 200, response.text
    assert len(response.json()["result"]) == 2
    assert response.json()["plugins_versions"] == {"detector": "phiz.auto"}


@pytest.mark.parametrize("name", IMAGE_FIELDS)
def test_image_may_have_each_of_the_usual_names(client: Client, png: bytes, name: str) -> None:
    status, answer = ask(client, (name, png), query="?limit=1")
    assert (status, len(answer["result"])) == (200, 1)


@pytest.mark.parametrize(
    ("body", "kind", "number", "told"),
    [
        (b"x", "multipart/form-data", 0, "no boundary"),
        (b"x", "text/plain", 21, "the image in the field 'file', or the image itself (curl: -F"),
        (b"file=x", "application/x-www-form-urlencoded", 21, "use -F file=@face.jpg"),
        (b'{"file": "x"}', "text/json", 21, "the body is JSON, but the content type"),
    ],
)
def test_unusable_body_is_refused(
    client: Client, body: bytes, kind: str, number: int, told: str
) -> None:
    response = client.ask("POST", PATH, content=body, kind=kind)
    answer = response.json()
    ComprefaceError.model_validate(answer, strict=True)
    assert response.headers["content-type"] == JSON
    assert (response.status_code, answer["code"]) == (400, number)
    assert told in answer["message"]


@pytest.mark.parametrize(
    ("body", "status", "number", "told"),
    [
        (b"{", 400, 0, 'not valid JSON; send an object such as {"file": "<the file'),
        (b"[]", 400, 0, 'not an object; send one such as {"file": "<the file'),
        (b'{"limit": 1}', 400, 33, "no member 'file'; it has 'limit'; send the image in base64"),
        (b'{"file": 1}', 400, 0, "'file' is not a text; send the image in base64, as in {\"file\""),
        (b'{"file": "face.jpg"}', 400, 33, "'file' has the text 'face.jpg'"),
        (b'{"file": "aGVsb"}', 400, 0, "is cut short"),
        ('{"file": "é"}'.encode(), 400, 0, "other characters than base64 has"),
        (b'{"file": "aGVsbG8", "image": "aGVsbG8"}', 400, 0, "the limit of 1 images"),
        (b'{"file": ""}', 400, 21, "the image is empty"),
        (b'{"file": "aGVsbG8="}', 400, 21, "not an image"),
        (b'{"file": "aGVsbG8=", "limit": -1}', 400, 26, "a whole number from 0"),
        (b'{"file": "' + 133_340 * b"A" + b'"}', 413, 0, "the limit is 100000;"),
        (b'{"file": "' + 240_000 * b"A" + b'"}', 413, 0, "the body has 240012 bytes"),
    ],
    ids=[
        *("json", "list", "no-image", "number", "name", "cut", "not-ascii", "two"),
        *("empty", "no-picture", "option", "large", "too-large"),
    ],
)
def test_unusable_json_is_refused(
    client: Client, body: bytes, status: int, number: int, told: str
) -> None:
    response = client.ask("POST", PATH, content=body, kind=JSON)
    answer = response.json()
    ComprefaceError.model_validate(answer, strict=True)
    assert (response.status_code, answer["code"]) == (status, number)
    assert told in answer["message"]


@pytest.mark.parametrize(
    ("query", "part", "number", "told"),
    [
        ("", "face", 33, "the form has no field 'file'; it has 'face'"),
        ("?limit=-1", "file", 26, "a whole number from 0"),
        ("?det_prob_threshold=1.5", "file", 26, "a number from 0 to 1"),
        ("?status=perhaps", "file", 26, "one of true, false"),
    ],
)
def test_error_has_the_form_of_the_interface(
    client: Client, png: bytes, query: str, part: str, number: int, told: str
) -> None:
    status, answer = ask(client, (part, png), query=query)
    assert (status, answer["code"]) == (400, number)
    assert told in answer["message"]


def test_image_without_a_face_is_an_error(tmp_path: Path, png: bytes) -> None:
    (tmp_path / MAY_END).touch()
    with doubles(command("held", tmp_path), RequestLimits(10**6)) as client:
        status, answer = ask(client, ("file", png))
        assert (tmp_path / BEGUN).exists()
        assert (status, answer) == (
            400,
            {"message": "No face is found in the given image", "code": 28},
        )
        count = client.metric("phiz_request_seconds_count", model="auto", outcome="no_face")
        assert count == 1
        assert client.metric("phiz_pictures_total", model="auto", outcome="ok") == 1
        assert client.metric("phiz_rejected_total", reason="no_face") is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/recognition/subjects"),
        ("POST", "/api/v1/recognition/recognize"),
        ("DELETE", "/api/v1/recognition/faces"),
        ("PUT", "/api/v1/recognition/subjects/somebody"),
        ("POST", "/api/v1/verification/verify"),
    ],
)
def test_other_parts_are_refused_with_what_there_is(client: Client, method: str, path: str) -> None:
    response = client.ask(method, path)
    assert (response.status_code, response.json()["code"]) == (501, 41)
    assert "POST /api/v1/detection/detect;" in response.json()["message"]
