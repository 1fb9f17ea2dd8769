import pytest

import phiz
from phiz.api.compat.kserve import KserveError, ModelMetadata
from phiz.models.catalog import load_catalog
from phiz.workers.pool import WorkerPool
from tests.api.client import REQUEST_LIMITS, Client, doubles
from tests.api.doubles import command

MODELS = [*(spec.name for spec in load_catalog().get_models("face")), "auto"]


def test_server_says_what_it_is(client: Client) -> None:
    response = client.ask("GET", "/v2")
    assert response.json() == {"name": "phiz", "version": phiz.__version__, "extensions": []}


def test_server_is_live_and_ready(client: Client) -> None:
    assert client.ask("GET", "/v2/health/live").json() == {"live": True}
    assert client.ask("GET", "/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("version", ["", "/versions/1"])
def test_model_is_described_and_ready(client: Client, name: str, version: str) -> None:
    answer = client.ask("GET", f"/v2/models/{name}{version}").json()
    ModelMetadata.model_validate(answer, strict=True)
    assert (answer["name"], answer["versions"]) == (name, ["1"])
    assert [each["datatype"] for each in (*answer["inputs"], *answer["outputs"])] == 2 * ["BYTES"]
    ready = client.ask("GET", f"/v2/models/{name}{version}/ready")
    assert ready.json() == {"name": name, "ready": True}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v2/models/resnet", "no model 'resnet'; the models are front, back"),
        ("/v2/models/resnet/ready", "no model 'resnet'"),
        ("/v2/models/mobilenet", "no model 'mobilenet'"),  # a classifier
        ("/v2/models/front/versions/2", "the model front has no version '2'; its version is 1"),
        ("/v2/models/front/versions/2/ready", "no version '2'"),
        ("/v2/models/" + 100 * "x", "no model 'xxx"),
    ],
)
def test_unknown_model_is_refused(client: Client, path: str, told: str) -> None:
    response = client.ask("GET", path)
    KserveError.model_validate(response.json(), strict=True)
    assert response.status_code == 404
    assert told in response.json()["error"]
    assert len(response.json()["error"]) < 150


@pytest.mark.parametrize(
    "path", ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/auto/versions/1/ready"]
)
def test_health_checks_may_send_head(client: Client, path: str) -> None:
    response = client.ask("HEAD", path)
    assert response.status_code == 200
    wrong = client.ask("POST", path)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/v2/models/auto/infer", "/v2/models/auto/versions/1/infer"])
def test_inference_is_refused_with_what_there_is(client: Client, path: str) -> None:
    response = client.ask("POST", path)
    assert response.status_code == 501
    assert response.json()["error"].endswith("send the image to POST /detect")


def test_service_without_workers_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    with doubles(command("mirrors"), REQUEST_LIMITS) as client:
        monkeypatch.setattr(WorkerPool, "is_healthy", False)
        for path in ("/v2/health/ready", "/v2/models/front/ready"):
            response = client.ask("GET", path)
            assert (response.status_code, response.headers["retry-after"]) == (503, "1")
            assert "try again" in response.json()["error"]
        assert client.ask("GET", "/v2/health/live").status_code == 200
