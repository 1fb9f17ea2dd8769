"""The routes of the page at ``/``, its files and the index for programs.

The page has no inline code and loads nothing from other hosts. All its addresses are relative, so
it works below any prefix of a proxy.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from phiz.api.encoded_response import ObjectResponse
from phiz.api.page.files import CACHE_CONTROL, PageFiles
from phiz.api.pictures.negotiation import AnswerFormat, AnswerFormats, choose_format
from phiz.wire.messages import JSON
from phiz.wire.schemas import JsonObject

PAGE_PATH: Final = "/"
ICON_PATH: Final = "/favicon.ico"
FOLDER: Final = Path(__file__).parent
# Pictures are blobs of the page: those of the reader, and those that the service has answered.
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'"
)
_PAGE_HEADERS: Final = {
    "Cache-Control": CACHE_CONTROL,
    "Content-Security-Policy": PAGE_POLICY,
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Vary": "Accept",
}
_FORMATS: Final[AnswerFormats] = (
    AnswerFormat("text/html", "html", ""),
    AnswerFormat(JSON, "json", ""),
)
_UNDESCRIBED_ROUTES: Final = (
    ("GET", "/docs", "Try every route in a browser"),
    ("GET", "/openapi.json", "Get the description of the routes"),
)


def build_page_routes() -> list[BaseRoute]:
    """Return the routes of the page, its icon and its files."""
    page = (FOLDER / "index.html").read_bytes()
    headers = {**_PAGE_HEADERS, "ETag": f'"{hashlib.sha256(page).hexdigest()[:32]}"'}
    files = PageFiles(directory=FOLDER / "static")

    async def serve_page(request: Request) -> Response:
        if choose_format(_FORMATS, None, request.scope["headers"]).media_type == JSON:
            return ObjectResponse(_build_index(request.app), headers={"Vary": "Accept"})
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return HTMLResponse(page, headers=headers)

    async def serve_icon(request: Request) -> Response:
        return await files.get_response("favicon.svg", request.scope)

    return [
        Route(PAGE_PATH, serve_page, include_in_schema=False),
        Route(ICON_PATH, serve_icon, include_in_schema=False),
        Mount("/page", files),
    ]


def _build_index(app: Any) -> JsonObject:  # noqa: ANN401  FastAPI, which a request does not type
    """Return what the service is, and its routes with their summaries."""
    schema = app.openapi()
    described = [
        (method.upper(), path, operation["summary"])
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]
    return {
        "name": schema["info"]["title"],
        "version": schema["info"]["version"],
        "routes": [
            {"method": method, "path": path, "summary": summary}
            for method, path, summary in (*described, *_UNDESCRIBED_ROUTES)
        ],
    }
