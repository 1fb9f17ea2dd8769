from typing import Any

import pytest

from phiz.api.compat.deepstack import DeepstackAnswer, DeepstackError
from tests.api.client import Client, form

PATH = "/v1/vision/face"


def ask(client: Client, *parts: tuple[str, bytes], query: str = "") -> tuple[int, Any]:
    body, kind = form(*parts)
    response = client.ask("POST", PATH + query, content=body, kind=kind)
    return response.status_code, response.json()


def test_answer_has_each_face_with_its_corners(client: Client, png: bytes) -> None:
    status, answer = ask(client, ("image", png), ("min_confidence", b"0.45"))
    assert status == 200
    DeepstackAnswer.model_validate(answer, strict=True)
    face = {"confidence": 0.45, "x_min": 0, "y_min": 0, "x_max": 60, "y_max": 40}
    assert answer["predictions"] == 3 * [face]
    assert (answer["success"], answer["count"], answer["code"]) == (True, 3, 200)
    assert (answer["command"], answer["moduleId"]) == ("detect", "phiz")
    assert answer["analysisRoundTripMs"] >= answer["processMs"] >= answer["inferenceMs"] >= 0


def test_limit_is_that_of_deepstack_by_default(client: Client, png: bytes) -> None:
    for parts in ([], [("min_confidence", b"")]):
        _, answer = ask(client, ("image", png), *parts)
        assert {face["confidence"] for face in answer["predictions"]} == {0.4}


def test_fields_without_meaning_are_ignored(client: Client, png: bytes) -> None:
    others = [("api_key", b"secret"), ("userid", b"somebody"), ("min_score", b"x")]
    status, answer = ask(client, ("image", png), *others, query="?camera=door")
    assert (status, answer["count"]) == (200, 3)


def test_model_may_be_chosen_in_the_address(client: Client, png: bytes) -> None:
    _, answer = ask(client, ("image", png), query="?model=front")
    assert answer["moduleName"] == "front"
    status, answer = ask(client, ("image", png), query="?model=facenet")
    assert (status, "one of front, back" in answer["error"]) == (400, True)


@pytest.mark.parametrize(
    ("parts", "status", "told"),
    [
        ([("face", b"x")], 400, "no field 'image'; it has 'face'"),
        ([("image", b"x")], 400, "not an image"),
        ([("image", b"")], 400, "the image is empty"),
        ([("image", 100_001 * b"x")], 413, "the limit is 100000"),
        ([("image", b"x"), ("min_confidence", b"2")], 400, "a number from 0 to 1"),
    ],
    ids=["no-image", "no-picture", "empty", "large", "option"],
)
def test_error_has_the_form_of_the_interface(
    client: Client, parts: list[tuple[str, bytes]], status: int, told: str
) -> None:
    found, answer = ask(client, *parts)
    DeepstackError.model_validate(answer, strict=True)
    assert (found, answer["success"], answer["code"]) == (status, False, status)
    assert told in answer["error"]


def test_wrong_method_names_the_right_one(client: Client) -> None:
    response = client.ask("GET", PATH)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json()["error"] == "GET is not allowed at this address; use POST"


@pytest.mark.parametrize(
    "path",
    ["/face/register", "/face/recognize", "/face/list", "/face/match", "/detection", "/custom/x"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_parts_are_refused_with_what_there_is(client: Client, method: str, path: str) -> None:
    before = client.metric("phiz_rejected_total", reason="not_supported") or 0
    response = client.ask(method, f"/v1/vision{path}")
    assert (response.status_code, response.json()["code"]) == (501, 501)
    assert "POST /v1/vision/face;" in response.json()["error"]
    assert client.metric("phiz_rejected_total", reason="not_supported") == before + 1


def test_ping_answers(client: Client) -> None:
    response = client.ask("GET", "/v1/status/ping")
    assert (response.status_code, response.json()) == (200, {"success": True})


def test_faces_are_counted_as_those_of_detect(client: Client, png: bytes) -> None:
    before = client.metric("phiz_faces_total", model="back") or 0
    ask(client, ("image", png), query="?model=back")
    assert client.metric("phiz_faces_total", model="back") == before + 3
