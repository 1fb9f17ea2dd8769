import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phiz.api.content.upload import IMAGE_FIELDS, MAX_FIELD_BYTES, OVERHEAD_BYTES
from tests.api.client import SIZE_WH, Client, encoded
from tests.api.doubles import LIMITS

JSON = "application/json"
PNG = encoded(SIZE_WH)
TEXT = base64.b64encode(PNG).decode()
LONG = base64.b64encode(PNG.ljust(5000, b"\0")).decode()


def ask(client: Client, content: Any, path: str = "/detect", kind: str = JSON) -> tuple[int, Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    response = client.ask("POST", path, content=body, kind=kind)
    return response.status_code, response.json()


@pytest.mark.parametrize("text", [TEXT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
@pytest.mark.parametrize(
    "kind", [JSON, "Application/JSON; charset=utf-8", "application/vnd.x+json"]
)
def test_image_in_base64_gets_the_answer_of_the_image(
    client: Client, text: str, prefix: str, kind: str
) -> None:
    alone = client.ask("POST", "/detect?model=back", content=PNG, kind="image/png").json()
    status, answer = ask(client, {"image": prefix + text, "model": "back"}, kind=kind)
    assert status == 200
    assert {**answer, "timing_ms": 0} == {**alone, "timing_ms": 0}


@pytest.mark.parametrize("name", IMAGE_FIELDS)
def test_image_may_have_each_of_the_usual_names(client: Client, name: str) -> None:
    assert ask(client, {name: TEXT})[0] == 200
    assert ask(client, {name: [LONG]})[0] == 200


@pytest.mark.parametrize(
    ("members", "query", "expected"),
    [
        pytest.param({}, "", ("auto", 3, 0.5), id="defaults"),
        pytest.param({"model": "full", "max_faces": 2}, "", ("full", 2, 0.5), id="numbers"),
        pytest.param({"max_faces": "2", "min_score": "0.25"}, "", ("auto", 2, 0.25), id="texts"),
        pytest.param({"model": None, "min_score": None}, "", ("auto", 3, 0.5), id="null"),
        pytest.param(
            {"min_score": 0.1, "max_faces": 1}, "?min_score=0.2", ("auto", 1, 0.2), id="query-wins"
        ),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_options_stand_beside_the_image(
    client: Client,
    members: dict[str, Any],
    query: str,
    expected: tuple[str, int, float],
    *,
    is_first: bool,
) -> None:
    image = {"image": LONG}
    content = {**image, **members} if is_first else {**members, **image}
    status, answer = ask(client, content, f"/detect{query}")
    assert status == 200
    assert (answer["model"], len(answer["faces"]), answer["faces"][0]["score"]) == expected


def test_classes_of_an_image_in_base64(client: Client) -> None:
    status, answer = ask(client, {"image": TEXT, "top": 2}, "/classify")
    assert (status, len(answer["classes"])) == (200, 2)


def test_several_images_are_a_list_in_their_order(client: Client) -> None:
    sizes = [(60, 40), (30, 50), (20, 20)]
    texts = [base64.b64encode(encoded(size)).decode() for size in sizes]
    status, answer = ask(client, {"images": [*texts, LONG], "max_faces": 1}, "/detect/batch")
    found = [(one["image"]["width"], one["image"]["height"]) for one in answer["results"]]
    assert (status, found) == (200, [*sizes, SIZE_WH])
    assert all(len(one["faces"]) == 1 for one in answer["results"])


def test_one_bad_image_of_several_fails_alone(client: Client) -> None:
    texts = [TEXT, "", base64.b64encode(b"no picture").decode()]
    _, answer = ask(client, {"images": texts}, "/detect/batch")
    assert [one.get("code") for one in answer["results"]] == [
        None,
        "empty_image",
        "unsupported_image",
    ]


def test_image_of_exactly_the_limit_is_read_with_line_breaks(client: Client) -> None:
    text = base64.encodebytes(PNG.ljust(LIMITS.max_bytes, b"\0")).decode()
    assert ask(client, {"image": text.replace("\n", "\r\n")})[0] == 200


OVER = base64.b64encode(bytes(LIMITS.max_bytes + 1)).decode()
HALF = base64.b64encode(bytes(70_000)).decode()


@pytest.mark.parametrize(
    ("content", "status", "code", "detail"),
    [
        pytest.param(b"", 400, "malformed_body", "not valid JSON; send an object", id="nothing"),
        pytest.param(b"x", 400, "malformed_body", "not valid JSON", id="no-json"),
        pytest.param(b'{"image": "QQ', 400, "malformed_body", "within a string", id="cut-string"),
        pytest.param(b'{"image": "QQ=="', 400, "malformed_body", "not valid JSON", id="cut"),
        pytest.param(b"[" * 5000, 400, "malformed_body", "not valid JSON", id="deep"),
        pytest.param(b'{"\xff": 1}', 400, "malformed_body", "as UTF-8", id="no-utf-8"),
        pytest.param(rb'{"\ud800": 1}', 400, "malformed_body", "as UTF-8", id="half-a-pair"),
        pytest.param([TEXT], 400, "malformed_body", "not an object", id="list"),
        pytest.param(TEXT, 400, "malformed_body", "not an object", id="text"),
        pytest.param({}, 400, "missing_image", "it has no members", id="empty"),
        pytest.param(
            {"photograph": "QQ=="},
            *(400, "missing_image", "it has 'photograph'; send the image in base64 as a member"),
            id="other-member",
        ),
        pytest.param({"image": None}, 400, "malformed_body", "is not a text", id="null"),
        pytest.param({"image": 1}, 400, "malformed_body", "'image' is not a text", id="number"),
        pytest.param({"image": {"data": "QQ"}}, 400, "malformed_body", "not a text", id="object"),
        pytest.param({"images": []}, 400, "missing_image", "no members", id="empty-list"),
        pytest.param({"image": ""}, 400, "empty_image", "0 bytes", id="empty-text"),
        pytest.param({"image": "eA=="}, 415, "unsupported_image", "1 bytes", id="no-picture"),
        pytest.param({"image": "%%%"}, 400, "malformed_body", "base64", id="no-base64"),
        pytest.param({"image": "%" * 2000}, 400, "malformed_body", "base64", id="long-no-base64"),
        pytest.param(
            {"image": "face.jpg"}, 400, "missing_image", "'face.jpg' instead of a file", id="name"
        ),
        pytest.param(
            {"image": "https://example.org/x.jpg"},
            *(400, "missing_image", "the query parameter url"),
            id="address",
        ),
        pytest.param(
            {"image": TEXT, "file": TEXT}, 400, "malformed_body", "limit of 1 images", id="two"
        ),
        pytest.param(
            {"images": [LONG, LONG]}, 400, "malformed_body", "limit of 1 images", id="long-two"
        ),
        pytest.param(
            b'{"image": "' + TEXT.encode() + b'", "image": ""}',
            *(422, "bad_option", "'image' is given twice"),
            id="image-twice",
        ),
        pytest.param(
            b'{"image": "eA==", "model": "back", "model": "back"}',
            *(422, "bad_option", "'model' is given twice"),
            id="option-twice",
        ),
        pytest.param(
            {"image": "eA==", "x": 1}, 422, "bad_option", "unknown option 'x'", id="unknown"
        ),
        pytest.param(
            {"image": "eA==", "x": None}, 422, "bad_option", "unknown option 'x'", id="unknown-null"
        ),
        pytest.param(
            {"image": "eA==", "min_score": 2},
            *(422, "bad_option", "min_score is '2'; it must be a number from 0 to 1"),
            id="range",
        ),
        pytest.param(
            {"image": "eA==", "max_faces": True}, 422, "bad_option", "is 'true'", id="boolean"
        ),
        pytest.param(
            {"image": "eA==", "model": ["back"]}, 422, "bad_option", "is '[…]'", id="option-list"
        ),
        pytest.param(
            {"image": "eA==", "model": "x" * MAX_FIELD_BYTES}, 422, "bad_option", "", id="limit"
        ),
        pytest.param(
            {"model": "x" * (MAX_FIELD_BYTES + 4)},
            *(422, "bad_option", "the member 'model' exceeds the limit of 1024 bytes"),
            id="too-long",
        ),
        pytest.param(
            {"image": OVER}, 413, "too_many_bytes", "100001 bytes of an image", id="too-large"
        ),
        pytest.param(
            b" " * 300_000, 413, "too_many_bytes", "has 300000 bytes; the limit is 215536", id="all"
        ),
        pytest.param(
            b"{" + b" " * OVERHEAD_BYTES,
            *(400, "malformed_body", "65536 bytes beside its images"),
            id="beside",
        ),
    ],
)
def test_wrong_json_is_explained(
    client: Client, content: Any, status: int, code: str, detail: str
) -> None:
    found, problem = ask(client, content)
    assert (found, problem["code"]) == (status, code)
    assert detail in problem["detail"]
    assert TEXT not in problem["detail"]


@pytest.mark.parametrize(
    ("images", "status", "detail"),
    [
        pytest.param([HALF] * 2, 200, None, id="fits"),
        pytest.param([HALF] * 3, 413, "210000 bytes of images", id="together-too-large"),
        pytest.param([OVER], 413, "100001 bytes of an image", id="one-too-large"),
        pytest.param(["eA=="] * 5, 400, "the limit of 4 images", id="many"),
        pytest.param([LONG] * 5, 400, "the limit of 4 images", id="many-long"),
    ],
)
def test_limits_of_several_images(
    client: Client, images: list[str], status: int, detail: str | None
) -> None:
    found, answer = ask(client, {"images": images}, "/detect/batch")
    assert found == status
    assert detail is None or detail in answer["detail"]


@pytest.mark.parametrize("size", [1, 7, 100, 1023])
def test_json_may_come_in_pieces_of_any_size(client: Client, size: int) -> None:
    content = {"model": "mtcnn", "image": LONG, "max_faces": 2}
    body = json.dumps(content).replace("+", "\\u002b").replace("/", "\\/").encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    request = client.http.post("/detect", content=pieces(), headers={"content-type": JSON})
    answer = client.runner.run(request).json()
    assert (answer["model"], len(answer["faces"])) == ("mtcnn", 2)


def test_endless_json_is_refused_while_it_comes(client: Client) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'{"image": "'
        while True:
            sent += 8000
            yield b"QUJD" * 2000

    request = client.http.post("/detect", content=endless(), headers={"content-type": JSON})
    response = client.runner.run(request)
    assert (response.status_code, response.json()["code"]) == (413, "too_many_bytes")
    assert sent <= LIMITS.max_bytes * 4 // 3 + 8000


def test_bytes_of_an_image_are_held_and_not_its_text(client: Client) -> None:
    held = []

    async def watched() -> AsyncIterator[bytes]:
        service = client.app.state.service
        yield b'{"image": "' + LONG.encode() + b'"'
        held.append(service.admission.bodies.held_bytes)
        yield b"}"
        held.append(service.admission.bodies.held_bytes)

    request = client.http.post("/detect", content=watched(), headers={"content-type": JSON})
    assert client.runner.run(request).status_code == 200
    assert [5000 <= count < 5100 for count in held] == [True, True]
    assert client.app.state.service.admission.bodies.held_bytes == 0


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS | st.just(TEXT) | st.just(LONG),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
NAMES = st.sampled_from(["image", "images", "model", "min_score", "max_faces", "url", ""])
OBJECTS = st.dictionaries(NAMES | st.text(max_size=5), VALUES, max_size=4).map(
    lambda content: json.dumps(content).encode()
)
CUT = st.tuples(OBJECTS, st.integers(0, 200)).map(lambda pair: pair[0][: pair[1]])
SPLICED = st.tuples(OBJECTS, st.binary(max_size=5), st.integers(0, 60)).map(
    lambda parts: parts[0][: parts[2]] + parts[1] + parts[0][parts[2] :]
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(OBJECTS | CUT | SPLICED | st.binary(max_size=50), st.sampled_from(["/detect", "/classify"]))
def test_no_json_is_an_error_of_the_service(client: Client, content: bytes, path: str) -> None:
    status, _ = ask(client, content, path)
    assert status in {200, 400, 413, 415, 422}
