"""The route of ``WS /stream``: check the page, accept, read frames, and say why it ends.

Access is refused in HTTP, before the WebSocket is open. Everything else is a message of the stream,
because web pages see neither status nor body of a refused WebSocket.
"""

import asyncio
import logging
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from phiz.api.errors import (
    NotReadyError,
    build_problem,
    count_rejection,
    get_error_code,
    respond_to_error,
)
from phiz.api.options import read_query
from phiz.api.request_record import RequestRecord, get_record
from phiz.api.security.cors import CorsRules
from phiz.api.security.rates import Rate, RateLimiter
from phiz.api.server.clients import get_address
from phiz.api.server.disconnect import DISCONNECT_KEY, STOP_KEY
from phiz.api.server.stream_connection import POLICY_VIOLATION
from phiz.api.service import Service, get_service
from phiz.api.stream.origins import check_origin
from phiz.api.stream.session import (
    GOING_AWAY,
    INTERNAL_ERROR,
    TRY_AGAIN_LATER,
    Closing,
    StreamSession,
)
from phiz.errors import OptionError, OverloadedError, PhizError
from phiz.system.logs import make_extra
from phiz.wire.frames import encode_frame_problem
from phiz.wire.schemas import StreamParameters
from phiz.workers.handle import TaskOwner

SUBPROTOCOL: Final = "phiz"
MAX_SILENCE_S: Final = 60.0
# A client that sends more messages is read no faster. One that sends without end would keep the
# service from others.
READ_RATE: Final = Rate(count=120, period_s=1, burst=240)

_log = logging.getLogger(__name__)


async def refuse_plain_request(_request: Request) -> Response:
    """Refuse a request for a stream that is no WebSocket.

    Raises:
        HTTPException: Always.
    """
    raise HTTPException(
        HTTPStatus.UPGRADE_REQUIRED,
        "this address is that of a WebSocket of version 13; use a WebSocket client, and an address"
        " that begins with ws:// or wss://",
        {"Upgrade": "websocket"},
    )


async def serve_stream(
    app: Any,  # noqa: ANN401  of any framework
    cors: CorsRules | None,
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Answer a request for a stream (ASGI), until the stream ends."""
    scope["app"] = app
    websocket = WebSocket(scope, receive, send)
    record = get_record(scope)
    try:
        service = get_service(websocket)
        if not app.state.ready:
            raise NotReadyError
        check_origin(scope, cors)
    except (PhizError, HTTPException) as error:
        count_rejection(app, get_error_code(error))
        await respond_to_error(error, scope)(scope, receive, send)
        return
    with suppress(WebSocketDisconnect, ClientDisconnect):
        await websocket.accept(
            SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
        )
        closing = await _run_stream(websocket, service, record)
        if closing.error is not None:
            record.error_code = get_error_code(closing.error)
            problem = build_problem(closing.error)
            await websocket.send_text(encode_frame_problem(problem, None, 0))
        if closing.code:
            await websocket.close(closing.code, closing.reason)


async def _run_stream(websocket: WebSocket, service: Service, record: RequestRecord) -> Closing:
    """Answer frames until the stream ends, and return how."""
    address = get_address(websocket.scope)
    owner = TaskOwner(record.client or address, record.request_id)
    try:
        options = read_query(StreamParameters, websocket.scope["query_string"])
        with (
            service.streams.enter(),
            service.metrics.track_stream(),
            service.admission.bodies.reserve(address, is_complete=True) as body,
        ):
            session = StreamSession(service, options, owner, record, body)
            return await _exchange_messages(websocket, session, record)
    except OptionError as error:
        service.metrics.count_rejection(error.code)
        return Closing.from_error(error)
    except OverloadedError as error:
        service.metrics.count_rejection(error.code)
        return Closing.from_error(error, TRY_AGAIN_LATER)
    except asyncio.CancelledError:  # the time of a server that stops is over
        return Closing(GOING_AWAY)
    except (WebSocketDisconnect, ClientDisconnect):
        raise
    except Exception as error:  # noqa: BLE001  the client learns of any
        return _log_failure(error, record)


def _log_failure(error: Exception, record: RequestRecord) -> Closing:
    """Log an error that is none of the client's, and return the end of its stream."""
    _log.error("a stream failed", exc_info=error, extra=make_extra({"request": record.request_id}))
    return Closing(INTERNAL_ERROR, get_error_code(error), error)


async def _exchange_messages(
    websocket: WebSocket, session: StreamSession, record: RequestRecord
) -> Closing:
    """Read frames and send answers until the stream ends, and return how."""
    stop, loss = (websocket.scope.get(key) for key in (STOP_KEY, DISCONNECT_KEY))
    if stop is not None:
        stop.listen(lambda: session.end(Closing(GOING_AWAY, "the service stops")))
    if loss is not None:
        loss.listen(session.leave)
    reader = asyncio.create_task(_read_messages(websocket, session, record))
    try:
        return await session.run(websocket.send_text)
    finally:
        reader.cancel()
        for event in (stop, loss):
            if event is not None:
                event.listen(None)


async def _read_messages(
    websocket: WebSocket, session: StreamSession, record: RequestRecord
) -> None:
    """Give the messages of a client to its stream, until the client leaves or is silent."""
    limiter = RateLimiter()
    try:
        while True:
            async with asyncio.timeout(MAX_SILENCE_S):
                message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                session.leave()
                return
            if (image_bytes := message.get("bytes")) is not None:
                session.receive_frame(image_bytes)
            else:
                session.receive_text(message["text"])
            if wait_s := limiter.take("", READ_RATE, time.monotonic()):
                await asyncio.sleep(wait_s)
                limiter.take("", READ_RATE, time.monotonic())
    except TimeoutError:
        session.end(Closing(POLICY_VIOLATION, f"no message for {MAX_SILENCE_S:g} s"))
    except Exception as error:  # noqa: BLE001  or the stream would never end
        session.end(_log_failure(error, record))
