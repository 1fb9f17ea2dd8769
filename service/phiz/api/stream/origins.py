"""Which web pages may open a stream.

A browser lets any page open a WebSocket to any host, and sends the origin of the page with it. A
page of another origin must not use a service that only its own machine can reach.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from phiz.api.options import quote_text
from phiz.api.security.cors import DEFAULT_PORTS, CorsRules
from phiz.errors import OriginError


def check_origin(scope: Scope, cors: CorsRules | None) -> None:
    """Check the header ``Origin`` of a request for a stream. Programs mostly send none.

    Args:
        scope: The request.
        cors: Origins whose pages may use the service, beside its own.

    Raises:
        OriginError: It is another one.
    """
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    if origin is None or (cors is not None and cors.has_origin(origin)):
        return
    if not _is_same_host(origin, headers.get("host", "")):
        raise OriginError(
            f"the web page of the origin {quote_text(origin)} may not use this service;"
            f" {OriginError.remedy.replace('`', '')}"
        )


def _is_same_host(origin: str, host: str) -> bool:
    """Return whether an origin has the host and port of a ``Host`` header.

    Its scheme may differ, because a proxy in front may take TLS off.
    """
    try:
        page, service = urlsplit(origin), urlsplit(f"//{host}")
        default = DEFAULT_PORTS.get(page.scheme)
        ports = page.port or default, service.port or default
    except ValueError:  # a port that is no number, or half a bracket
        return False
    is_same = page.hostname == service.hostname and ports[0] == ports[1]
    return is_same and default is not None and bool(page.hostname)
