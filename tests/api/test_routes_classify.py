from typing import Any

import pytest

from phiz.wire.schemas import ClassifyAnswer, ClassifyParameters

from .client import Client, form

STAGES = ["queue", "decode", "preprocess", "inference", "postprocess", "total"]


def test_the_answer_has_what_was_asked_for(client: Client, png: bytes) -> None:
    asked = "/classify?model=efficientnet&precision=float32&top=2"
    response = client.ask("POST", asked, content=png, kind="image/png")
    assert response.status_code == 200
    answer = response.json()
    timing = answer.pop("timing_ms")
    assert answer == {
        "model": "efficientnet",
        "precision": "float32",
        "classes": [
            {"index": 999, "label": "toilet paper", "score": 0.6321},
            {"index": 998, "label": "fruiting spike of a cereal plant", "score": 0.2325},
        ],
    }
    assert list(timing) == STAGES
    expected = ", ".join(f"{name};dur={ms}" for name, ms in timing.items())
    assert response.headers["server-timing"] == expected


def test_without_options_there_are_the_defaults(client: Client, png: bytes) -> None:
    answer = client.ask("POST", "/classify", content=png, kind="image/png").json()
    ClassifyAnswer.model_validate(answer)
    assert (answer["model"], answer["precision"]) == ("efficientnet", "int8")
    assert len(answer["classes"]) == 5


def test_options_come_from_query_and_form_and_the_query_wins(client: Client, png: bytes) -> None:
    body, kind = form(("precision", b"float32"), ("top", b"3"), ("image", png))
    answer = client.ask("POST", "/classify?top=1", content=body, kind=kind).json()
    assert (answer["precision"], len(answer["classes"])) == ("float32", 1)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("top=0", "top is '0'; it must be a whole number from 1 to 1000"),
        ("top=1001", "top is '1001'; it must be a whole number from 1 to 1000"),
        ("top=1_0", "top is '1_0'; it must be a whole number from 1 to 1000"),
        ("top=5&top=5", "'top' is given twice; give it once"),
        ("model=back", "model is 'back'; it must be one of mobilenet, efficientnet"),
        ("precision=bf16", "precision is 'bf16'; it must be one of float32, int8"),
        ("min_score=0", "unknown option 'min_score'; the options are model, precision, top"),
    ],
)
def test_a_wrong_option_is_explained(client: Client, png: bytes, query: str, detail: str) -> None:
    response = client.ask("POST", f"/classify?{query}", content=png, kind="image/png")
    assert (response.status_code, response.json()["code"]) == (422, "bad_option")
    assert detail in response.json()["detail"]


def test_the_options_of_a_detection_are_others(client: Client, png: bytes) -> None:
    for path in ("/detect?top=5", "/detect/batch?top=5"):
        response = client.ask("POST", path, content=png, kind="image/png")
        assert (response.status_code, response.json()["code"]) == (422, "bad_option")


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        pytest.param(b"no picture", "image/png", 415, "unsupported_image", id="text"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "image/png", 400, "undecodable_image", id="cut-short"),
        pytest.param(b"", "image/png", 400, "empty_image", id="empty"),
        pytest.param(bytes(100_001), "image/png", 413, "too_many_bytes", id="bytes"),
        pytest.param(b"x", "text/plain", 415, "unsupported_image", id="content-type"),
        pytest.param(*form(("selfie", b"x")), 400, "missing_image", id="other-field"),
    ],
)
def test_a_wrong_body_is_explained(
    client: Client, content: bytes, kind: str, status: int, code: str
) -> None:
    response = client.ask("POST", "/classify", content=content, kind=kind)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_what_is_not_built_is_an_error_of_the_service(client: Client, png: bytes) -> None:
    response = client.ask("POST", "/classify?model=mobilenet", content=png, kind="image/png")
    assert (response.status_code, response.json()["code"]) == (503, "model_not_built")


def test_it_is_counted_by_its_model_and_has_no_faces(client: Client, png: bytes) -> None:
    labels = {"model": "efficientnet", "outcome": "ok"}
    before = client.metric("phiz_pictures_total", **labels) or 0
    assert client.ask("POST", "/classify", content=png, kind="image/png").is_success
    assert client.metric("phiz_pictures_total", **labels) == before + 1
    assert (client.metric("phiz_request_seconds_count", **labels) or 0) >= 1
    stage = {"model": "efficientnet", "stage": "inference"}
    assert (client.metric("phiz_stage_seconds_count", **stage) or 0) >= 1
    assert client.metric("phiz_faces_total", model="efficientnet") is None


@pytest.fixture
def operation(client: Client) -> Any:
    return client.ask("GET", "/openapi.json").json()["paths"]["/classify"]["post"]


def test_every_option_and_all_bodies_are_described(operation: Any) -> None:
    *parameters, deadline = [entry["name"] for entry in operation["parameters"]]
    assert parameters == list(ClassifyParameters.model_fields)
    assert deadline == "Phiz-Deadline"
    content = operation["requestBody"]["content"]
    kinds = ["multipart/form-data", "application/json", "application/octet-stream", "image/*"]
    assert list(content) == kinds
    assert list(content["multipart/form-data"]["schema"]["properties"]) == ["image"]
