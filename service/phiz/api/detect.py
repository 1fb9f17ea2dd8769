"""``POST /detect`` and ``POST /detect/batch``: admit, read, let a worker find faces, respond."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response

from phiz.api.body import Allowance, read_upload
from phiz.api.errors import NotReadyError, content_of, outcome
from phiz.api.options import read_deadline, read_options, read_query
from phiz.api.service import Service, service_of
from phiz.api.waiting import outcomes
from phiz.crew.member import Task
from phiz.errors import PhizError
from phiz.exchange import Answer
from phiz.faces import DetectOptions
from phiz.metrics import Observation
from phiz.schemas import DetectParameters

WORK = "detect"


class Encoded(Response):
    """A response whose content is encoded already."""

    def __init__(self, body: bytes, server_timing: str = "") -> None:
        """Answer 200 with JSON; the framework's own way to these headers takes longer."""
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        if server_timing:
            self.raw_headers.append((b"server-timing", server_timing.encode()))


async def detect(request: Request) -> Response:
    """Return the faces of a picture, with the time of every stage."""
    return await _counted(request, _detect)


async def detect_batch(request: Request) -> Response:
    """Return the faces of each of several pictures, or its error, in their order."""
    return await _counted(request, _detect_batch)


async def _counted(
    request: Request, answer: Callable[[Request, Service, Observation], Awaitable[Response]]
) -> Response:
    """Return an answer, counted and timed, and so is an error, which is passed on.

    Raises:
        NotReadyError: The service is starting, or its time to finish in has ended.
    """
    service = service_of(request)
    observation = service.metrics.begun()
    try:
        response = await answer(request, service, observation)
    except asyncio.CancelledError:
        service.metrics.ended(observation, outcome(NotReadyError()))
        raise NotReadyError from None
    except BaseException as error:
        refused = isinstance(error, PhizError)
        service.metrics.ended(observation, outcome(error), refused=refused)
        raise
    service.metrics.ended(observation)
    return response


async def _detect(request: Request, service: Service, observation: Observation) -> Response:
    bounds = service.bounds
    allowance = Allowance(1, bounds.picture_bytes, bounds.picture_bytes, bounds.body_s)
    (found,) = await _find(request, service, allowance, observation)
    if isinstance(found, Exception):
        service.metrics.failed(observation.model, outcome(found))
        raise found
    service.metrics.answered(observation.model, found.timings, found.faces)
    return Encoded(found.body, found.server_timing)


async def _detect_batch(request: Request, service: Service, observation: Observation) -> Response:
    bounds = service.bounds
    allowance = Allowance(bounds.pictures, bounds.picture_bytes, bounds.body_bytes, bounds.body_s)
    results = await _find(request, service, allowance, observation)
    for found in results:
        if isinstance(found, Exception):
            service.metrics.failed(observation.model, outcome(found))
        else:
            service.metrics.answered(observation.model, found.timings, found.faces)
    return Encoded(b'{"results":[' + b",".join(map(_item, results)) + b"]}")


async def _find(
    request: Request, service: Service, allowance: Allowance, observation: Observation
) -> Sequence[Answer | PhizError]:
    """Return what became of each picture of a request.

    Raises:
        PhizError: Of the request as a whole.
        ClientDisconnect: Nobody waits for it any more.
    """
    # A wrong query and one request too many are refused before the body is read.
    chosen = read_query(request.scope["query_string"])
    observation.model = chosen.model
    left_s = read_deadline(request.headers.get("phiz-deadline"), service.bounds.deadline_s)
    service.admission.check(left_s)
    with service.admission.body() as body:
        upload = await read_upload(request, allowance, body)
        started = time.perf_counter()
        if upload.fields:
            chosen = read_options(request.query_params.multi_items(), upload.fields)
            observation.model = chosen.model
        body.arrived()
        # Others may have come in the meantime, since a body that comes waits for nobody.
        others = len(upload.pictures) - 1
        others_s = others * service.crew.costs.expected(chosen.model) / service.crew.size
        service.admission.check(left_s, others, others_s)
        observation.admitted = True
        tasks = [_submit(service, picture, chosen, started) for picture in upload.pictures]
        ends = await outcomes(tasks, service.crew, request, left_s)
    return [end if isinstance(end, PhizError) else Answer.of(end) for end in ends]


def _submit(service: Service, picture: bytes, chosen: DetectParameters, started: float) -> Task:
    return service.crew.submit(WORK, picture, _arguments(chosen), chosen.model, started)


# Most callers choose the same again and again.
@lru_cache(256)
def _arguments(chosen: DetectParameters) -> tuple[str, DetectOptions]:
    return chosen.model, chosen.options()


def _item(found: Answer | Exception) -> bytes:
    if isinstance(found, Exception):
        return json.dumps(content_of(found)).encode()
    return found.body
