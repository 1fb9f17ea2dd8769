"""Files for browsers, which may keep them if they ask whether they have changed."""

from typing import Any, Final

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from phiz.errors import RangeError

CACHE_CONTROL: Final = "private, no-cache"
_RANGE_STATUSES: Final = (400, 416)
# Of RFC 9239; the table of Python 3.11, or of the system, has older names.
_SCRIPT_TYPE: Final = "text/javascript; charset=utf-8"


class PageFiles(StaticFiles):
    """The files of a page, with ``ETag``."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI).

        Raises:
            RangeError: As its description; the framework would answer in plain text.
        """
        is_refused = False

        async def send_checked(message: Message) -> None:
            nonlocal is_refused
            if message["type"] == "http.response.start":
                is_refused = message["status"] in _RANGE_STATUSES
            if not is_refused:
                await send(message)

        await super().__call__(scope, receive, send_checked)
        if is_refused:
            raise RangeError("the header Range is not a range of this file; send no Range")

    def file_response(self, *args: Any, **kwargs: Any) -> Response:  # noqa: ANN401  Starlette's
        """Return a file, or that it has not changed."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = CACHE_CONTROL
        if "javascript" in response.headers.get("Content-Type", ""):
            response.headers["Content-Type"] = _SCRIPT_TYPE
        return response
