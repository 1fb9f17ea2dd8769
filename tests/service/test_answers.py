import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from phiz.errors import ImageError
from phiz.wire.examples import DETECT_EXAMPLE
from tests.malformed import malformed_inputs

from .running import GROUP, PATIENCE_S, PLAIN, SELFIE, Running, all_received, curl

pytestmark = pytest.mark.integration

REFUSALS = {error.code for error in ImageError.__subclasses__()}


def test_service_is_ready_once_it_says_where_it_listens(service: Running) -> None:
    assert httpx.get(f"{service.url}/readyz").status_code == 200
    assert httpx.get(f"{service.url}/healthz").status_code == 200


@pytest.mark.needs("curl")
def test_the_example_of_the_documentation_is_true(service: Running) -> None:
    status, answer = curl("-F", f"image=@{SELFIE}", f"{service.url}/detect")
    assert status == 200
    assert list(answer.pop("timing_ms")) == list(DETECT_EXAMPLE["timing_ms"])
    (face,), (example,) = answer.pop("faces"), DETECT_EXAMPLE["faces"]
    assert face["box"] == pytest.approx(example["box"], abs=1)
    assert face["score"] == pytest.approx(example["score"], abs=0.01)
    assert face["landmarks"].keys() == example["landmarks"].keys()
    for name, point in face["landmarks"].items():
        assert point == pytest.approx(example["landmarks"][name], abs=1)
    assert answer == {key: DETECT_EXAMPLE[key] for key in ("model", "image", "route")}


@pytest.mark.needs("curl")
@pytest.mark.parametrize("model", ["front", "back", "full", "mtcnn", "yunet", "centerface", "auto"])
def test_form_and_plain_body_give_the_same_faces(service: Running, model: str) -> None:
    form = curl("-F", f"model={model}", "-F", f"image=@{GROUP}", f"{service.url}/detect")
    plain = curl(*PLAIN, f"@{GROUP}", f"{service.url}/detect?model={model}")
    for status, answer in (form, plain):
        assert status == 200
        assert answer["faces"]
        timing = answer.pop("timing_ms")
        parts = {name: timing.pop(name, 0) for name in ("pnet", "rnet", "onet")}
        assert (parts["pnet"] > 0) == (model == "mtcnn")
        assert (parts["onet"] > 0) == (model in {"mtcnn", "auto"})
        total = timing.pop("total")
        assert total == pytest.approx(sum(timing.values()), rel=0.05)
    assert form == plain


def test_each_json_answer_is_compact_and_ends_with_a_line_break(service: Running) -> None:
    image = {"image": SELFIE.read_bytes()}
    several = [("image", b"no picture"), ("image", SELFIE.read_bytes())]
    with httpx.Client(base_url=service.url) as client:
        answers = [
            client.post("/detect", files=image),
            client.post("/detect/batch", files=several),
            client.post("/detect?model=front", files={"image": b"no picture"}),
            client.post("/detect?model=none"),
            client.post("/classify?top=0", files=image),
            client.get("/detect"),
            client.get("/nothing"),
            client.get("/models"),
            client.get("/openapi.json"),
            client.post("/v1/vision/face", files=image),
            client.get("/v1/status/ping"),
            client.post("/api/v1/detection/detect?status=true", files=image),
            client.post("/api/v1/detection/detect", files={"file": b"no picture"}),
            client.post("/v1/vision/scene"),
            client.get("/v2"),
            client.get("/v2/models/auto/ready"),
        ]
    assert {answer.status_code for answer in answers} == {200, 400, 404, 405, 415, 422, 501}
    bodies = [answer.text for answer in answers]
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        bodies.append(all_received(connection).decode().partition("\r\n\r\n")[2])
    for body in bodies:
        assert (
            body == json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False) + "\n"
        )


