from dataclasses import replace

import pytest

from phiz.wire.schemas import BatchAnswer

from .client import REQUEST_LIMITS, Client, Part, doubles, encoded, form
from .doubles import LIMITS, command

SIZES_WH = ((60, 40), (30, 50), (20, 20), (80, 10))


def test_results_are_in_the_order_of_the_pictures(client: Client) -> None:
    body, kind = form(*(("image", encoded(size_wh)) for size_wh in SIZES_WH))
    response = client.ask("POST", "/detect/batch?model=back", content=body, kind=kind)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    results = response.json()["results"]
    assert [(one["image"]["width"], one["image"]["height"]) for one in results] == list(SIZES_WH)
    assert all(one["faces"] and one["timing_ms"]["total"] >= 0 for one in results)
    BatchAnswer.model_validate(response.json())


def test_images_may_have_different_names(client: Client) -> None:
    names = ("file", "images[]", "image", "files")
    body, kind = form(*((name, encoded(wh)) for name, wh in zip(names, SIZES_WH, strict=True)))
    results = client.ask("POST", "/detect/batch", content=body, kind=kind).json()["results"]
    assert [(one["image"]["width"], one["image"]["height"]) for one in results] == list(SIZES_WH)


def test_each_result_is_what_the_picture_alone_would_get(client: Client, png: bytes) -> None:
    body, kind = form(("image", png), ("image", png))
    several = client.ask("POST", "/detect/batch", content=body, kind=kind).json()["results"]
    alone = client.ask("POST", "/detect", content=png, kind="image/png").json()
    for one in (*several, alone):
        del one["timing_ms"]
    assert several == [alone, alone]


@pytest.mark.parametrize(
    ("bad", "status", "code"),
    [
        pytest.param(b"no picture", 415, "unsupported_image", id="text"),
        pytest.param(b"", 400, "empty_image", id="empty"),
        pytest.param(encoded((60, 40))[:60], 400, "undecodable_image", id="cut-short"),
        pytest.param(encoded((251, 200)), 413, "too_many_pixels", id="pixels"),
    ],
)
def test_one_bad_picture_fails_alone(
    client: Client, png: bytes, bad: bytes, status: int, code: str
) -> None:
    body, kind = form(("image", png), ("image", bad), ("image", png))
    response = client.ask("POST", "/detect/batch", content=body, kind=kind)
    assert response.status_code == 200
    first, problem, last = response.json()["results"]
    assert [first["image"], last["image"]] == [{"width": 60, "height": 40}] * 2
    assert (problem["status"], problem["code"]) == (status, code)
    alone = client.ask("POST", "/detect", content=bad, kind="image/png")
    assert problem == alone.json()
    BatchAnswer.model_validate(response.json())


def test_pictures_may_all_be_bad(client: Client) -> None:
    body, kind = form(("image", b"1"), ("image", b"2"))
    response = client.ask("POST", "/detect/batch", content=body, kind=kind)
    assert response.status_code == 200
    assert [one["code"] for one in response.json()["results"]] == ["unsupported_image"] * 2


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        pytest.param([("model", b"full"), ("max_faces", b"2")], "", id="form"),
        pytest.param([], "?model=full&max_faces=2", id="query"),
        pytest.param([("max_faces", b"1"), ("model", b"full")], "?max_faces=2", id="query-wins"),
    ],
)
def test_options_hold_for_all_wherever_they_stand(
    client: Client, png: bytes, fields: list[Part], query: str
) -> None:
    body, kind = form(("image", png), *fields, ("image", png))
    results = client.ask("POST", f"/detect/batch{query}", content=body, kind=kind).json()["results"]
    assert [(one["model"], len(one["faces"])) for one in results] == [("full", 2)] * 2


@pytest.mark.parametrize(
    ("parts", "status", "code", "detail"),
    [
        pytest.param(
            [("image", b"x")] * 5, 400, "malformed_body", "the limit of 4 fields 'image'", id="many"
        ),
        pytest.param([], 400, "missing_image", "no fields", id="none"),
        pytest.param([("selfie", b"x")], 400, "missing_image", "'selfie'", id="other-field"),
        pytest.param(
            [("image", b"x"), ("max_faces", b"0")], 422, "bad_option", "max_faces", id="option"
        ),
        pytest.param(
            [("image", bytes(LIMITS.max_bytes + 1))],
            *(413, "too_many_bytes", "100001 bytes"),
            id="one-too-large",
        ),
        pytest.param(
            [("image", bytes(90_000))] * 3,
            *(413, "too_many_bytes", "the limit is 200000 for"),
            id="together-too-large",
        ),
    ],
)
def test_a_wrong_body_is_explained(
    client: Client, parts: list[Part], status: int, code: str, detail: str
) -> None:
    body, kind = form(*parts)
    response = client.ask("POST", "/detect/batch", content=body, kind=kind)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert detail in response.json()["detail"]


def test_a_picture_alone_is_no_form(client: Client, png: bytes) -> None:
    response = client.ask("POST", "/detect/batch", content=png, kind="image/png")
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_image")
    assert "form" in response.json()["detail"]


def test_as_many_as_may_be_are_answered(client: Client, png: bytes) -> None:
    body, kind = form(*[("image", png)] * 4)
    results = client.ask("POST", "/detect/batch", content=body, kind=kind).json()["results"]
    assert len(results) == 4


def test_no_more_pictures_than_may_wait_are_taken(png: bytes) -> None:
    with doubles(command("mirrors"), replace(REQUEST_LIMITS, max_queued=2)) as client:
        for count, status in ((2, 200), (3, 400)):
            body, kind = form(*[("image", png)] * count)
            response = client.ask("POST", "/detect/batch", content=body, kind=kind)
            assert response.status_code == status
    assert "exceeds the limit of 2 fields 'image'" in response.json()["detail"]
