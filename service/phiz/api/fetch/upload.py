"""An image that the service fetches itself, instead of reading it from the body."""

import asyncio
import time
from collections.abc import Awaitable
from urllib.parse import parse_qsl, urlencode

from starlette.requests import ClientDisconnect, Request
from starlette.types import Scope

from phiz.api.content.upload import Upload
from phiz.api.request_record import RequestRecord
from phiz.api.server.bodies import BodyReservation
from phiz.api.service import Service
from phiz.errors import OptionError, UrlDisabledError

URL_OPTION = "url"


def has_url(query: bytes) -> bool:
    """Return whether a query may have the option ``url``; nearly all have not."""
    return b"url=" in query


def take_url(scope: Scope) -> str | None:
    """Return the option ``url`` of a request, and remove it from the query.

    The address is private, and nothing that keeps or shows the query should have it.

    Raises:
        OptionError: The option is given twice.
    """
    query = scope["query_string"]
    if not has_url(query):
        return None
    options = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    urls = [value for name, value in options if name == URL_OPTION]
    others = [(name, value) for name, value in options if name != URL_OPTION]
    scope["query_string"] = urlencode(others).encode()
    if len(urls) > 1:
        raise OptionError("the query parameter 'url' is given twice; give it once")
    return urls[0] if urls else None


async def fetch_upload(
    url: str,
    request: Request,
    service: Service,
    record: RequestRecord,
    reservation: BodyReservation,
) -> Upload:
    """Return the image at an address; its time counts against the deadline of the request.

    Raises:
        UrlError: The image cannot be fetched.
        ImageBytesError: The image has more bytes than the limit.
        OptionError: The request has a body too.
        OverloadedError: Too many images are being fetched, or all have too many bytes.
        ClientDisconnect: The client has left.
    """
    if service.fetcher is None:
        raise UrlDisabledError(
            "the service does not fetch images by their url; send the image itself, or set"
            " PHIZ_URL_HOSTS on the machine of the service"
        )
    headers = request.headers
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise OptionError("the request has the option url and a body; send only one of them")
    started_s = time.perf_counter()
    fetch = service.fetcher.fetch_image(url, record.deadline_s, reservation.add_bytes)
    image_bytes = await _await_while_connected(fetch, request)
    record.deadline_s = max(0.0, record.deadline_s - (time.perf_counter() - started_s))
    return Upload((image_bytes,))


async def _await_while_connected(fetch: Awaitable[bytes], request: Request) -> bytes:
    """Return the result of a fetch, which is cancelled when the client leaves.

    Raises:
        ClientDisconnect: The client has left.
        Exception: The connection ended with it.
    """
    fetching = asyncio.ensure_future(fetch)
    watching = asyncio.create_task(_wait_for_disconnect(request))
    watching.add_done_callback(lambda _: fetching.cancel())
    try:
        return await fetching
    except asyncio.CancelledError:
        if watching.done() and not watching.cancelled():
            raise watching.result() from None
        raise
    finally:
        watching.cancel()


async def _wait_for_disconnect(request: Request) -> Exception:
    try:
        while (await request.receive())["type"] != "http.disconnect":
            pass
    except Exception as error:  # noqa: BLE001  however the connection ended
        return error
    return ClientDisconnect()
