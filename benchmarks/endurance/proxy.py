"""HAProxy with the configuration of the deployment, before a service on the loopback address."""

import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.requests import HOST
from benchmarks.load.servers import find_free_port

CONFIGURATION: Final = Path(__file__).parents[2] / "deploy" / "haproxy" / "haproxy.cfg"
BACKENDS: Final = ("pages", "replicas")
READY_TIMEOUT_S: Final = 10.0


@contextmanager
def start_proxy(service_port: int) -> Iterator[int]:
    """Give the port of a proxy before a service, and stop the proxy afterwards.

    Raises:
        BenchmarkError: HAProxy is not installed, or does not listen.
    """
    haproxy, port = shutil.which("haproxy"), find_free_port()
    if haproxy is None:
        raise BenchmarkError("haproxy is not installed; for example: apt-get install haproxy")
    with tempfile.TemporaryDirectory(prefix="phiz-proxy-") as folder:
        file = Path(folder) / "haproxy.cfg"
        file.write_text(adapt_configuration(CONFIGURATION.read_text("utf-8"), port, service_port))
        with subprocess.Popen(  # noqa: S603  our own arguments
            [haproxy, "-db", "-f", file], stdout=subprocess.DEVNULL
        ) as process:
            try:
                _wait_until_open(process, port)
                yield port
            finally:
                process.terminate()


def adapt_configuration(text: str, port: int, service_port: int) -> str:
    """Return a configuration with one replica on the loopback address, found without names."""
    text = re.sub(r"(?m)^resolvers .*\n(?:[ \t]+.*\n)*", "", text)
    text = re.sub(r"init-addr \S+|resolvers \S+|resolve-prefer \S+", "", text)
    text = re.sub(r"bind :8000", f"bind {HOST}:{port}", text)
    text, found = re.subn(r"server-template .*", f"server phiz {HOST}:{service_port}", text)
    assert found == len(BACKENDS), "there is one line for the servers of each backend"
    return text


def _wait_until_open(process: subprocess.Popen[bytes], port: int) -> None:
    until_s = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < until_s and process.poll() is None:
        with suppress(OSError), socket.create_connection((HOST, port)) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            if connection.recv(12).endswith(b" 200"):
                return
        time.sleep(0.1)
    raise BenchmarkError("haproxy does not pass requests on; see its output above")
