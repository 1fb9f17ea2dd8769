"""Fetches an image by https, from an allowed host and within limits."""

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from ipaddress import ip_address
from threading import Thread
from typing import Final, TypeAlias
from urllib.parse import urljoin

import phiz
from phiz.api.fetch.answer import ByteCounter, HostAnswer, read_answer
from phiz.api.fetch.hosts import AddressCheck, HostRules, IpAddress
from phiz.api.fetch.location import Location, parse_url
from phiz.errors import (
    OverloadedError,
    SettingError,
    UrlAnswerError,
    UrlTimeoutError,
    UrlUnreachableError,
)

MAX_FETCHES: Final = 32
MAX_REDIRECTS: Final = 3
MAX_ADDRESSES: Final = 3  # that are tried, one after the other
CONNECT_TIMEOUT_S: Final = 3.0

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
REQUEST: Final = (
    "GET {target} HTTP/1.1\r\n"
    "Host: {authority}\r\n"
    f"User-Agent: phiz/{phiz.__version__}\r\n"
    "Accept: image/*\r\n"
    "Accept-Encoding: identity\r\n"  # decompression could give any number of bytes
    "\r\n"
)
"""Without ``Connection: close``: uvloop may drop the last bytes of a host that closes abruptly."""

LookUp: TypeAlias = Callable[[str, int], Sequence[IpAddress]]
"""Returns the addresses of a host and port; it blocks, and may raise an OSError."""
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect: TypeAlias = Callable[[IpAddress, int, str, ssl.SSLContext], Awaitable[Streams]]
"""Connects to an address and port, whose certificate must be for a host."""


def look_up_addresses(host: str, port: int) -> list[IpAddress]:
    """Return the addresses of a host, as the system's resolver orders them.

    Raises:
        OSError: The resolver does not know the host.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(address[0]) for *_, address in found]


async def connect_address(
    address: IpAddress, port: int, host: str, context: ssl.SSLContext
) -> Streams:
    """Return a connection to an address, whose certificate is valid for a host.

    Raises:
        OSError: The address accepts no connection, or has no such certificate.
    """
    return await asyncio.open_connection(str(address), port, ssl=context, server_hostname=host)


class ImageFetcher:
    """Fetches images, in the thread of the event loop."""

    def __init__(
        self,
        rules: HostRules,
        max_bytes: int,
        *,
        look_up: LookUp = look_up_addresses,
        connect: Connect = connect_address,
    ) -> None:
        """Return a fetcher, which trusts the authorities of ``SSL_CERT_FILE`` or the system.

        Args:
            rules: Hosts that it may fetch from.
            max_bytes: Maximum bytes of an image.
            look_up: Finds the addresses of a host.
            connect: Connects to an address.

        Raises:
            SettingError: The authorities cannot be read.
        """
        self._rules = rules
        self._max_bytes = max_bytes
        self._look_up = look_up
        self._connect = connect
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
        with self._take_place():
            try:
                async with asyncio.timeout(limit_s):
                    return await self._follow_redirects(url, count_bytes)
            except TimeoutError:
                raise UrlTimeoutError(
                    f"the image was not fetched after the limit of {limit_s:g} s; send the image"
                    " itself, or try again later"
                ) from None

    @contextmanager
    def _take_place(self) -> Iterator[None]:
        # A lookup cannot be ended, and may outlive its fetch.
        if max(self._fetches, self._lookups) >= MAX_FETCHES:
            raise OverloadedError(
                f"the service already fetches the limit of {MAX_FETCHES} images; try again in a"
                " moment"
            )
        self._fetches += 1
        try:
            yield
        finally:
            self._fetches -= 1

    async def _follow_redirects(self, url: str, count_bytes: ByteCounter) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._request(parse_url(url), count_bytes)
            target = answer.headers.get(b"location")
            if answer.status == HTTPStatus.OK:
                return bytes(answer.body)
            if answer.status not in REDIRECTS or target is None:
                raise UrlAnswerError(
                    f"the host of the url answered with the status {answer.status}, not 200; use an"
                    " address that opens without signing in, or send the image itself"
                )
            url = _join_url(url, target.decode("utf-8", "replace"))
        raise UrlAnswerError(
            f"the url exceeds the limit of {MAX_REDIRECTS} redirects; use the address of the image"
            " itself"
        )

    async def _request(self, url: Location, count_bytes: ByteCounter) -> HostAnswer:
        """Return the answer of a host.

        Its addresses are looked up once, and the connection is made to one of them.
        """
        check = self._rules.choose_check(url.host, url.port)
        for address in await self._find_addresses(url, check):
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    streams = await self._connect(address, url.port, url.host, self._context)
            except OSError:  # also of the timeout, and of the certificate
                continue
            reader, writer = streams
            try:
                request = REQUEST.format(target=url.target, authority=url.authority)
                writer.write(request.encode("ascii"))
                return await read_answer(reader, self._max_bytes, count_bytes)
            finally:
                writer.transport.abort()
        raise UrlUnreachableError(
            "the host of the url has no allowed address, accepts no connection, or has no valid"
            " certificate; check the address, or send the image itself"
        )

    async def _find_addresses(self, url: Location, check: AddressCheck) -> Sequence[IpAddress]:
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
                addresses = self._look_up(url.host, url.port)
            with suppress(RuntimeError):  # the loop may have ended
                loop.call_soon_threadsafe(complete, addresses)

        # Pools of threads wait for their last lookup when the process ends.
        Thread(target=look_up, daemon=True).start()
        self._lookups += 1  # once it has started: a thread too many is an error
        addresses = await found
        return addresses[:MAX_ADDRESSES] if all(map(check, addresses)) else ()


def _join_url(url: str, target: str) -> str:
    """Return what a redirect leads to; an empty text if that is no address."""
    try:
        return urljoin(url, target)
    except ValueError:
        return ""


def _load_authorities() -> ssl.SSLContext:
    """Return a context that trusts the authorities of the environment, or else of the system."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    except OSError as error:
        raise SettingError(
            f"SSL_CERT_FILE is {file!r}, and cannot be read as certificates: {error.strerror};"
            " correct or unset it"
        ) from error
