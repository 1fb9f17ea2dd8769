"""``POST /detect``: admit, decode and detect in a thread of the pool, respond."""

import json
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from phiz.api.body import read_upload
from phiz.api.errors import outcome, stopping
from phiz.api.options import read_options
from phiz.api.service import service_of
from phiz.engine import Engine
from phiz.schemas import DetectParameters, payload
from phiz.timings import Stopwatch, Timings


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
        # A wrong query is refused before the body is read.
        observation.model = read_options(query).model
        upload = await read_upload(request, service.loaded.engine.limits.max_bytes)
        stopwatch = Stopwatch()
        chosen = read_options(query, upload.fields)
        observation.model, observation.admitted = chosen.model, True
        answer = await service.pool.run(
            find, service.loaded.engine, upload.picture, chosen, stopwatch
        )
        service.metrics.answered(chosen.model, answer.timings, answer.faces)
    return Response(
        answer.body,
        headers={"Server-Timing": server_timing(answer.timings)},
        media_type="application/json",
    )


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
