"""Fetches an image by https, from an allowed host and within limits."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from ipaddress import ip_address
from threading import Thread
from typing import Final, TypeAlias

import httpx

import phiz
from phiz.api.fetch.hosts import HTTPS_PORT, AddressCheck, HostRules, IpAddress
from phiz.errors import (
    ImageBytesError,
    OverloadedError,
    SettingError,
    UrlAnswerError,
    UrlNotAllowedError,
    UrlTimeoutError,
    UrlUnreachableError,
)

MAX_FETCHES: Final = 32
MAX_URL_CHARACTERS: Final = 2048
MAX_REDIRECTS: Final = 3
MAX_ADDRESSES: Final = 3  # that are tried, one after the other
CONNECT_TIMEOUT_S: Final = 3.0
READ_TIMEOUT_S: Final = 5.0  # without a single byte

TIMEOUTS: Final = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
HEADERS: Final = {
    "User-Agent": f"phiz/{phiz.__version__}",
    "Accept": "image/*",
    "Accept-Encoding": "identity",  # decompression could give any number of bytes
    "Connection": "close",
}

LookUp: TypeAlias = Callable[[str, int], Sequence[IpAddress]]
"""Returns the addresses of a host and port; it blocks, and may raise an OSError."""
ByteCounter: TypeAlias = Callable[[int], None]
"""Counts received bytes; it may raise an OverloadedError."""


def look_up_addresses(host: str, port: int) -> list[IpAddress]:
    """Return the addresses of a host, as the system's resolver orders them.

    Raises:
        OSError: The resolver does not know the host.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(address[0]) for *_, address in found]


def open_transport(context: ssl.SSLContext) -> httpx.AsyncBaseTransport:
    """Return a transport without proxies, cookies, redirects or kept connections.

    A kept connection would be found by its address, and so be used for another host there.
    """
    return httpx.AsyncHTTPTransport(
        verify=context, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
    )


