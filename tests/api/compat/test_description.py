from typing import Any

import pytest
from pydantic import BaseModel

from phiz.api.compat.compreface import ComprefaceAnswer, ComprefaceError, ComprefaceParameters
from phiz.api.compat.deepstack import DeepstackAnswer, DeepstackError, DeepstackParameters
from tests.api.client import Client

ROUTES: dict[str, tuple[type[BaseModel], type[BaseModel], type[BaseModel], str]] = {
    "/v1/vision/face": (DeepstackParameters, DeepstackAnswer, DeepstackError, "image"),
    "/api/v1/detection/detect": (
        ComprefaceParameters,
        ComprefaceAnswer,
        ComprefaceError,
        "file",
    ),
}


@pytest.fixture(scope="module")
def paths(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.ask("GET", "/openapi.json").json()["paths"]
    return found


@pytest.mark.parametrize("path", ROUTES)
def test_route_is_described_with_options_and_body(paths: dict[str, Any], path: str) -> None:
    options, _, _, field = ROUTES[path]
    described = paths[path]["post"]
    names = [entry["name"] for entry in described["parameters"]]
    assert names == [*options.model_fields, "Phiz-Deadline"]
    content = described["requestBody"]["content"]
    form = content["multipart/form-data"]["schema"]
    assert (list(form["properties"]), form["required"]) == ([field], [field])
    assert form["additionalProperties"]["type"] == "string"  # the options may be fields too
    json = content["application/json"]["schema"]
    assert json["properties"][field]["contentEncoding"] == "base64"


@pytest.mark.parametrize("path", ROUTES)
def test_every_answer_has_an_example_of_its_schema(paths: dict[str, Any], path: str) -> None:
    _, answer, error, _ = ROUTES[path]
    responses = paths[path]["post"]["responses"]
    statuses = {"200", "400", "401", "403", "408", "413", "429", "500", "503", "504"}
    assert responses.keys() == statuses
    for status, response in responses.items():
        model = answer if status == "200" else error
        told = response["content"]["application/json"]
        assert told["schema"] == {"$ref": f"#/components/schemas/{model.__name__}"}
        model.model_validate(told["example"])


def test_only_compreface_refuses_an_image_without_a_face(paths: dict[str, Any]) -> None:
    refusing = {
        path
        for path, operations in paths.items()
        if "`no_face`" in str(operations.get("post", {}).get("responses"))
    }
    assert refusing == {"/api/v1/detection/detect"}


def test_each_interface_has_a_tag(paths: dict[str, Any]) -> None:
    tags = {operation["tags"][0] for each in paths.values() for operation in each.values()}
    assert {"DeepStack and CodeProject.AI", "CompreFace", "Open Inference Protocol"} < tags
