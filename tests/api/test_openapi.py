import asyncio
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from pydantic import BaseModel

from phiz.api.app import create_app
from phiz.api.compat.error_forms import find_error_form
from phiz.api.content.upload import IMAGE_FIELDS
from phiz.wire.picture_schemas import CropAnswer, DetectImageParameters
from phiz.wire.schemas import BatchAnswer, ClassifyAnswer, DetectAnswer, Problem

from .client import REQUEST_LIMITS, Client
from .doubles import command


@pytest.fixture
def operation(client: Client) -> dict[str, Any]:
    operation: dict[str, Any] = client.ask("GET", "/openapi.json").json()["paths"]["/detect"][
        "post"
    ]
    return operation


def test_all_bodies_are_described(operation: dict[str, Any]) -> None:
    content = operation["requestBody"]["content"]
    kinds = ["multipart/form-data", "application/json", "application/octet-stream", "image/*"]
    assert list(content) == kinds  # the page shows the first one
    form = content["multipart/form-data"]["schema"]
    assert form["properties"]["image"]["format"] == "binary"
    assert form["required"] == ["image"]
    described = content["application/json"]
    assert list(described["schema"]["properties"]) == list(form["properties"])
    assert described["schema"]["properties"]["image"]["contentEncoding"] == "base64"
    assert described["example"]["model"] == "auto"
    for name in IMAGE_FIELDS:
        assert f"`{name}`" in operation["requestBody"]["description"] or name == "image"


def test_each_option_is_listed_once(operation: dict[str, Any]) -> None:
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert list(form["properties"]) == ["image"]
    assert form["additionalProperties"]["type"] == "string"  # the options may be fields too
    assert "The form may also hold options" in operation["requestBody"]["description"]


def test_generated_clients_get_names_that_say_what_is_done(client: Client) -> None:
    paths = client.ask("GET", "/openapi.json").json()["paths"]
    names = {
        f"{method.upper()} {path}": operation["operationId"]
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    assert names == {
        "POST /detect": "detect",
        "POST /detect/batch": "detect_batch",
        "POST /crops": "crop",
        "POST /blur": "blur",
        "GET /stream": "open_stream",
        "POST /classify": "classify",
        "GET /models": "list_models",
        "GET /healthz": "get_health",
        "GET /readyz": "get_readiness",
        "GET /metrics": "get_metrics",
        "GET /study": "get_study",
        "POST /v1/vision/face": "detect_like_deepstack",
        "GET /v1/status/ping": "ping_like_deepstack",
        "POST /api/v1/detection/detect": "detect_like_compreface",
        "GET /v2": "get_server_metadata",
        "GET /v2/health/live": "get_server_liveness",
        "GET /v2/health/ready": "get_server_readiness",
        "GET /v2/models/{model}": "get_model_metadata",
        "GET /v2/models/{model}/ready": "get_model_readiness",
        "GET /v2/models/{model}/versions/{version}": "get_version_metadata",
        "GET /v2/models/{model}/versions/{version}/ready": "get_version_readiness",
    }


def test_errors_have_one_schema(client: Client) -> None:
    described = client.ask("GET", "/openapi.json").json()
    schemas = [
        response["content"]["application/problem+json"]["schema"]
        for path, operations in described["paths"].items()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        if int(status) >= 400 and find_error_form(path) is None
    ]
    assert len(schemas) > 20
    assert all(schema == {"$ref": "#/components/schemas/Problem"} for schema in schemas)
    assert "code" in described["components"]["schemas"]["Problem"]["properties"]


def test_every_option_is_described_with_range_and_default(operation: dict[str, Any]) -> None:
    parameters = {entry["name"]: entry for entry in operation["parameters"]}
    deadline = parameters.pop("Phiz-Deadline")
    assert (deadline["in"], deadline["required"]) == ("header", False)
    assert list(parameters) == list(DetectImageParameters.model_fields)
    schema = parameters["max_faces"]["schema"]
    assert (schema["minimum"], schema["maximum"]) == (1, 10000)
    assert parameters["max_faces"]["description"].endswith(" Default: `1000`.")
    assert all("Default: " in entry["description"] for entry in parameters.values())
    assert all(entry["in"] == "query" and entry["description"] for entry in parameters.values())
    assert not any(entry["required"] for entry in parameters.values())


def test_the_page_sends_no_option_that_nobody_chose(operation: dict[str, Any]) -> None:
    # A default there would be sent, and overrule the form's field of the same name.
    assert not any("default" in entry["schema"] for entry in operation["parameters"])
    assert not any("example" in entry["schema"] for entry in operation["parameters"])


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/detect", DetectAnswer),
        ("/detect/batch", BatchAnswer),
        ("/crops", CropAnswer),
        ("/classify", ClassifyAnswer),
    ],
)
def test_every_answer_has_an_example_of_its_schema(
    client: Client, path: str, answer: type[BaseModel]
) -> None:
    responses = client.ask("GET", "/openapi.json").json()["paths"][path]["post"]["responses"]
    common = {"200", "400", "408", "413", "415", "422", "500", "503", "504"}
    fetched = set() if path == "/detect/batch" else {"403"}
    negotiated = {"406"} if path in {"/detect", "/crops"} else set()
    assert set(responses) == common | fetched | negotiated
    told = responses.pop("200")["content"]["application/json"]
    assert told["schema"]["$ref"].endswith(f"/{answer.__name__}")
    answer.model_validate(told["example"])
    for status, response in responses.items():
        example = response["content"]["application/problem+json"]["example"]
        assert Problem.model_validate(example).status == int(status)


