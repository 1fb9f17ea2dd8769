"""Fetches from a real server of https, which is known by public names and addresses.

The resolver is the test's own, and the route to its public addresses ends at the server. All other
checks are those of the service.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest

from phiz.api.fetch import answer, fetcher
from phiz.api.fetch.fetcher import ImageFetcher, Streams, connect_address, look_up_addresses
from phiz.api.fetch.hosts import HostRules, IpAddress
from phiz.errors import (
    ImageBytesError,
    OverloadedError,
    PhizError,
    UrlAnswerError,
    UrlNotAllowedError,
    UrlTimeoutError,
    UrlUnreachableError,
)

from .conftest import PAGES
from .server import Server, serving

pytestmark = pytest.mark.anyio

MAX_BYTES = 1000
ADDRESS = "93.184.216.34"
PATIENCE_S = 10.0
SERVER_ADDRESS = ip_address("127.0.0.1")
HOSTS = {
    "images.example.org": (ADDRESS,),
    "other.example.org": (ADDRESS,),
    "wrong.example.org": (ADDRESS,),  # not in the certificate
    "internal.example.org": ("10.0.0.1",),
    "loopback.example.org": ("127.0.0.1",),
    "mapped.example.org": ("::ffff:127.0.0.1",),
    "metadata.example.org": ("169.254.169.254",),
    "both.example.org": (ADDRESS, "10.0.0.1"),
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(frozen=True, slots=True)
class Network:
    """A resolver, and a route from public addresses to the server.

    Attributes:
        server: The server.
        hosts: The addresses of each host; several tuples are the answers of consecutive lookups.
        lookups: The hosts that were looked up.
        connections: The addresses that were connected to.
    """

    server: Server
    hosts: Mapping[str, Sequence[str]]
    lookups: list[str] = field(default_factory=list)
    connections: list[str] = field(default_factory=list)

    def look_up(self, host: str, _port: int) -> list[IpAddress]:
        self.lookups.append(host)
        if host not in self.hosts:
            raise OSError(f"{host} is unknown")
        return [ip_address(address) for address in self.hosts[host]]

    async def connect(
        self, address: IpAddress, _port: int, host: str, context: ssl.SSLContext
    ) -> Streams:
        self.connections.append(str(address))
        return await connect_address(SERVER_ADDRESS, self.server.port, host, context)

    def build_fetcher(self, *hosts: str) -> ImageFetcher:
        return ImageFetcher(
            HostRules.from_setting(hosts or ["public"]),
            MAX_BYTES,
            look_up=self.look_up,
            connect=self.connect,
        )

    async def fetch(self, url: str, limit_s: float = PATIENCE_S) -> bytes:
        return await self.build_fetcher().fetch_image(url, limit_s, lambda _: None)


@pytest.fixture
def network(server: Server, monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setenv("SSL_CERT_FILE", server.authority)
    return Network(server, HOSTS)


@pytest.mark.parametrize(
    "path",
    [
        "face.png",
        "chunked",
        "interim",
        "identity",
        "moved",
        "moved-permanently",
        "2",
    ],
)
async def test_image_is_fetched(network: Network, path: str) -> None:
    assert await network.fetch(f"https://images.example.org/{path}") == b"an image"


async def test_request_names_host_and_service_alone(network: Network) -> None:
    await network.fetch("https://Images.Example.org/face.png?size=1#part")
    (head,) = network.server.heads
    request_line, *lines = head.strip().split("\r\n")
    headers = dict(line.lower().split(": ") for line in lines)
    assert request_line == "GET /face.png?size=1 HTTP/1.1"
    assert headers.pop("user-agent").startswith("phiz/")
    assert headers == {
        "host": "images.example.org",
        "accept": "image/*",
        "accept-encoding": "identity",
    }
    assert network.server.names == ["images.example.org"]


async def test_bytes_are_counted_as_they_arrive(network: Network) -> None:
    counts: list[int] = []
    client = network.build_fetcher()
    await client.fetch_image("https://images.example.org/chunked", PATIENCE_S, counts.append)
    assert sum(counts) == len(b"an image")


async def test_full_memory_ends_the_fetch(network: Network) -> None:
    def refuse(_: int) -> None:
        raise OverloadedError("full")

    with pytest.raises(OverloadedError, match="full"):
        await network.build_fetcher().fetch_image(
            "https://images.example.org/endless", PATIENCE_S, refuse
        )


async def test_cookie_is_not_kept(network: Network) -> None:
    await network.fetch("https://images.example.org/cookie")
    assert network.server.paths == ["/cookie", "/face.png"]
    assert "cookie" not in network.server.heads[-1].lower()


async def test_proxy_of_the_environment_is_not_used(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert await network.fetch("https://images.example.org/face.png") == b"an image"


async def test_connection_goes_to_the_address_that_was_checked(network: Network) -> None:
    """The resolver changes its answer after the check."""
    answers = iter([(ADDRESS,), ("127.0.0.1",)])
    lookups: list[str] = []

    def look_up(host: str, _port: int) -> list[IpAddress]:
        lookups.append(host)
        return [ip_address(address) for address in next(answers)]

    client = ImageFetcher(
        HostRules.from_setting(["public"]),
        MAX_BYTES,
        look_up=look_up,
        connect=network.connect,
    )
    url = "https://images.example.org/face.png"
    assert await client.fetch_image(url, PATIENCE_S, lambda _: None) == b"an image"
    assert (lookups, network.connections) == (["images.example.org"], [ADDRESS])
    with pytest.raises(UrlUnreachableError):
        await client.fetch_image(url, PATIENCE_S, lambda _: None)
    assert network.connections == [ADDRESS]


async def test_rebinding_between_redirects_is_refused(network: Network) -> None:
    answers = iter([(ADDRESS,), ("127.0.0.1",)])
    client = ImageFetcher(
        HostRules.from_setting(["public"]),
        MAX_BYTES,
        look_up=lambda *_: [ip_address(address) for address in next(answers)],
        connect=network.connect,
    )
    with pytest.raises(UrlUnreachableError):
        await client.fetch_image("https://images.example.org/moved", PATIENCE_S, lambda _: None)
    assert network.server.paths == ["/moved"]


async def test_address_that_refuses_is_followed_by_the_next(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the route: one address of this machine has no server."""
    monkeypatch.setenv("SSL_CERT_FILE", server.authority)
    client = ImageFetcher(HostRules.from_setting([f"localhost:{server.port}"]), MAX_BYTES)
    assert len(look_up_addresses("localhost", server.port)) >= 1
    url = f"https://localhost:{server.port}/face.png"
    assert await client.fetch_image(url, PATIENCE_S, lambda _: None) == b"an image"
    both = ImageFetcher(
        HostRules.from_setting([f"localhost:{server.port}"]),
        MAX_BYTES,
        look_up=lambda *_: [ip_address("::1"), ip_address("127.0.0.1")],
    )
    assert await both.fetch_image(url, PATIENCE_S, lambda _: None) == b"an image"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://images.example.org/face.png", id="http"),
        pytest.param("HTTPS:images.example.org", id="no-host"),
        pytest.param("//images.example.org/face.png", id="no-scheme"),
        pytest.param("/face.png", id="path"),
        pytest.param("", id="empty"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("data:image/png;base64,AAAA", id="data"),
        pytest.param("https://user@images.example.org/face.png", id="user"),
        pytest.param("https://images.example.org:x/face.png", id="port-is-text"),
        pytest.param("https://images.example.org:8443/face.png", id="port"),
        pytest.param("https://images.example.org\\@127.0.0.1/face.png", id="backslash"),
        pytest.param("https://images.example.org /face.png", id="space"),
        pytest.param("https://images.example.org/\r\nhost: internal", id="line-break"),
        pytest.param("https://127.0.0.1/face.png", id="loopback"),
        pytest.param("https://[::1]/face.png", id="loopback-6"),
        pytest.param("https://[::ffff:127.0.0.1]/face.png", id="mapped"),
        pytest.param("https://[fe80::1%25eth0]/face.png", id="scope"),
        pytest.param("https://[::1/face.png", id="bracket"),
        pytest.param("https://2130706433/face.png", id="decimal"),
        pytest.param("https://0177.0.0.1/face.png", id="octal"),
        pytest.param("https://0x7f000001/face.png", id="hexadecimal"),
        pytest.param("https://127.1/face.png", id="short"),
        pytest.param("https://127。0。0。1/face.png", id="wide-dots"),
        pytest.param("https://１２７.0.0.1/face.png", id="wide-digits"),  # noqa: RUF001
        pytest.param("https://①②⑦.0.0.1/face.png", id="circled-digits"),
        pytest.param("https://images.example.org./face.png", id="trailing-dot"),
        pytest.param("https://%6c%6fcalhost/face.png", id="percent"),
        pytest.param("https://images.example.org/" + "x" * 2048, id="long"),
        pytest.param("https://\udcff.example.org/", id="surrogate"),
        pytest.param("https://" + "ü" * 2000, id="long-name"),
    ],
)
async def test_url_that_is_not_allowed_is_not_looked_up(network: Network, url: str) -> None:
    with pytest.raises(UrlNotAllowedError) as caught:
        await network.fetch(url)
    assert network.lookups == []
    assert "send the image itself" in str(caught.value) or "by its name" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("to-http", UrlNotAllowedError),
        ("to-file", UrlNotAllowedError),
        ("to-user", UrlNotAllowedError),
        ("to-loopback", UrlNotAllowedError),
        ("to-decimal", UrlNotAllowedError),
        ("to-mapped", UrlNotAllowedError),
        ("to-metadata", UrlNotAllowedError),
        ("to-port", UrlNotAllowedError),
        ("to-private", UrlUnreachableError),
        ("to-nothing", UrlAnswerError),
        ("loop", UrlAnswerError),
        ("1", UrlAnswerError),
    ],
)
async def test_redirect_is_checked_like_the_url(
    network: Network, path: str, error: type[PhizError]
) -> None:
    with pytest.raises(error):
        await network.fetch(f"https://images.example.org/{path}")
    assert set(network.connections) == {ADDRESS}
    assert len(network.server.heads) <= 1 + fetcher.MAX_REDIRECTS
    assert "/face.png" not in network.server.paths


