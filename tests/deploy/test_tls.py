"""The proxy with TLS: the real one, before the real service."""

import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.service.running import ONE, SELFIE, Running, environment, running
from tests.tools import program

from .metrics import ROOT
from .test_proxy import BACKENDS, is_healthy

pytestmark = [pytest.mark.integration, pytest.mark.needs("haproxy"), pytest.mark.needs("openssl")]

CONFIGURATION = (ROOT / "deploy" / "haproxy" / "haproxy.cfg").read_text("utf-8")
PATIENCE_S = 20


class Proxy(NamedTuple):
    """The ports of a proxy, and the certificate that it shows."""

    plain: int
    tls: int
    certificate: Path

    def curl(self, *arguments: str | Path, scheme: str = "https", path: str = "") -> str:
        """Return the heads and the last body of an answer."""
        port = self.tls if scheme == "https" else self.plain
        command = [program("curl"), "--silent", "--show-error", "--include"]
        asked = [*arguments, f"{scheme}://localhost:{port}{path}"]
        ran: subprocess.CompletedProcess[str] = subprocess.run(
            [*command, "--cacert", self.certificate, *asked],
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        return ran.stdout


@pytest.fixture(scope="module")
def service(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(ONE, environment(models_folder), tmp_path_factory.mktemp("tls") / "log") as found:
        yield found


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate made by the command of the documentation."""
    folder = tmp_path_factory.mktemp("certificate")
    page = (ROOT / "docs" / "deploying.md").read_text("utf-8")
    (commands,) = re.findall(r"```sh\n(mkdir -p certificates\n.+?)```", page, re.DOTALL)
    subprocess.run(["/bin/sh", "-ec", commands], cwd=folder, check=True, capture_output=True)
    return folder / "certificates" / "phiz.pem"


def find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def replace_once(text: str, pattern: str, other: str) -> str:
    found, count = re.subn(pattern, other, text, flags=re.MULTILINE)
    assert count == 1, pattern
    return found


@contextmanager
def start_proxy(
    service: Running, certificate: Path, folder: Path, **variables: str
) -> Iterator[Proxy]:
    """Start the proxy with the file of the repository, on other ports and before this service."""
    plain, tls = find_port(), find_port()
    text = CONFIGURATION.replace(" resolvers engine resolve-prefer ipv4", "")
    text = replace_once(text, r"^resolvers engine\n(    .+\n)+", "")
    text = replace_once(text, r"^    bind :8000", f"    bind 127.0.0.1:{plain}")
    text = replace_once(text, r"^    bind :8443", f"    bind 127.0.0.1:{tls}")
    host, port = service.address
    text, found = re.subn(
        r"(?m)^    server-template phiz .*", f"    server phiz {host}:{port}", text
    )
    assert found == BACKENDS
    (folder / "haproxy.cfg").write_text(text)
    given = {"TLS_CERTIFICATES": str(certificate.parent), "TLS_PORT": str(tls), **variables}
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(
            [program("haproxy"), "-W", "-db", "-f", folder / "haproxy.cfg"],
            env={**os.environ, **{name: value for name, value in given.items() if value}},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        ) as process,
    ):
        try:
            wait_for_port(plain, folder)
            yield Proxy(plain, tls, certificate)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def wait_for_port(port: int, folder: Path) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < give_up, (folder / "errors").read_text()
            time.sleep(0.05)


@pytest.fixture(scope="module")
def proxy(
    service: Running, certificate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    with start_proxy(service, certificate, tmp_path_factory.mktemp("proxy")) as found:
        yield found


def wait_until_ready(proxy: Proxy) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while " 200" not in proxy.curl(path="/readyz").splitlines()[0]:
        assert time.monotonic() < give_up
        time.sleep(0.1)


def test_image_is_answered_over_tls(proxy: Proxy) -> None:
    wait_until_ready(proxy)
    answer = proxy.curl("-F", f"image=@{SELFIE}", path="/detect?model=front")
    assert '"faces":[{' in answer
    assert "strict-transport-security" not in answer.lower()


def test_plain_request_is_redirected_with_its_path_and_query(proxy: Proxy) -> None:
    answer = proxy.curl("-d", "x", scheme="http", path="/detect?model=front")
    assert answer.startswith("HTTP/1.1 308")
    assert f"location: https://localhost:{proxy.tls}/detect?model=front\n" in answer


def test_proxy_that_leads_to_tls_is_healthy(proxy: Proxy) -> None:
    assert is_healthy(proxy.plain)


def test_redirected_request_keeps_its_method_and_body(proxy: Proxy) -> None:
    wait_until_ready(proxy)
    answer = proxy.curl(
        "--location", "-F", f"image=@{SELFIE}", scheme="http", path="/detect?model=front"
    )
    assert '"faces":[{' in answer


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_tls_before_1_2_is_refused(proxy: Proxy) -> None:
    context = ssl.create_default_context(cafile=proxy.certificate)
    # Otherwise this end would refuse it.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", proxy.tls), PATIENCE_S) as connection,
        pytest.raises(ssl.SSLError, match=r"PROTOCOL_VERSION|protocol version"),
    ):
        context.wrap_socket(connection, server_hostname="localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_from_1_2_on_is_accepted(proxy: Proxy, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=proxy.certificate)
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", proxy.tls), PATIENCE_S) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as secured,
    ):
        assert secured.version() == version.name.replace("_", ".")


def test_browsers_are_told_to_stay_with_tls_if_asked(
    service: Running, certificate: Path, tmp_path: Path
) -> None:
    with start_proxy(service, certificate, tmp_path, TLS_HSTS="300") as proxy:
        assert "strict-transport-security: max-age=300\n" in proxy.curl(path="/readyz")
        assert "strict-transport-security" not in proxy.curl(scheme="http", path="/readyz")


def test_proxy_without_certificates_answers_without_tls(
    service: Running, certificate: Path, tmp_path: Path
) -> None:
    with start_proxy(service, certificate, tmp_path, TLS_CERTIFICATES="") as proxy:
        assert not proxy.curl(scheme="http", path="/readyz").startswith("HTTP/1.1 308")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", proxy.tls))