@pytest.mark.parametrize(
    ("path", "media_types"),
    [
        ("/detect", {"application/json", "image/jpeg", "image/png", "image/webp"}),
        ("/crops", {"application/json", "application/zip", "multipart/form-data"}),
        ("/blur", {"image/*", "image/jpeg", "image/png", "image/webp"}),
    ],
)
def test_every_format_of_an_answer_is_described_with_its_headers(
    client: Client, path: str, media_types: set[str]
) -> None:
    paths = client.ask("GET", "/openapi.json").json()["paths"]
    responses = paths[path]["post"]["responses"]
    assert set(responses["200"]["content"]) == media_types
    assert set(responses["200"]["headers"]) == {"Server-Timing", "Phiz-Faces"}
    assert "not_acceptable" in responses["406"]["description"]


def test_several_pictures_are_a_form_with_the_same_options(
    client: Client, operation: dict[str, Any]
) -> None:
    batch = client.ask("GET", "/openapi.json").json()["paths"]["/detect/batch"]["post"]
    shared = [each for each in operation["parameters"] if each["name"] != "format"]
    assert batch["parameters"] == shared
    assert list(batch["requestBody"]["content"]) == ["multipart/form-data", "application/json"]
    object_schema = batch["requestBody"]["content"]["application/json"]["schema"]
    assert object_schema["properties"]["images"]["items"]["contentEncoding"] == "base64"
    assert object_schema["required"] == ["images"]
    single = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
    several = batch["requestBody"]["content"]["multipart/form-data"]["schema"]
    picture = several["properties"].pop("image")
    assert picture == {
        "type": "array",
        "minItems": 1,
        "items": single["properties"].pop("image"),
    }
    assert several == single


class Addresses(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = {"link": "href", "script": "src"}.get(tag)
        self.found += [value for key, value in attrs if key == name and value]


def test_the_page_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.ask("GET", "/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http" not in page.text
    addresses = Addresses()
    addresses.feed(page.text)
    files = [address for address in addresses.found if not address.startswith("data:")]
    assert len(files) == 2
    for address in (*files, "openapi.json"):
        assert address in page.text
        assert client.ask("GET", urljoin("/docs", address)).status_code == 200


def test_description_names_the_prefix_of_a_server() -> None:
    app = create_app(command("mirrors"), 2, REQUEST_LIMITS)

    async def ask(prefix: str) -> Any:
        transport = httpx.ASGITransport(app, root_path=prefix)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as asking:
            return (await asking.get(f"{prefix}/openapi.json")).json()

    for prefix in ("/faces", "/others"):
        assert asyncio.run(ask(prefix))["servers"] == [{"url": prefix}]
    assert "servers" not in asyncio.run(ask(""))