async def test_redirect_to_another_host_uses_its_name(network: Network) -> None:
    assert await network.fetch("https://images.example.org/elsewhere") == b"an image"
    assert network.lookups == ["images.example.org", "other.example.org"]
    assert network.server.names == ["images.example.org", "other.example.org"]
    assert "host: other.example.org" in network.server.heads[-1].lower()


async def test_host_inside_the_network_and_unknown_host_get_the_same_answer(
    network: Network,
) -> None:
    details = set()
    for name in ("internal", "loopback", "mapped", "metadata", "both", "unknown", "wrong"):
        with pytest.raises(UrlUnreachableError) as caught:
            await network.fetch(f"https://{name}.example.org/face.png")
        details.add(str(caught.value))
    assert len(details) == 1
    assert network.connections == [ADDRESS]  # of the wrong certificate
    assert network.server.heads == []


@pytest.mark.parametrize(
    ("path", "error", "detail"),
    [
        ("missing", UrlAnswerError, "status 404"),
        ("part", UrlAnswerError, "status 206"),
        ("created", UrlAnswerError, "status 201"),
        ("gzip", UrlAnswerError, "compressed"),
        ("without-length", UrlAnswerError, "no Content-Length"),
        ("cut", UrlAnswerError, "early"),
        ("two-lengths", UrlAnswerError, "not HTTP"),
        ("not-http", UrlAnswerError, "not HTTP"),
        ("endless-headers", UrlAnswerError, "not of the image"),
        ("endless-interim", UrlAnswerError, "not of the image"),
        ("chunk-extensions", UrlAnswerError, "not of the image"),
        ("endless-trailers", UrlAnswerError, "not of the image"),
        ("upgrade", UrlAnswerError, "not HTTP"),
        ("announced", ImageBytesError, "1000000000000 bytes; the limit is 1000"),
        ("endless", ImageBytesError, "the limit is 1000"),
    ],
)
async def test_bad_answer_gets_its_error(
    network: Network, path: str, error: type[PhizError], detail: str
) -> None:
    with pytest.raises(error, match=detail):
        await network.fetch(f"https://images.example.org/{path}")


