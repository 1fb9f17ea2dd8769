import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from fastapi import FastAPI
from PIL import Image as Pillow

from phiz import catalog
from phiz.api.service import Loaded
from phiz.engine import Engine
from phiz.faces import Detections, DetectOptions, Face, Step
from phiz.image import Limits
from phiz.picture import Picture
from phiz.timings import Stopwatch

LIMITS = Limits(max_bytes=100_000, max_pixels=50_000)
SIZE_WH = (60, 40)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Answers what it was given: the whole picture as a face, with the options as its score."""

    name: str

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        stopwatch.lap("preprocess")
        height, width = picture.whole().shape
        score = 0.5 if options.min_score is None else options.min_score
        face = Face((0, 0, width, height), score, {"nose": (width / 2, height / 2)}, "front")
        stopwatch.lap("inference")
        count = min(options.max_faces, 3)
        route = (Step("front", count, "it mirrors"),) if self.name == "auto" else ()
        return Detections((face,) * count, route)


@dataclass(frozen=True, slots=True)
class Broken:
    """Fails as no detector should."""

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        raise ZeroDivisionError(f"{picture} {options} {stopwatch}")


@dataclass(slots=True)
class Counting:
    """Finds nothing, and counts how often it was asked to."""

    name: str
    calls: int = 0

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        del picture, options, stopwatch
        self.calls += 1
        return Detections(())


def mirrors() -> Loaded:
    names = ("front", "back", "full", "mtcnn", "auto")
    engine = Engine({name: Mirror(name) for name in names}, LIMITS)
    return Loaded(engine, catalog.load().group("face"))


class Client:
    """Asks an application in this process, one request after the other."""

    def __init__(self, app: FastAPI, runner: asyncio.Runner) -> None:
        self.app = app
        self.runner = runner
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://phiz")

    def ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        kind: str | None = None,
    ) -> httpx.Response:
        headers = {} if kind is None else {"content-type": kind}
        request = self.http.request(method, path, content=content, headers=headers)
        return self.runner.run(request)


@contextmanager
def started(app: FastAPI) -> Iterator[Client]:
    with asyncio.Runner() as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        yield Client(app, runner)
        runner.run(lifespan.__aexit__(None, None, None))


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
