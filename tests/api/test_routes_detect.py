import json
from collections.abc import AsyncIterator

import pytest

from phiz.api.content.upload import IMAGE_FIELDS, MAX_FIELD_BYTES, OVERHEAD_BYTES
from phiz.wire.schemas import DetectAnswer

from .client import REQUEST_LIMITS, SIZE_WH, Client, Part, doubles, encoded, form
from .doubles import LIMITS, command

KINDS = (
    *("image/png", "image/*", "application/octet-stream", "IMAGE/PNG; x=y", None),
    # curl's with --data-binary, a browser's for text, and those of clients that guess.
    *("application/x-www-form-urlencoded", "text/plain; charset=utf-8", "application/pdf", ""),
)
FACE = {
    "box": {"x": 0, "y": 0, "width": 60, "height": 40},
    "score": 0.5,
    "landmarks": {"nose": {"x": 30.0, "y": 20.0}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_may_be_the_whole_body(client: Client, png: bytes, kind: str | None) -> None:
    response = client.ask("POST", "/detect?model=back&max_faces=1", content=png, kind=kind)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    timing = answer.pop("timing_ms")
    width, height = SIZE_WH
    assert answer == {
        "model": "back",
        "image": {"width": width, "height": height},
        "faces": [FACE],
    }
    assert list(timing) == [
        "queue",
        "decode",
        "preprocess",
        "inference",
        "postprocess",
        "total",
    ]
    total = timing.pop("total")
    assert total == pytest.approx(sum(timing.values()), abs=0.005)


def test_under_auto_the_answer_tells_what_ran(client: Client, png: bytes) -> None:
    answer = client.ask("POST", "/detect", content=png, kind="image/png").json()
    assert answer["model"] == "auto"
    assert [face["model"] for face in answer["faces"]] == ["front"] * 3
    assert answer["route"] == [
        {
            "model": "front",
            "ran": True,
            "faces": 3,
            "reason": "first_pass",
            "why": "it mirrors",
        }
    ]
    DetectAnswer.model_validate(answer)


@pytest.mark.parametrize(
    ("fields", "query", "expected"),
    [
        pytest.param([], "", ("auto", 3, 0.5), id="defaults"),
        pytest.param([("model", b"full")], "", ("full", 3, 0.5), id="form"),
        pytest.param([], "?max_faces=2", ("auto", 2, 0.5), id="query"),
        pytest.param(
            [("min_score", b"0.1"), ("max_faces", b"1")],
            "?min_score=0.2",
            ("auto", 1, 0.2),
            id="query-wins",
        ),
    ],
)
def test_options_come_from_query_and_form(
    client: Client, png: bytes, fields: list[Part], query: str, expected: tuple[str, int, float]
) -> None:
    body, kind = form(*fields, ("image", png))
    answer = client.ask("POST", f"/detect{query}", content=body, kind=kind).json()
    assert (answer["model"], len(answer["faces"]), answer["faces"][0]["score"]) == expected


@pytest.mark.parametrize("name", [*IMAGE_FIELDS, "file[]", "images[]"])
def test_image_may_have_each_of_the_usual_names(client: Client, png: bytes, name: str) -> None:
    body, kind = form(("max_faces", b"1"), (name, png))
    response = client.ask("POST", "/detect", content=body, kind=kind)
    assert (response.status_code, len(response.json()["faces"])) == (200, 1)


def test_the_stages_are_a_header_too(client: Client, png: bytes) -> None:
    response = client.ask("POST", "/detect", content=png, kind="image/png")
    stages = response.json()["timing_ms"]
    expected = ", ".join(f"{name};dur={ms}" for name, ms in stages.items())
    assert response.headers["server-timing"] == expected


def test_a_picture_of_exactly_the_limit_is_read(client: Client, png: bytes) -> None:
    padded = png.ljust(LIMITS.max_bytes, b"\0")
    body, kind = form(("image", padded))
    for content, content_type in ((padded, "image/png"), (body, kind)):
        response = client.ask("POST", "/detect", content=content, kind=content_type)
        assert response.status_code == 200


PNG_START = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
FIELD = b"x" * MAX_FIELD_BYTES
OVER = LIMITS.max_bytes + 1
LOST = b'--limit\r\nContent-Disposition: form-data; name="image"\r\n\r\nabc'
BAD_HEAD = b"--limit\r\nno colon\r\n\r\n\r\n--limit--"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=limit"


@pytest.mark.parametrize(
    ("content", "kind", "status", "code", "detail"),
    [
        pytest.param(
            b"x", URLENCODED, 415, "unsupported_image", "-F image=@face.jpg", id="urlencoded"
        ),
        pytest.param(
            b"image=face.jpg", URLENCODED, 415, "unsupported_image", "--data-binary", id="field"
        ),
        pytest.param(
            b"no picture", "text/plain", 415, "unsupported_image", "'text/plain'", id="plain-text"
        ),
        pytest.param(
            b"%PDF-1.7", "text/plain", 415, "unsupported_image", "convert its pages", id="pdf"
        ),
        pytest.param(
            b' {"image": "x"}', URLENCODED, 415, "unsupported_image", "--json", id="json-by-d"
        ),
        pytest.param(
            (b"\xff\xd8\xff" + bytes(range(256)) * 8).translate(None, b"\0\r\n"),
            *(URLENCODED, 400, "malformed_body", "--data-binary"),
            id="jpeg-by-d",
        ),
        pytest.param(
            b"x", "application/json", 400, "malformed_body", '{"image": "<the file', id="json"
        ),
        pytest.param(b"no picture", "image/png", 415, "unsupported_image", "", id="text"),
        pytest.param(b"", "image/png", 400, "empty_image", "", id="empty"),
        pytest.param(b"", None, 400, "empty_image", "", id="nothing"),
        pytest.param(
            encoded((60, 40))[:60], "image/png", 400, "undecodable_image", "", id="cut-short"
        ),
        pytest.param(
            encoded((251, 200)), "image/png", 413, "too_many_pixels", "50000", id="pixels"
        ),
        pytest.param(
            bytes(OVER),
            "image/png",
            413,
            "too_many_bytes",
            "100001 bytes; the limit is 100000",
            id="bytes",
        ),
        pytest.param(
            *form(("image", bytes(OVER))), 413, "too_many_bytes", "100000", id="bytes-in-form"
        ),
        pytest.param(
            *form(("image", b""), ("x", bytes(OVER + OVERHEAD_BYTES))),
            413,
            "too_many_bytes",
            "bytes; the limit is 100000 for the image and 65536 for the rest of the form",
            id="bytes-beside",
        ),
        pytest.param(
            *form(("selfie", b"x" * 2000)),
            400,
            "missing_image",
            "it has 'selfie'; send the image in a field 'image' (or images, image_file, img, file,",
            id="other-field",
        ),
        pytest.param(*form(), 400, "missing_image", "no fields", id="no-field"),
        pytest.param(
            *form(("image", b"1"), ("image", b"2")),
            400,
            "malformed_body",
            "one image",
            id="two-pictures",
        ),
        pytest.param(
            *form(("image", b"1"), ("file", b"2")),
            400,
            "malformed_body",
            "the limit of 1 images: it has 'image', 'file', which all stand for an image; send one",
            id="two-names",
        ),
        pytest.param(*form(*[("x", b"")] * 33), 400, "malformed_body", "count", id="parts"),
        pytest.param(LOST, MULTIPART, 400, "malformed_body", "end of multipart", id="no-end"),
        pytest.param(BAD_HEAD, MULTIPART, 400, "malformed_body", "header", id="bad-head"),
        pytest.param(
            b"x", "multipart/form-data", 400, "malformed_body", "to the client", id="no-boundary"
        ),
        pytest.param(
            b"x",
            'multipart/form-data; boundary=""',
            400,
            "malformed_body",
            "to the client",
            id="empty-boundary",
        ),
        pytest.param(
            *form(("image", b"holiday.jpg")),
            400,
            "missing_image",
            "'holiday.jpg' instead of a file; with curl, write @",
            id="file-name",
        ),
        pytest.param(
            *form(("image", b"https://example.org/face.png")),
            400,
            "missing_image",
            "download the image",
            id="address",
        ),
        pytest.param(
            *form(("image", b'{"image": "iVBORw0KGgo="}')),
            415,
            "unsupported_image",
            "JSON",
            id="json-in-form",
        ),
        pytest.param(
            (PNG_START + bytes(range(256)) * 8).translate(None, b"\0\r\n"),
            "image/png",
            400,
            "malformed_body",
            "--data-binary",
            id="bytes-lost-by-curl",
        ),
        pytest.param(
            *form(("image", b"1"), ("x", b"")), 422, "bad_option", "'x'", id="unknown-field"
        ),
        pytest.param(
            *form(("image", b"1"), ("model", FIELD)),
            422,
            "bad_option",
            "front, back",
            id="field-limit",
        ),
        pytest.param(
            *form(("image", b"1"), ("model", FIELD + b"x")),
            422,
            "bad_option",
            "1024 bytes",
            id="field-too-long",
        ),
        pytest.param(
            *form(("image", b"1"), ("model", b"back"), ("model", b"back")),
            422,
            "bad_option",
            "twice",
            id="field-twice",
        ),
    ],
)
def test_a_wrong_body_is_explained(
    client: Client, content: bytes, kind: str | None, status: int, code: str, detail: str
) -> None:
    response = client.ask("POST", "/detect", content=content, kind=kind)
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert detail in problem["detail"]


@pytest.mark.parametrize("boundary", ["----=_Part_7_1234.5", "a/b:c=d", "'()+_,-./:=?", "é"])
@pytest.mark.parametrize("quote", ["", '"'], ids=["bare", "quoted"])
def test_boundary_may_have_any_characters(
    client: Client, png: bytes, boundary: str, quote: str
) -> None:
    body, kind = form(("image", png), boundary=boundary)
    kind = kind.replace(boundary, f"{quote}{boundary}{quote} ; charset=utf-8")
    request = client.http.post(
        "/detect",
        content=body.replace(boundary.encode(), boundary.encode("latin-1")),
        headers=[(b"content-type", kind.encode("latin-1"))],
    )
    assert client.runner.run(request).status_code == 200


@pytest.mark.parametrize("boundary", ["boundary=limit", "charset=x; BOUNDARY=limit;a=b"])
def test_boundary_may_stand_among_other_parameters(
    client: Client, png: bytes, boundary: str
) -> None:
    body, _ = form(("image", png))
    kind = f"Multipart/Form-Data;{boundary}"
    assert client.ask("POST", "/detect", content=body, kind=kind).status_code == 200


@pytest.mark.parametrize("path", ["/detect", "/detect/batch", "/classify"])
def test_compressed_body_is_refused_before_it_is_read(client: Client, path: str) -> None:
    async def untouched() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {"content-type": "image/png", "content-encoding": "gzip"}
    request = client.http.post(path, content=untouched(), headers=headers)
    response = client.runner.run(request)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_content_coding")
    assert response.headers["accept-encoding"] == "identity"
    assert "'gzip'" in response.json()["detail"]


def test_second_content_encoding_is_refused_too(client: Client, png: bytes) -> None:
    headers = [("content-type", "image/png"), ("content-encoding", "identity")]
    headers.append(("content-encoding", "gzip"))
    request = client.http.post("/detect", content=png, headers=headers)
    response = client.runner.run(request)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_content_coding")
    assert "'identity, gzip'" in response.json()["detail"]


@pytest.mark.parametrize("coding", ["identity", "Identity", ""])
def test_body_may_say_that_it_is_not_compressed(client: Client, png: bytes, coding: str) -> None:
    headers = {"content-encoding": coding}
    response = client.ask("POST", "/detect", content=png, kind="image/png", headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no picture", id="short"),
        pytest.param("ä".encode() * 1000 + b"\n", id="text"),
        pytest.param(bytes(range(14, 256)) * 2, id="few-bytes"),
        pytest.param(b"\xff" * 3000, id="fill-bytes"),
    ],
)
def test_other_bodies_without_zero_bytes_are_left_to_the_worker(
    client: Client, content: bytes
) -> None:
    response = client.ask("POST", "/detect", content=content, kind="image/png")
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_image")


def test_a_body_without_a_length_is_refused_while_it_comes(client: Client) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 10_000
            yield bytes(10_000)

    request = client.http.post("/detect", content=endless(), headers={"content-type": "image/png"})
    response = client.runner.run(request)
    assert (response.status_code, response.json()["code"]) == (413, "too_many_bytes")
    assert sent == LIMITS.max_bytes + 10_000


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_a_form_may_come_in_pieces_of_any_size(client: Client, png: bytes, size: int) -> None:
    body, kind = form(("model", b"mtcnn"), ("image", png), ("max_faces", b"2"))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    request = client.http.post("/detect", content=pieces(), headers={"content-type": kind})
    answer = client.runner.run(request).json()
    assert (answer["model"], len(answer["faces"])) == ("mtcnn", 2)


def test_a_wrong_query_is_refused_before_the_body_is_read(client: Client) -> None:
    async def untouched() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    request = client.http.post(
        "/detect?min_score=2", content=untouched(), headers={"content-type": "image/png"}
    )
    assert client.runner.run(request).status_code == 422


def test_what_goes_wrong_inside_stays_inside(png: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with doubles(command("broken"), REQUEST_LIMITS) as client:
        response = client.ask("POST", "/detect?model=front", content=png, kind="image/png")
        assert response.status_code == 500
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "internal"
        assert "ZeroDivision" not in response.text
        assert "40" not in response.json()["detail"]
        labels = {"model": "front", "outcome": "internal"}
        assert client.metric("phiz_request_seconds_count", **labels) == 1
        assert client.metric("phiz_pictures_total", **labels) == 1
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_model_that_is_not_there_is_an_option_that_is_wrong(png: bytes) -> None:
    with doubles(command("lonely"), REQUEST_LIMITS) as client:
        response = client.ask("POST", "/detect?model=back", content=png, kind="image/png")
    assert (response.status_code, response.json()["code"]) == (422, "bad_option")


def test_a_picture_that_ends_its_worker_is_told_so_and_the_next_is_answered(png: bytes) -> None:
    with doubles(command("dying"), REQUEST_LIMITS) as client:
        died = client.ask("POST", "/detect", content=encoded((13, 40)), kind="image/png")
        assert (died.status_code, died.json()["code"]) == (500, "worker_died")
        assert client.ask("POST", "/detect", content=png, kind="image/png").status_code == 200
        labels = {"model": "auto", "outcome": "worker_died"}
        assert client.metric("phiz_request_seconds_count", **labels) == 1
        assert client.metric("phiz_pictures_total", **labels) == 1
        assert client.metric("phiz_workers_replaced_total") == 1


def test_many_faces_are_encoded_once_and_compactly(client: Client, png: bytes) -> None:
    response = client.ask("POST", "/detect", content=png, kind="image/png")
    assert response.text == json.dumps(response.json(), separators=(",", ":")) + "\n"