class ImageFetcher:
    """Fetches images, in the thread of the event loop."""

    def __init__(
        self,
        rules: HostRules,
        max_bytes: int,
        *,
        look_up: LookUp = look_up_addresses,
        open_transport: Callable[[ssl.SSLContext], httpx.AsyncBaseTransport] = open_transport,
    ) -> None:
        """Return a fetcher, which trusts the authorities of ``SSL_CERT_FILE`` or of certifi.

        Args:
            rules: Hosts that it may fetch from.
            max_bytes: Maximum bytes of an image.
            look_up: Finds the addresses of a host.
            open_transport: Opens the transport of a connection.

        Raises:
            SettingError: The authorities cannot be read.
        """
        self._rules = rules
        self._max_bytes = max_bytes
        self._look_up = look_up
        self._open_transport = open_transport
        self._context = _load_authorities()
        self._fetches = 0
        self._lookups = 0

    async def fetch_image(self, url: str, limit_s: float, count_bytes: ByteCounter) -> bytes:
        """Return the bytes at an address.

        Args:
            url: Address, as the client sent it.
            limit_s: Maximum seconds in all.
            count_bytes: Counts the bytes of the image as they arrive.

        Raises:
            UrlError: The image cannot be fetched.
            ImageBytesError: The image has more bytes than the limit.
            OverloadedError: Too many images are being fetched, or ``count_bytes`` raised it.
        """
        # A lookup cannot be ended, and may outlive its fetch.
        if max(self._fetches, self._lookups) >= MAX_FETCHES:
            raise OverloadedError(
                f"the service already fetches the limit of {MAX_FETCHES} images; try again in a"
                " moment"
            )
        self._fetches += 1
        try:
            async with asyncio.timeout(limit_s):
                return await self._follow_redirects(_parse_url(url), count_bytes)
        except TimeoutError:
            raise UrlTimeoutError(
                f"the image was not fetched after the limit of {limit_s:g} s; send the image"
                " itself, or try again later"
            ) from None
        finally:
            self._fetches -= 1

    async def _follow_redirects(self, url: httpx.URL, count_bytes: ByteCounter) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._request(url, count_bytes)
            if isinstance(answer, bytes):
                return answer
            url = _parse_url(answer, url)
        raise UrlAnswerError(
            f"the url exceeds the limit of {MAX_REDIRECTS} redirects; use the address of the image"
            " itself"
        )

    async def _request(self, url: httpx.URL, count_bytes: ByteCounter) -> bytes | str:
        """Return the image, or the address that the host redirects to.

        The addresses of the host are looked up once, and the connection is made to one of them.
        """
        host, port = url.raw_host.decode("ascii"), url.port or HTTPS_PORT
        check = self._rules.choose_check(host, port)
        for address in await self._find_addresses(host, port, check):
            request = httpx.Request(
                "GET",
                url.copy_with(host=str(address)),
                headers={"Host": url.netloc.decode("ascii"), **HEADERS},
                extensions={"sni_hostname": host, "timeout": TIMEOUTS.as_dict()},
            )
            async with self._open_transport(self._context) as transport:
                with _translate_errors():
                    try:
                        response = await transport.handle_async_request(request)
                    except (httpx.ConnectError, httpx.ConnectTimeout):
                        continue
                    return await self._read(response, count_bytes)
        raise UrlUnreachableError(
            "the host of the url has no allowed address, accepts no connection, or has no valid"
            " certificate; check the address, or send the image itself"
        )

    async def _find_addresses(
        self, host: str, port: int, check: AddressCheck
    ) -> Sequence[IpAddress]:
        """Return the first addresses of a host; none if one of all its addresses is not allowed."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Sequence[IpAddress]] = loop.create_future()

        def complete(addresses: Sequence[IpAddress]) -> None:
            self._lookups -= 1
            if not found.done():  # the fetch may have ended
                found.set_result(addresses)

        def look_up() -> None:
            addresses: Sequence[IpAddress] = ()
            with suppress(OSError, ValueError):  # names that no resolver accepts are ValueErrors
                addresses = self._look_up(host, port)
            with suppress(RuntimeError):  # the loop may have ended
                loop.call_soon_threadsafe(complete, addresses)

        self._lookups += 1
        # Pools of threads wait for their last lookup when the process ends.
        Thread(target=look_up, daemon=True).start()
        addresses = await found
        return addresses[:MAX_ADDRESSES] if all(map(check, addresses)) else ()

    async def _read(self, response: httpx.Response, count_bytes: ByteCounter) -> bytes | str:
        if response.has_redirect_location:
            return response.headers["location"]
        _check_answer(response)
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise self._build_size_error(f"the image at the url has {length} bytes")
        chunks, size_bytes = [], 0
        async for chunk in response.aiter_raw():
            count_bytes(len(chunk))
            size_bytes += len(chunk)
            if size_bytes > self._max_bytes:
                raise self._build_size_error(f"{size_bytes} bytes have arrived from the url so far")
            chunks.append(chunk)
        return b"".join(chunks)

    def _build_size_error(self, found: str) -> ImageBytesError:
        return ImageBytesError(f"{found}; the limit is {self._max_bytes}; use a smaller image")


def _load_authorities() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise SettingError(
            f"cannot read the certificates of SSL_CERT_FILE or SSL_CERT_DIR: {error.strerror};"
            " correct or unset the variable"
        ) from error


def _parse_url(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """Return an address, or what a redirect from another one leads to.

    Raises:
        UrlNotAllowedError: It is not an address of https, or names a user.
    """
    url = httpx.URL()
    if len(text) <= MAX_URL_CHARACTERS:
        with suppress(httpx.InvalidURL, ValueError):
            url = httpx.URL(text) if base is None else base.join(text)
    if url.scheme != "https" or not url.raw_host or url.userinfo:
        subject = "the url" if base is None else "a redirect of the url"
        raise UrlNotAllowedError(
            f"{subject} is not an address that begins with https://, has no user name and at most"
            f" {MAX_URL_CHARACTERS} characters; use one, or send the image itself"
        )
    return url


def _check_answer(response: httpx.Response) -> None:
    if response.status_code != HTTPStatus.OK:
        raise UrlAnswerError(
            f"the host of the url answered with the status {response.status_code}, not 200; use an"
            " address that opens without signing in, or send the image itself"
        )
    if response.headers.get("content-encoding", "").lower() not in {"", "identity"}:
        raise UrlAnswerError(
            "the host of the url compressed its answer, which was not asked for; send the image"
            " itself"
        )


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Raise the errors of a connection as errors of the address."""
    try:
        yield
    except httpx.TimeoutException:
        raise UrlTimeoutError(
            f"the host of the url sent nothing for {READ_TIMEOUT_S:g} s; send the image itself, or"
            " try again later"
        ) from None
    except httpx.TransportError:
        raise UrlAnswerError(
            "the host of the url ended the connection early, or its answer is not HTTP; check the"
            " address, or send the image itself"
        ) from None