@pytest.mark.parametrize("path", ["drip", "silent"])
async def test_fetch_ends_at_its_limit(network: Network, path: str) -> None:
    left, started_s = network.server.left, time.perf_counter()
    with pytest.raises(UrlTimeoutError, match=r"limit of 0\.3 s"):
        await network.fetch(f"https://images.example.org/{path}", limit_s=0.3)
    assert time.perf_counter() - started_s < 2
    await wait_until(lambda: network.server.left > left)


async def test_silent_host_ends_the_fetch_before_its_limit(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "READ_TIMEOUT_S", 0.2)
    with pytest.raises(UrlTimeoutError, match="sent nothing"):
        await network.fetch("https://images.example.org/silent")


async def test_slow_resolver_ends_the_fetch_and_keeps_its_place(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "MAX_FETCHES", 1)
    monkeypatch.setenv("SSL_CERT_FILE", server.authority)

    def look_up(_host: str, _port: int) -> list[IpAddress]:
        time.sleep(0.5)
        return []

    client = ImageFetcher(HostRules.from_setting(["public"]), MAX_BYTES, look_up=look_up)
    url = "https://images.example.org/face.png"
    with pytest.raises(UrlTimeoutError):
        await client.fetch_image(url, 0.1, lambda _: None)
    with pytest.raises(OverloadedError, match="limit of 1 images"):
        await client.fetch_image(url, 0.1, lambda _: None)
    await asyncio.sleep(0.6)
    with pytest.raises(UrlUnreachableError):
        await client.fetch_image(url, PATIENCE_S, lambda _: None)


