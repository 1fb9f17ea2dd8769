import io
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow

import phiz
from phiz.errors import (
    ApiKeyError,
    EmptyImageError,
    ModelNotBuiltError,
    OptionError,
    OverloadedError,
    RateLimitError,
    ServiceAnswerError,
    ServiceConnectionError,
    UnsupportedImageError,
)
from phiz.options import DETECT_OPTIONS, CropKeywords, DetectKeywords
from phiz.sdk.client import Client
from phiz.sdk.local import LocalEngine
from phiz.timings import STAGES
from tests.service.running import GROUP, PICTURES, SELFIE, Running

from .server import Answer, Asked, problem, refusing_each_third, serving

pytestmark = pytest.mark.integration

CANVASES = sorted(PICTURES.glob("*_*x*.png"))


@pytest.fixture
def client(service: Running) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client


@pytest.mark.parametrize("model", DETECT_OPTIONS["model"].choices)
def test_answers_over_http_are_those_in_process(
    client: Client, local: LocalEngine, model: str
) -> None:
    results = [client.detect(path, model) for path in CANVASES]
    assert results == [local.detect(path, model) for path in CANVASES]
    assert sum(len(result.faces) for result in results) > 1
    for result in results:
        assert list(result.timings.stages) == list(STAGES)
        assert result.timings.total_s > 0
    assert len(CANVASES) == 3


@pytest.mark.parametrize(
    "options",
    [
        {"details": "all", "order": "size", "max_faces": 2},
        {"min_face": 60.5, "overlap": "nms", "rotate": "auto"},
        {"input_size": 320, "min_score": 0.25, "passes": 2},
    ],
    ids=str,
)
def test_options_mean_the_same_over_http(
    client: Client, local: LocalEngine, options: DetectKeywords
) -> None:
    assert client.detect(GROUP, **options) == local.detect(GROUP, **options)


def test_array_bytes_and_path_have_the_same_faces(client: Client) -> None:
    pixels = np.asarray(Pillow.open(GROUP).convert("RGB"))
    result = client.detect(pixels, "back")
    assert_type(result, phiz.DetectionResult)
    assert result == client.detect(GROUP.read_bytes(), "back") == client.detect(str(GROUP), "back")


def test_classes_over_http_are_those_in_process(client: Client, local: LocalEngine) -> None:
    found = client.classify(SELFIE, "mobilenet", precision="float32", top=4)
    assert found == local.classify(SELFIE, "mobilenet", precision="float32", top=4)
    assert (len(found.classes), list(found.timings.stages)) == (4, list(STAGES))


def test_images_over_http_are_those_in_process(client: Client, local: LocalEngine) -> None:
    annotated = client.annotate(GROUP, format="png", max_faces=3)
    assert_type(annotated, phiz.ImageResult)
    assert annotated == local.annotate(GROUP, format="png", max_faces=3)
    assert (annotated.media_type, annotated.face_count) == ("image/png", 3)
    assert client.annotate(GROUP, "front").media_type == "image/jpeg"
    covered = client.blur(GROUP, kind="blur", grow=0.1, format="webp")
    assert covered == local.blur(GROUP, kind="blur", grow=0.1, format="webp")
    own = client.blur(GROUP)
    assert own == local.blur(GROUP)
    assert (own.media_type, own.face_count >= 4) == ("image/png", True)
    for result in (annotated, covered, own):
        assert list(result.timings.stages) == [*STAGES, "render"]
        assert result.timings.stages["render"] > 0
        assert sum(result.timings.stages.values()) == pytest.approx(
            result.timings.total_s, abs=1e-4
        )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"size": 64, "align": "eyes", "margin": 0.25, "encoding": "png"},
        {"max_faces": 2, "details": "all"},
    ],
    ids=str,
)
def test_crops_over_http_are_those_in_process(
    client: Client, local: LocalEngine, options: CropKeywords
) -> None:
    result = client.crop(GROUP, **options)
    assert result == local.crop(GROUP, **options)
    assert [crop.face for crop in result.crops] == list(result.detection.faces)
    assert {crop.size for crop in result.crops} == {options.get("size", 112)}
    for crop in result.crops:
        with Pillow.open(io.BytesIO(crop.content)) as image:
            assert (image.size, image.get_format_mimetype()) == ((crop.size,) * 2, crop.media_type)


def test_errors_of_images_are_those_of_the_service(client: Client) -> None:
    with pytest.raises(UnsupportedImageError):
        client.blur(b"no image")
    with pytest.raises(OptionError, match="size is '9'; it must be a whole number from 16 to 1024"):
        client.crop(SELFIE, size=9)
    with pytest.raises(OptionError, match="kind"):
        client.blur(SELFIE, kind="none")  # type: ignore[arg-type]  # on purpose
    with (
        serving(lambda _: Answer(200, b"<html>")) as served,
        Client(served.url) as lost,
        pytest.raises(ServiceAnswerError),
    ):
        lost.blur(SELFIE)


def test_batch_has_the_faces_or_the_error_of_each_image(client: Client, local: LocalEngine) -> None:
    first, wrong, last = client.detect_batch([SELFIE, b"no image", GROUP], "front")
    assert (first, last) == (local.detect(SELFIE, "front"), local.detect(GROUP, "front"))
    assert isinstance(wrong, UnsupportedImageError)
    assert (wrong.status, bool(wrong.request_id)) == (415, True)


