"""Answers in one write: those that are whole, and nothing else."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from starlette.types import Message
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from phiz.api.server.answer import AnswerSender

LENGTH = (b"content-length", b"4")
BODY: Message = {"type": "http.response.body", "body": b"face"}


class RecordingTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True


def send_answer(
    *messages: Message, method: str = "POST", keep_alive: bool = True
) -> tuple[RecordingTransport, RequestResponseCycle]:
    async def send() -> tuple[RecordingTransport, RequestResponseCycle]:
        transport = RecordingTransport()
        scope: Any = {"type": "http", "method": method}
        logger = logging.getLogger(__name__)
        cycle = RequestResponseCycle(
            scope=scope,
            transport=transport,
            flow=FlowControl(transport),
            logger=logger,
            access_logger=logger,
            access_log=False,
            default_headers=[(b"date", b"today")],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=lambda: None,
        )
        sender = AnswerSender(cycle)
        for message in messages:
            await sender.send(message)
        return transport, cycle

    return asyncio.run(send())


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Mapping[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def join(lines: Iterable[bytes]) -> bytes:
    return b"\r\n".join(lines)


def test_whole_answer_is_one_write() -> None:
    transport, cycle = send_answer({**start(LENGTH, status=503)}, BODY)
    head = [b"HTTP/1.1 503 Service Unavailable", b"date: today", b"content-length: 4"]
    assert transport.writes == [join([*head, b"", b"face"])]
    assert cycle.response_complete
    assert cycle.message_event.is_set()
    assert not transport.closed


def test_whole_last_answer_closes_connection() -> None:
    transport, _ = send_answer({**start(LENGTH)}, BODY, keep_alive=False)
    assert len(transport.writes) == 1
    assert b"\r\nconnection: close\r\n" in transport.writes[0]
    assert transport.closed


def test_close_of_application_is_kept() -> None:
    transport, _ = send_answer({**start(LENGTH, (b"connection", b"close"))}, BODY)
    assert b"".join(transport.writes).count(b"connection: close") == 1
    assert transport.closed


def test_stream_is_sent_in_parts() -> None:
    part = {"type": "http.response.body", "body": b"fa", "more_body": True}
    rest = {"type": "http.response.body", "body": b"ce"}
    transport, cycle = send_answer({**start()}, part, rest)
    assert transport.writes[1:] == [b"2\r\nfa\r\n", b"2\r\nce\r\n0\r\n\r\n"]
    assert cycle.response_complete


def test_head_alone_has_no_body() -> None:
    transport, cycle = send_answer({**start(LENGTH)}, BODY, method="HEAD")
    assert b"face" not in b"".join(transport.writes)
    assert cycle.response_complete


def test_head_waits_for_body() -> None:
    transport, cycle = send_answer({**start(LENGTH)})
    assert transport.writes == []
    assert not cycle.response_started


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nb", b"a\0b"])
def test_line_break_in_header_is_refused(value: bytes) -> None:
    with pytest.raises(RuntimeError, match="Invalid HTTP header value"):
        send_answer({**start(LENGTH, (b"x-value", value))}, BODY)


def test_wrong_length_is_refused() -> None:
    with pytest.raises(RuntimeError, match="shorter than Content-Length"):
        send_answer({**start((b"content-length", b"5"))}, BODY)
