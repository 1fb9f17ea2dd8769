"""The fast path: the short way from the server to the routes that are asked most."""

import logging
from collections.abc import Mapping

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from phiz.api.compat.routes import IMAGE_OPERATIONS
from phiz.api.errors import respond_to_error
from phiz.api.openapi import OPENAPI_PATH
from phiz.api.request_record import get_record
from phiz.api.routes_detect import Operation, answer_request
from phiz.api.security.cors import CorsRules
from phiz.api.security.guard import STREAM_PATH
from phiz.api.security.headers import HeaderShield
from phiz.api.stream.route import serve_stream
from phiz.errors import PhizError
from phiz.system.logs import make_extra

_log = logging.getLogger(__name__)


class FastPath:
    """An application in front of another, which answers three kinds of requests itself.

    These are requests with images, those for streams, and those for the description, which is long
    and the same for everybody.

    The other one has the same routes, but passes each request through seven layers, which take a
    third of the service's time for it.
    """

    def __init__(
        self,
        app: FastAPI,
        operations: Mapping[str, Operation] = IMAGE_OPERATIONS,
        cors: CorsRules | None = None,
    ) -> None:
        """Return an application that passes all other requests on.

        Args:
            app: The other one.
            operations: Operations of its routes, by path.
            cors: Origins whose pages may open a stream, beside the service's own.
        """
        self._app = app
        self._operations = operations
        self._cors = cors
        self._shielded_app = HeaderShield(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        if scope["type"] != "http":
            if scope["type"] == "websocket" and scope["path"] == STREAM_PATH:
                await serve_stream(self._app, self._cors, scope, receive, send)
                return
            await self._pass_on(scope, receive, send)
            return
        operation = self._operations.get(scope["path"])
        if scope["path"] == OPENAPI_PATH and scope["method"] == "GET":
            await self._app.state.describe(scope)(scope, receive, send)
            return
        if operation is None or scope["method"] != "POST":
            await self._pass_on(scope, receive, send)
            return
        scope["app"] = self._app
        try:
            response = await answer_request(operation, Request(scope, receive))
        except Exception as error:  # noqa: BLE001  nothing above us would answer it
            response = respond_to_error(error, scope)
            if not isinstance(error, (PhizError, HTTPException, ClientDisconnect)):
                _log_failure(scope)
        await response(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._shielded_app(scope, receive, send)
        except Exception:
            if scope["type"] != "http":
                raise
            _log_failure(scope)  # it is answered already; the server would not name the request


def _log_failure(scope: Scope) -> None:
    request_id = get_record(scope).request_id
    _log.exception("a request failed", extra=make_extra({"request": request_id}))
