"""Refuses images while the service is overloaded, before their requests begin.

A refusal by the routes takes most of a request's way through the server. Under overload most
requests are refused, so that way would take a quarter of the time that the images need.
"""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.types import Scope

from phiz.api.compat.routes import IMAGE_OPERATIONS
from phiz.api.errors import respond_to_error
from phiz.api.fetch.upload import has_url
from phiz.api.options import find_deadline, read_query
from phiz.api.request_record import RECORD_KEY, RequestRecord
from phiz.api.routes_detect import Operation, admit_model
from phiz.api.security.cors import CorsRules
from phiz.api.security.headers import RawHeaders
from phiz.api.server.clients import get_address
from phiz.api.server.request_head import HeaderLines
from phiz.api.service import Service
from phiz.errors import OptionError, OverloadedError

_METHOD: Final = "POST"


class EarlyRefusals:
    """The refusals of an application's requests."""

    def __init__(
        self,
        app: Any,  # noqa: ANN401  of any framework
        log_request: Callable[[RequestRecord], None],
        metrics_port: int | None = None,
        cors: CorsRules | None = None,
        operations: Mapping[str, Operation] = IMAGE_OPERATIONS,
    ) -> None:
        """Return the refusals of an application.

        Args:
            app: The application.
            log_request: Logs each of them.
            metrics_port: A port that has no images.
            cors: Origins whose pages may read the answers.
            operations: Operations of its routes, by path.
        """
        self._app = app
        self._operations = {path.encode(): (path, each) for path, each in operations.items()}
        self._log_request = log_request
        self._metrics_port = metrics_port
        self._cors = cors

    def refuse(self, url: bytes, headers: HeaderLines, scope: Scope) -> bytes | None:
        """Return the answer to a refused POST request, from its status line on.

        Args:
            url: Path and query of the request.
            headers: Its headers.
            scope: Both ends of its connection (ASGI).

        Returns:
            None if the request is not refused here. The routes may still refuse it.
        """
        service = self._app.state.service
        if not isinstance(service, Service) or not service.pool.has_queue:
            return None
        raw_path, _, query = url.partition(b"?")
        if (
            raw_path not in self._operations
            or has_url(query)
            or not service.pool.is_healthy
            or scope["server"][1] == self._metrics_port
        ):
            return None
        started_at_s = time.perf_counter()
        path, operation = self._operations[raw_path]
        try:
            model = read_query(operation.options_type, query).model
            admit_model(model, find_deadline(headers), get_address(scope), service, operation.work)
        except OptionError:
            return None
        except OverloadedError as error:
            record = RequestRecord.from_headers(_METHOD, path, headers)
            record.started_at_s, record.model = started_at_s, model
            added = self._cors.build_headers(headers) if self._cors is not None else ()
            answer = _encode_refusal(error, record, added)
            service.metrics.count_refusal(record)
            record.total_s = time.perf_counter() - started_at_s
            self._log_request(record)
            return answer
        return None


def _encode_refusal(error: OverloadedError, record: RequestRecord, added: RawHeaders) -> bytes:
    """Return the answer to a refused request, and note it in its record."""
    response = respond_to_error(error, {RECORD_KEY: record})
    record.status, record.bytes_out = response.status_code, len(response.body)
    lines = [b"HTTP/1.1 %d %b" % (record.status, HTTPStatus(record.status).phrase.encode())]
    lines += [b"%b: %b" % header for header in (*response.raw_headers, *added)]
    lines.append(b"x-request-id: " + record.request_id.encode())
    return b"\r\n".join([*lines, b"", bytes(response.body)])
