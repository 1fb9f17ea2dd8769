import asyncio
import gc
import json
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from phiz.api.app import create_app, warm_up
from phiz.api.body import FORM_OVERHEAD_BYTES, MAX_FIELD_BYTES
from phiz.api.detect import server_timing, while_connected
from phiz.api.service import Loaded
from phiz.cards import NetworkCard
from phiz.engine import Engine, load
from phiz.faces import Detections, DetectOptions
from phiz.image import Limits
from phiz.picture import Picture
from phiz.pool import Pool
from phiz.runtime import Session
from phiz.runtime.onnx import OnnxRuntime
from phiz.schemas import DetectAnswer
from phiz.timings import Stopwatch, Timings

from .client import LIMITS, SIZE_WH, Broken, Client, Counting, Part, encoded, form, mirrors, started

PATIENCE_S = 10
KINDS = ("image/png", "image/*", "application/octet-stream", "IMAGE/PNG; x=y", None)
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
    assert answer["route"] == [{"model": "front", "faces": 3, "why": "it mirrors"}]
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


def test_the_stages_are_a_header_too(client: Client, png: bytes) -> None:
    response = client.ask("POST", "/detect", content=png, kind="image/png")
    stages = response.json()["timing_ms"]
    expected = ", ".join(f"{name};dur={ms}" for name, ms in stages.items())
    assert response.headers["server-timing"] == expected


def test_server_timing_has_milliseconds() -> None:
    timings = Timings({"queue": 0.0001, "inference": 0.02}, {"pnet": 0.0125}, 0.0201)
    assert server_timing(timings) == (
        "queue;dur=0.1, inference;dur=20.0, pnet;dur=12.5, total;dur=20.1"
    )


