"""``/docs``: the interactive page, from files of an installed package.

Nothing is loaded from another host: the page works without a network, and nobody is told
who reads it. Its addresses are relative, so that it works below any prefix of a proxy.
"""

from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

ASSETS_PACKAGE = "fastapi_offline"
# The page has one script of its own, and its style sheet holds pictures as data.
DOCS_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data: blob:;"
    " script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"
)


def build_docs_routes() -> list[BaseRoute]:
    """Return the routes of the page and its files."""
    files = StaticFiles(packages=[(ASSETS_PACKAGE, "static")])
    return [Route("/docs", _serve_docs_page, include_in_schema=False), Mount("/docs", files)]


async def _serve_docs_page(request: Request) -> HTMLResponse:
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=request.app.title,
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url="data:,",
        # Swagger's validator would send the address of this service to its own host.
        swagger_ui_parameters={"validatorUrl": None, "tryItOutEnabled": True},
    )
    page.headers["Content-Security-Policy"] = DOCS_POLICY
    return page
