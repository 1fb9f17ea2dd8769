from collections.abc import Iterator

import httpx
import pytest

from phiz.sdk.calls import (
    AnswerT,
    Call,
    build_annotate_call,
    build_batch_call,
    build_blur_call,
    build_classify_call,
    build_crop_call,
    build_detect_call,
    build_models_call,
    build_probe_call,
)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(base_url="http://host/faces/", headers={"X-API-Key": "key"}) as http:
        yield http


def build(call: Call[AnswerT], http: httpx.Client) -> httpx.Request:
    request = call.build_request(http, httpx.Timeout(3), 2.5)
    assert request.extensions["timeout"]["read"] == 3
    assert request.headers["phiz-deadline"] == "2.500"
    assert request.headers["x-api-key"] == "key"
    return request


def test_image_is_the_body_and_options_are_the_query(http: httpx.Client) -> None:
    call = build_detect_call(b"image", "front", {"min_score": 0.25, "min_face": None})
    request = build(call, http)
    assert request.method == "POST"
    assert str(request.url) == "http://host/faces/detect?model=front&min_score=0.25"
    assert request.content == b"image"
    assert request.headers["content-type"] == "application/octet-stream"


def test_images_are_fields_of_a_form(http: httpx.Client) -> None:
    request = build(build_batch_call([b"one", b"two"], "auto", {"passes": 2}), http)
    assert str(request.url) == "http://host/faces/detect/batch?model=auto&passes=2"
    body = request.read()
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert body.count(b'name="image"; filename=') == 2
    assert body.index(b"one") < body.index(b"two")


def test_other_calls_have_the_routes_of_the_service(http: httpx.Client) -> None:
    options = {"model": "mobilenet", "precision": None, "top": 3}
    request = build(build_classify_call(b"image", options), http)
    assert str(request.url) == "http://host/faces/classify?model=mobilenet&top=3"
    assert build(build_models_call(), http).url.path == "/faces/models"
    assert build(build_probe_call("/readyz"), http).method == "GET"


def test_calls_for_images_ask_for_what_they_decode(http: httpx.Client) -> None:
    request = build(build_annotate_call(b"image", "auto", {"max_faces": 2}), http)
    assert str(request.url) == "http://host/faces/detect?model=auto&max_faces=2&format=jpeg"
    assert request.headers["accept"] == "image/*"
    request = build(build_crop_call(b"image", "auto", {"size": 64, "margin": None}), http)
    assert str(request.url) == "http://host/faces/crops?model=auto&size=64&format=json"
    request = build(build_blur_call(b"image", "back", {"kind": "solid", "format": None}), http)
    assert str(request.url) == "http://host/faces/blur?model=back&kind=solid"
    assert request.headers["accept"] == "image/*"


def test_call_may_ask_for_something_else_than_json(http: httpx.Client) -> None:
    call = Call(
        "POST", "/detect", lambda response: response.content, headers={"Accept": "image/png"}
    )
    assert build(call, http).headers["accept"] == "image/png"