def test_a_picture_of_exactly_the_limit_is_read(client: Client, png: bytes) -> None:
    padded = png.ljust(LIMITS.max_bytes, b"\0")
    body, kind = form(("image", padded))
    for content, content_type in ((padded, "image/png"), (body, kind)):
        response = client.ask("POST", "/detect", content=content, kind=content_type)
        assert response.status_code == 200


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
            b"x", "application/json", 415, "unsupported_image", "'application/json'", id="json"
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
            *form(("image", b""), ("x", bytes(OVER + FORM_OVERHEAD_BYTES))),
            413,
            "too_many_bytes",
            "bytes; the limit is 100000 for the picture and 65536 for all else in the form",
            id="bytes-beside",
        ),
        pytest.param(
            *form(("file", b"x" * 2000)), 400, "missing_image", "it has 'file'", id="other-field"
        ),
        pytest.param(*form(), 400, "missing_image", "no fields at all", id="no-field"),
        pytest.param(
            *form(("image", b"1"), ("image", b"2")),
            400,
            "malformed_body",
            "one picture",
            id="two-pictures",
        ),
        pytest.param(*form(*[("x", b"")] * 33), 400, "malformed_body", "count", id="parts"),
        pytest.param(LOST, MULTIPART, 400, "malformed_body", "end of multipart", id="no-end"),
        pytest.param(BAD_HEAD, MULTIPART, 400, "malformed_body", "header", id="bad-head"),
        pytest.param(
            b"x", "multipart/form-data", 400, "malformed_body", "boundary", id="no-boundary"
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


def test_what_goes_wrong_inside_stays_inside(png: bytes) -> None:
    app = create_app(mirrors, threads=1)
    with started(app) as client:
        engine = Engine({"front": Broken()}, LIMITS)
        service = app.state.service
        app.state.service = replace(service, loaded=Loaded(engine, ()))
        response = client.ask("POST", "/detect?model=front", content=png, kind="image/png")
        assert response.status_code == 500
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "internal"
        assert "ZeroDivision" not in response.text
        assert "40" not in response.json()["detail"]
        outcomes = client.ask("GET", "/metrics").text
        assert 'phiz_request_seconds_count{model="front",outcome="internal"} 1.0' in outcomes


def test_a_model_that_is_not_there_is_an_option_that_is_wrong(png: bytes) -> None:
    lonely = Loaded(Engine({"front": mirrors().engine.detectors["front"]}, LIMITS), ())
    with started(create_app(lambda: lonely, threads=1)) as client:
        response = client.ask("POST", "/detect?model=back", content=png, kind="image/png")
    assert (response.status_code, response.json()["code"]) == (422, "bad_option")


def test_many_faces_are_encoded_once_and_compactly(client: Client, png: bytes) -> None:
    response = client.ask("POST", "/detect", content=png, kind="image/png")
    assert response.content == json.dumps(response.json(), separators=(",", ":")).encode()


def test_warm_up_runs_every_detector_whatever_the_limits() -> None:
    detectors = {name: Counting(name) for name in ("front", "auto")}
    with closing(Pool(1)) as pool:
        asyncio.run(warm_up(Engine(detectors, Limits(max_bytes=1, max_pixels=1)), pool))
    assert [detector.calls for detector in detectors.values()] == [1, 1]


@dataclass(frozen=True, slots=True)
class Meeting:
    """Goes on once as many are in it at the same time as the barrier says."""

    barrier: threading.Barrier
    met: list[str]

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        del picture, options, stopwatch
        self.barrier.wait(PATIENCE_S)
        self.met.append(threading.current_thread().name)
        return Detections(())


def test_warm_up_is_in_all_threads_at_once() -> None:
    detectors = {name: Meeting(threading.Barrier(3), []) for name in ("front", "auto")}
    with started(create_app(lambda: Loaded(Engine(detectors, LIMITS), ()), threads=3)):
        pass
    for detector in detectors.values():
        assert len(set(detector.met)) == len(detector.met) == 3


@dataclass(frozen=True, slots=True)
class Noted:
    """A session that notes in a set that it has run."""

    name: str
    session: Session
    ran: set[str]

    def run(self, inputs: Any) -> Any:
        self.ran.add(self.name)
        return self.session.run(inputs)


@dataclass(frozen=True, slots=True)
class Noting:
    """Opens networks that note that they have run."""

    opened: set[str]
    ran: set[str]

    def open(self, card: NetworkCard, graph: bytes) -> Session:
        self.opened.add(card.name)
        return Noted(card.name, OnnxRuntime().open(card, graph), self.ran)


def test_warm_up_runs_every_network(models_folder: Path) -> None:
    runtime = Noting(set(), set())
    engine = load(models_folder, "half-pixel", LIMITS, runtime=runtime)
    with closing(Pool(2)) as pool:
        asyncio.run(warm_up(engine, pool))
    assert runtime.ran == runtime.opened
    assert {"front", "rnet", "onet"} <= runtime.ran


def asked(messages: list[Message | Exception]) -> Request:
    """A request whose connection gives these after its body, and then nothing."""

    async def receive() -> Message:
        await asyncio.sleep(0)
        if not messages:
            await asyncio.Event().wait()
        message = messages.pop(0)
        if isinstance(message, Exception):
            raise message
        return message

    return Request({"type": "http"}, receive)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([{"type": "http.disconnect"}], ClientDisconnect, id="left"),
        pytest.param([ConnectionResetError("reset")], ConnectionResetError, id="broken"),
    ],
)
def test_what_ends_a_connection_ends_the_wait(
    messages: list[Message | Exception], expected: type[Exception]
) -> None:
    async def ask() -> bool:
        work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with pytest.raises(expected):
            await while_connected(asked(messages), work)
        return work.cancelled()

    assert asyncio.run(ask())


@pytest.mark.parametrize("cancelled", [False, True])
def test_no_error_is_left_that_nobody_takes(*, cancelled: bool) -> None:
    """Work and connection fail in the same turn of the loop, and the request is cancelled too."""
    complaints: list[str] = []

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
        work: asyncio.Future[int] = loop.create_future()
        waiting = asyncio.create_task(while_connected(asked([ConnectionResetError("reset")]), work))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        work.set_exception(ZeroDivisionError("of the work"))
        if cancelled:
            waiting.cancel()
        with pytest.raises(asyncio.CancelledError if cancelled else ZeroDivisionError):
            await waiting

    asyncio.run(ask())
    gc.collect()
    assert complaints == []
