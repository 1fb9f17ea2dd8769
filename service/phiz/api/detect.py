"""``POST /detect``: admit, decode and detect in a thread of the pool, respond."""

import asyncio
import json
from dataclasses import dataclass
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from phiz.api.body import read_upload
from phiz.api.errors import outcome, stopping
from phiz.api.options import read_options
from phiz.api.service import service_of
from phiz.engine import Engine
from phiz.schemas import DetectParameters, payload
from phiz.timings import Stopwatch, Timings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """An encoded answer and what is counted of it."""

    body: bytes
    faces: int
    timings: Timings


async def detect(request: Request) -> Response:
    """Return the faces of a picture, with the time of every stage."""
    service = service_of(request)
    with service.metrics.request(outcome) as observation, stopping():
        query = request.query_params.multi_items()
        # A wrong query and one request too many are refused before the body is read.
        observation.model = read_options(query).model
        with service.admission.arriving():
            limits = service.loaded.engine.limits
            upload = await read_upload(request, limits.max_bytes, service.body_timeout_s)
            stopwatch = Stopwatch()
            chosen = read_options(query, upload.fields)
        observation.model, observation.admitted = chosen.model, True
        work = service.pool.submit(find, service.loaded.engine, upload.picture, chosen, stopwatch)
        answer = await while_connected(request, work)
        service.metrics.answered(chosen.model, answer.timings, answer.faces)
    return Response(
        answer.body,
        headers={"Server-Timing": server_timing(answer.timings)},
        media_type="application/json",
    )


async def while_connected(request: Request, work: asyncio.Future[T]) -> T:
    """Return what the work gives; it is cancelled as soon as the client leaves.

    Args:
        request: Its body has been read.
        work: Not awaited by anybody else.

    Raises:
        ClientDisconnect: The client has left.
        Exception: Of the work; or of the connection, if it ends that way before the work.
    """
    left = asyncio.create_task(_left(request))
    try:
        await asyncio.wait((work, left), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            left.result()
            raise ClientDisconnect
        return work.result()
    finally:
        # Of one that has failed already, this takes its error, which would be logged else.
        work.cancel()
        left.cancel()


async def _left(request: Request) -> None:
    """Return when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def find(engine: Engine, picture: bytes, chosen: DetectParameters, stopwatch: Stopwatch) -> Answer:
    """Return the encoded answer to a picture, in the calling thread."""
    stopwatch.lap("queue")
    result = engine.detect(picture, chosen.model, chosen.options(), stopwatch)
    content = payload(result)
    stopwatch.lap("postprocess")
    timings = stopwatch.timings()
    content["timing_ms"] = timings.milliseconds()
    body = json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
    return Answer(body, len(result.faces), timings)


def server_timing(timings: Timings) -> str:
    """Return the stages in ms as a ``Server-Timing`` header (W3C), which browsers draw."""
    return ", ".join(f"{name};dur={ms}" for name, ms in timings.milliseconds().items())
