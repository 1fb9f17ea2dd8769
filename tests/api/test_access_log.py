import asyncio
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from phiz.api.access_log import AccessLog, LoggedRequests, SpanSource
from phiz.api.fast_path import FastPath
from phiz.api.request_record import RequestRecord
from phiz.workers.pool import WorkerPool

from .client import Client, form

Headers = Iterable[tuple[bytes, bytes]]
PATHS = {"/detect", "/detect/batch", "/classify", "/models", "/healthz", "/readyz", "/metrics"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@dataclass(slots=True)
class Answering:
    """An application that answers everything with one status, or fails."""

    status: int = 200
    error: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await receive()
        if self.error is not None:
            raise self.error
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"12345", "more_body": True})
        await send({"type": "http.response.body", "body": b"67"})


@dataclass(slots=True)
class Asked:
    """A request, and what was sent to its caller."""

    path: str = "/detect"
    headers: Headers = ()
    sent: list[Message] = field(default_factory=list)

    def of(self, app: Any) -> list[Message]:
        async def receive() -> Message:
            return {"type": "http.request", "body": b"123"}

        async def send(message: Message) -> None:
            self.sent.append(message)

        scope = {"type": "http", "method": "POST", "path": self.path, "headers": self.headers}
        asyncio.run(app(scope, receive, send))
        return self.sent


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [{"level": one.levelname, **one.__dict__["fields"]} for one in caplog.records]


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "phiz")


def name_of(sent: list[Message]) -> str:
    (name,) = [value for header, value in sent[0]["headers"] if header == b"x-request-id"]
    return bytes(name).decode()


@pytest.mark.parametrize("name", ["7", "a-caller.s_own-Name", "x" * 64])
def test_a_request_keeps_the_name_that_its_caller_gave_it(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent = Asked(headers=[(b"x-request-id", name.encode())]).of(
        AccessLog(Answering(), "all", PATHS)
    )
    assert name_of(sent) == name
    assert lines(caplog)[0]["request"] == name


@pytest.mark.parametrize("name", [b"", b"x" * 65, b"a b", b'"', b"a\x00b", b"\xe4", b"a\n", b"a/b"])
def test_what_is_no_name_is_replaced(name: bytes, caplog: pytest.LogCaptureFixture) -> None:
    access_log = AccessLog(Answering(), "all", PATHS)
    first, second = (Asked(headers=[(b"x-request-id", name)]).of(access_log) for _ in range(2))
    assert name_of(first) != name_of(second)
    assert [one["request"] for one in lines(caplog)] == [name_of(first), name_of(second)]
    assert len(name_of(first)) == 32


@pytest.mark.parametrize(
    ("parent", "trace"),
    [
        (PARENT, TRACE),
        (PARENT.replace("00-4", "cc-4") + "-more", TRACE),
        (PARENT.replace("00-4", "cc-4") + "-", TRACE),
        (PARENT.replace("00-4", "cc-4") + "more", None),
        (PARENT.replace("00-4", "ff-4"), None),
        (PARENT + "-more", None),
        (PARENT + "-", None),
        (PARENT + "00", None),
        (PARENT.replace("00f067aa0ba902b7", "0" * 16), None),
        (PARENT.upper(), None),
        (PARENT[:-1], None),
        (PARENT.replace(TRACE, "0" * 32), None),
        ("", None),
    ],
)
def test_a_line_tells_the_trace_that_a_request_belongs_to(
    parent: str, trace: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    Asked(headers=[(b"traceparent", parent.encode())]).of(AccessLog(Answering(), "all", PATHS))
    assert lines(caplog)[0].get("trace") == trace


def test_a_line_tells_what_became_of_a_request(caplog: pytest.LogCaptureFixture) -> None:
    sent = Asked("/models").of(AccessLog(Answering(), "all", PATHS))
    (line,) = lines(caplog)
    assert line.pop("total_ms") >= 0
    assert line == {
        "level": "INFO",
        "request": name_of(sent),
        "method": "POST",
        "path": "/models",
        "status": 200,
        "code": "ok",
        "bytes_in": 3,
        "bytes_out": 7,
    }


def test_before_it_is_ready_a_line_has_the_code_of_the_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()
    app.state.service = None
    head, body = Asked().of(AccessLog(FastPath(app), "all", PATHS))
    assert json.loads(body["body"])["code"] == "not_ready"
    (line,) = lines(caplog)
    assert (line["status"], line["code"]) == (head["status"], "not_ready") == (503, "not_ready")


@pytest.mark.parametrize(
    ("kept", "path", "status", "level"),
    [
        ("all", "/detect", 200, "INFO"),
        ("all", "/detect", 399, "INFO"),
        ("all", "/detect", 400, "WARNING"),
        ("all", "/detect", 499, "WARNING"),
        ("all", "/detect", 500, "ERROR"),
        ("all", "/healthz", 200, None),
        ("all", "/readyz", 200, None),
        ("all", "/metrics", 200, None),
        ("all", "/readyz", 503, "ERROR"),
        ("failed", "/detect", 399, None),
        ("failed", "/detect", 400, "WARNING"),
        ("failed", "/metrics", 503, "ERROR"),
        ("none", "/detect", 200, None),
        ("none", "/detect", 500, None),
    ],
)
def test_which_requests_have_a_line(
    kept: LoggedRequests,
    path: str,
    status: int,
    level: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    Asked(path).of(AccessLog(Answering(status), kept, PATHS))
    assert [line["level"] for line in lines(caplog)] == ([] if level is None else [level])


@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError()], ids=repr)
def test_a_request_without_an_answer_has_a_line_too(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(type(error)):
        Asked().of(AccessLog(Answering(error=error), "failed", PATHS))
    (line,) = lines(caplog)
    assert (line["level"], line["status"], line["code"]) == ("ERROR", 0, "internal")


@pytest.mark.parametrize("path", ["/holiday.jpg", "/detect/", "/detect/me.jpg", "/DETECT", ""])
def test_a_path_that_is_no_route_is_not_told(path: str, caplog: pytest.LogCaptureFixture) -> None:
    Asked(path).of(AccessLog(Answering(404), "all", PATHS))
    assert lines(caplog)[0]["path"] == "-"


def test_other_messages_of_the_server_pass() -> None:
    passed: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        passed.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    asyncio.run(AccessLog(app, "all", PATHS)({"type": "lifespan"}, nothing, nothing))
    assert passed == ["lifespan"]


def ask(
    client: Client,
    path: str,
    content: bytes,
    kind: str,
    traces: SpanSource | None = None,
    method: str = "POST",
) -> list[Message]:
    """What the application answers behind an access log."""
    sent: list[Message] = []
    coming = [{"type": "http.request", "body": content[:9], "more_body": True}]
    coming += [{"type": "http.request", "body": content[9:], "more_body": False}]

    async def receive() -> Message:
        if not coming:
            await asyncio.Event().wait()
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"content-type", kind.encode())],
    }
    client.runner.run(AccessLog(FastPath(client.app), "all", PATHS, traces)(scope, receive, send))
    return sent