def test_errors_are_those_of_the_service(client: Client, service: Running, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedImageError, match="the 8 bytes are not an image") as caught:
        client.detect(b"no image")
    assert (caught.value.status, caught.value.retry_after_s) == (415, None)
    assert caught.value.request_id
    with pytest.raises(EmptyImageError):
        client.detect(b"")
    with pytest.raises(OptionError, match="min_score is '2'"):
        client.detect(SELFIE, min_score=2)
    with pytest.raises(ModelNotBuiltError, match="phiz models build --group classify"):
        client.classify(SELFIE, "efficientnet")
    with pytest.raises(FileNotFoundError):
        client.detect(tmp_path / "none.jpg")
    with (
        Client(f"{service.url}/elsewhere") as lost,
        pytest.raises(ServiceAnswerError, match="not_found: there is nothing at this address"),
    ):
        lost.detect(SELFIE)


def test_service_tells_its_models_and_its_state(client: Client) -> None:
    assert [model.name for model in client.models().models] == list(DETECT_OPTIONS["model"].choices)
    assert client.is_healthy()
    assert client.is_ready()
    with (
        serving(lambda _: problem(503, "not_ready", Retry_After="1")) as served,
        Client(served.url) as starting,
    ):
        assert not starting.is_ready()
        assert not starting.is_healthy()
        assert [asked.target for asked in served.asked] == ["/readyz", "/healthz"]


def test_many_are_all_answered_in_order_by_a_service_that_refuses_a_third(
    service: Running, numbered: dict[tuple[int, int], bytes]
) -> None:
    with (
        refusing_each_third(service.url, "0", "Sun, 06 Nov 1994 08:49:37 GMT") as served,
        Client(served.url) as client,
    ):
        outcomes = list(client.detect_many(iter(numbered.values()), "front"))
    results = [each for each in outcomes if isinstance(each, phiz.DetectionResult)]
    assert [(result.width, result.height) for result in results] == list(numbered)
    assert all(len(result.faces) == 1 for result in results)
    assert len(served.asked) == 179  # 59 of them were refused


def test_many_go_on_after_an_image_that_is_none(client: Client) -> None:
    images = [SELFIE.read_bytes(), b"no image", SELFIE.read_bytes()]
    first, wrong, last = client.detect_many(images, "front", concurrency=2)
    assert isinstance(wrong, UnsupportedImageError)
    assert first == last


def test_time_that_the_service_asks_for_is_waited() -> None:
    answers = iter(
        [problem(503, "overloaded", Retry_After="1"), problem(429, "x", Retry_After="0")]
    )
    with (
        serving(lambda _: next(answers, Answer(200, b"alive"))) as served,
        Client(served.url) as client,
    ):
        began = time.monotonic()
        with pytest.raises(ServiceAnswerError, match="not one of phiz"):
            client.models()
        assert time.monotonic() - began >= 1
        assert len(served.asked) == 3


def test_attempts_and_their_time_are_bounded() -> None:
    with (
        serving(lambda _: problem(503, "overloaded", "busy", Retry_After="0")) as served,
        Client(served.url, attempts=3) as client,
    ):
        with pytest.raises(OverloadedError) as caught:
            client.detect(b"image")
        assert (len(served.asked), caught.value.retry_after_s) == (3, 0)
        deadlines = [float(asked.headers["phiz-deadline"]) for asked in served.asked]
        assert 27 >= deadlines[0] > deadlines[1] > deadlines[2] > 20
    with (
        serving(lambda _: problem(429, "rate_exceeded", Retry_After="60")) as served,
        Client(served.url) as client,
    ):
        with pytest.raises(RateLimitError) as limited:
            client.detect(b"image", timeout_s=20)
        assert (len(served.asked), limited.value.retry_after_s) == (1, 60)


def test_other_errors_are_not_repeated() -> None:
    with (
        serving(lambda _: problem(401, "invalid_api_key")) as served,
        Client(served.url) as client,
    ):
        with pytest.raises(ApiKeyError):
            client.detect(b"image")
        assert len(served.asked) == 1


def test_key_and_program_are_told_to_the_service() -> None:
    with serving(lambda _: problem(500, "internal")) as served:
        for key in ("the key", None):
            with Client(served.url, api_key=key) as client, pytest.raises(phiz.PhizError):
                client.detect(b"image")
    first, second = (asked.headers for asked in served.asked)
    assert first["x-api-key"] == "the key"
    assert first["user-agent"] == f"phiz/{phiz.__version__}"
    assert "x-api-key" not in second


def test_late_answer_is_an_error_of_the_connection() -> None:
    gate = threading.Event()

    def wait(_: Asked) -> Answer:
        gate.wait()
        return Answer(200)

    with serving(wait) as served, Client(served.url) as client:
        try:
            with pytest.raises(ServiceConnectionError, match=r"not within 0\.1 s"):
                client.detect(b"image", timeout_s=0.1)
        finally:
            gate.set()
        assert len(served.asked) == 1


def test_service_that_is_not_there_is_asked_again_and_told() -> None:
    with serving(lambda _: Answer(200)) as served:
        url = served.url
    with Client(url, attempts=2) as client:
        with pytest.raises(
            ServiceConnectionError, match=f"no answer from {url}: .*refused"
        ) as caught:
            client.detect(b"image")
        assert (caught.value.status, caught.value.request_id) == (None, None)
        assert not client.is_ready()
        assert not client.is_healthy()


def test_service_that_starts_late_is_reached() -> None:
    tried = threading.Event()

    class Transport(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            try:
                return super().handle_request(request)
            except httpx.ConnectError:
                tried.set()
                raise

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # nobody can connect before it listens

        def answer() -> None:
            tried.wait()
            listener.listen()
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            Client(url, transport=Transport()) as client,
            pytest.raises(ServiceAnswerError, match="answered 404"),
        ):
            client.detect(b"image")
        thread.join()


def test_threads_share_a_client(client: Client, local: LocalEngine) -> None:
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(client.detect(SELFIE, "front")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [local.detect(SELFIE, "front")] * 8
