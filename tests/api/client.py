import asyncio
import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import httpx
from fastapi import FastAPI
from PIL import Image as Pillow
from prometheus_client.parser import text_string_to_metric_families as parse

from phiz.api.app import create_app
from phiz.api.fast_path import FastPath
from phiz.api.service import RequestLimits

from .doubles import LIMITS, PATIENCE_S, command

SIZE_WH = (60, 40)
REQUEST_LIMITS = RequestLimits(LIMITS.max_bytes, max_images=4)


def mirrors() -> FastAPI:
    return create_app(command("mirrors"), 2, REQUEST_LIMITS)


class Client:
    """Asks an application in this process, one request after the other."""

    def __init__(self, app: FastAPI, runner: asyncio.Runner) -> None:
        self.app = app
        self.runner = runner
        # Direct, as the server asks it.
        transport = httpx.ASGITransport(FastPath(app), raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://phiz")

    def ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        headers = {**(headers or {}), **({} if kind is None else {"content-type": kind})}
        request = self.http.request(method, path, content=content, headers=headers)
        return self.runner.run(request)

    def metric(self, name: str, **labels: str) -> float | None:
        return samples(self.ask("GET", "/metrics").text).get((name, frozenset(labels.items())))


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


@contextmanager
def started(app: FastAPI) -> Iterator[Client]:
    with asyncio.Runner() as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        try:
            yield Client(app, runner)
        finally:
            runner.run(lifespan.__aexit__(None, None, None))


@contextmanager
def doubles(command: Sequence[str], bounds: RequestLimits, workers: int = 1) -> Iterator[Client]:
    with started(create_app(command, workers, bounds)) as client:
        yield client


async def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.001)


def encoded(size_wh: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", size_wh, "grey").save(file, "PNG")
    return file.getvalue()


Part = tuple[str, bytes]


def form(*parts: Part, boundary: str = "limit") -> tuple[bytes, str]:
    """A multipart body of parts given as name and content, and its content type."""
    lines = [
        b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        % (boundary.encode(), name.encode(), content)
        for name, content in parts
    ]
    body = b"".join(lines) + b"--%b--\r\n" % boundary.encode()
    return body, f"multipart/form-data; boundary={boundary}"