def test_a_line_tells_of_pictures_what_is_counted_of_them(
    client: Client, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    sent = ask(client, "/detect?model=back&min_score=0.25", png, "image/png")
    (line,) = lines(caplog)
    assert line.pop("queue_ms") >= 0
    assert line.pop("total_ms") > 0
    assert line == {
        "level": "INFO",
        "request": name_of(sent),
        "method": "POST",
        "path": "/detect",
        "status": 200,
        "code": "ok",
        "model": "back",
        "bytes_in": len(png),
        "bytes_out": sum(len(message.get("body", b"")) for message in sent),
    }


def test_a_line_tells_the_code_of_an_error_and_nothing_of_its_reason(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    ask(client, "/detect?model=SECRET", b"no picture", "image/png")
    ask(client, "/classify?model=mobilenet", b"no picture", "image/png")
    first, second = lines(caplog)
    assert (first["status"], first["code"], first["model"]) == (422, "bad_option", "unknown")
    assert (first["bytes_in"], first["level"]) == (0, "WARNING")
    assert (second["status"], second["code"]) == (503, "model_not_built")
    assert (second["model"], second["bytes_in"], second["level"]) == ("mobilenet", 10, "ERROR")
    assert "SECRET" not in str(first)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/holiday.jpg", 404),
        ("POST", "/models", 405),
        ("GET", "/study", 404),
        ("GET", "/readyz", 503),
    ],
)
def test_a_line_tells_the_code_that_the_answer_has(
    client: Client,
    method: str,
    path: str,
    status: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(WorkerPool, "is_healthy", False)
    sent = ask(client, path, b"", "text/plain", method=method)
    (line,) = lines(caplog)
    answer = json.loads(b"".join(message.get("body", b"") for message in sent))
    assert (line["status"], line["code"]) == (status, answer["code"])


def test_of_several_traces_none_counts(caplog: pytest.LogCaptureFixture) -> None:
    parent = (b"traceparent", PARENT.encode())
    Asked(headers=[parent, parent]).of(AccessLog(Answering(), "all", PATHS))
    assert "trace" not in lines(caplog)[0]


def test_of_several_pictures_the_longest_wait_is_told(
    client: Client, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    sent = ask(client, "/detect/batch", *form(("image", png), ("image", b"x"), ("image", png)))
    assert sent[0]["status"] == 200
    (line,) = lines(caplog)
    assert (line["model"], line["code"]) == ("auto", "ok")
    assert line["queue_ms"] >= 0


def test_a_record_begins_with_what_the_head_tells() -> None:
    record = RequestRecord.from_headers(
        "GET", "/", [(b"x-request-id", b"7"), (b"traceparent", PARENT.encode())]
    )
    assert (record.request_id, record.method, record.path, record.trace_id) == (
        "7",
        "GET",
        "/",
        TRACE,
    )
    assert (record.status, record.bytes_in, record.bytes_out) == (0, 0, 0)