@pytest.mark.needs("curl")
def test_batch_gets_the_answers_of_its_pictures(service: Running, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no picture")
    image_paths = (SELFIE, tmp_path / "text", GROUP)
    fields = [part for image_path in image_paths for part in ("-F", f"image=@{image_path}")]
    status, several = curl(*fields, "-F", "model=back", f"{service.url}/detect/batch")
    assert status == 200
    alone = [
        curl("-F", f"image=@{image_path}", f"{service.url}/detect?model=back")[1]
        for image_path in image_paths
    ]
    results = several["results"]
    for result in (*results, *alone):
        result.pop("timing_ms", None)
    assert results == alone
    assert [len(result.get("faces", ())) for result in results] == [1, 0, 3]
    assert results[1]["code"] == "unsupported_image"


@pytest.mark.needs("curl")
def test_a_body_that_curl_calls_a_web_form_is_read(service: Running) -> None:
    _, expected = curl("-F", f"image=@{GROUP}", f"{service.url}/detect?model=back")
    status, answer = curl("--data-binary", f"@{GROUP}", f"{service.url}/detect?model=back")
    assert (status, answer["faces"]) == (200, expected["faces"])
    assert answer["faces"]


def test_a_web_form_is_explained(service: Running) -> None:
    status, problem = curl("-d", f"image=@{GROUP}", f"{service.url}/detect")
    assert (status, problem["code"]) == (415, "unsupported_image")
    assert "-F image=@face.jpg" in problem["detail"]


def test_sixteen_at_once_get_their_own_answers(service: Running) -> None:
    image_bytes = GROUP.read_bytes()
    choices = [
        {"model": model, "max_faces": str(max_faces), "overlap": overlap}
        for model in ("front", "back", "full", "mtcnn")
        for max_faces in (1, 2)
        for overlap in ("blend", "nms")
    ]
    assert len(choices) == 16

    async def ask(http: httpx.AsyncClient, choice: dict[str, str]) -> Any:
        response = await http.post("/detect", params=choice, files={"image": image_bytes})
        assert response.status_code == 200
        answer = response.json()
        del answer["timing_ms"]
        return answer

    async def compare() -> None:
        limits = httpx.Limits(max_connections=len(choices))
        async with httpx.AsyncClient(
            base_url=service.url, limits=limits, timeout=PATIENCE_S
        ) as http:
            alone = [await ask(http, choice) for choice in choices]
            together = await asyncio.gather(*(ask(http, choice) for choice in choices))
            assert together == alone
            models = [answer["model"] for answer in together]
            assert models == [choice["model"] for choice in choices]
            assert [len(answer["faces"]) for answer in together] == [1, 1, 2, 2] * 4

    asyncio.run(compare())


@pytest.mark.needs("curl")
def test_malformed_pictures_are_refused_and_it_goes_on(service: Running) -> None:
    inputs = malformed_inputs()
    assert len(inputs) >= 200

    async def ask(http: httpx.AsyncClient, turn: asyncio.Semaphore, image_bytes: bytes) -> None:
        async with turn:
            raw = await http.post("/detect", content=image_bytes)
            form = await http.post("/detect", files={"image": image_bytes})
        for response in (raw, form):
            assert 400 <= response.status_code < 500
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["code"] in REFUSALS

    async def ask_all() -> None:
        turn = asyncio.Semaphore(4)
        async with httpx.AsyncClient(base_url=service.url, timeout=PATIENCE_S) as http:
            await asyncio.gather(*(ask(http, turn, image_bytes) for _, image_bytes in inputs))

    asyncio.run(ask_all())
    status, answer = curl("-F", f"image=@{SELFIE}", f"{service.url}/detect")
    assert (status, len(answer["faces"])) == (200, 1)
    assert service.metric("phiz_inflight_requests") == 0
    assert service.log.read_text() == ""


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_without_a_body(service: Running, path: str) -> None:
    with service.connect() as connection:
        connection.sendall(
            b"HEAD %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % path.encode()
        )
        answer = all_received(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")