async def test_fetches_are_limited_and_their_places_freed(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "MAX_FETCHES", 2)
    client = network.build_fetcher()
    slow = [
        asyncio.create_task(
            client.fetch_image("https://images.example.org/silent", PATIENCE_S, lambda _: None)
        )
        for _ in range(2)
    ]
    await wait_until(lambda: len(network.server.heads) == 2)
    url = "https://images.example.org/face.png"
    with pytest.raises(OverloadedError, match="limit of 2 images"):
        await client.fetch_image(url, PATIENCE_S, lambda _: None)
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    assert await client.fetch_image(url, PATIENCE_S, lambda _: None) == b"an image"


async def test_authority_that_is_not_trusted_is_refused(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(str(tmp_path / "authority.pem"), PAGES) as other:
        monkeypatch.setenv("SSL_CERT_FILE", network.server.authority)
        with pytest.raises(UrlUnreachableError):
            await Network(other, HOSTS).fetch("https://images.example.org/face.png")
    assert other.heads == []


async def test_url_is_in_no_error_and_no_log(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await network.fetch("https://images.example.org/face.png?secret=1")
    for path in ("missing", "cut", "gzip", "to-http", "to-private", "endless"):
        with pytest.raises(PhizError) as caught:
            await network.fetch(f"https://images.example.org/{path}?secret=1")
        assert "example.org" not in str(caught.value)
        assert "secret" not in str(caught.value)
    assert caplog.records == []


async def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.005)
