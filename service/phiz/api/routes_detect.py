"""``POST /detect`` and ``POST /detect/batch``: admit, read, let a worker find faces, respond.

Other questions about a picture go the same way.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from phiz.api.body import Allowance, read_upload
from phiz.api.deadline import outcomes
from phiz.api.errors import NotReadyError, content_of, outcome
from phiz.api.metrics import Observation
from phiz.api.options import read_deadline, read_options, read_query
from phiz.api.request_record import observed
from phiz.api.service import Service, service_of, started
from phiz.errors import PhizError
from phiz.wire.messages import Answer
from phiz.wire.schemas import DetectParameters, Parameters


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of each picture of a request.

    Attributes:
        work: Its name among the workers.
        options: That it has.
    """

    work: str
    options: type[Parameters]


FACES: Final = Question("detect", DetectParameters)


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
    return await counted(request, _detect)


async def detect_batch(request: Request) -> Response:
    """Return the faces of each of several pictures, or its error, in their order."""
    return await counted(request, _detect_batch)


async def counted(
    request: Request, answer: Callable[[Request, Service, Observation], Awaitable[Response]]
) -> Response:
    """Return an answer, counted and timed, and so is an error, which is passed on.

    Raises:
        NotReadyError: The service is starting, its time to finish in has ended, or it has no
            worker and cannot begin one.
    """
    service = started(request)
    observation = service.metrics.begun()
    observed(request.scope, observation)
    try:
        service_of(request)
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
    return await answer_one(FACES, request, service, observation)


async def answer_one(
    question: Question, request: Request, service: Service, observation: Observation
) -> Response:
    """Return the answer to a request with one picture.

    Raises:
        PhizError: There is none.
        ClientDisconnect: Nobody waits for it any more.
    """
    bounds = service.bounds
    allowance = Allowance(1, bounds.picture_bytes, bounds.picture_bytes, bounds.body_s)
    (found,) = await _ask(question, request, service, allowance, observation)
    if isinstance(found, Exception):
        service.metrics.failed(observation.model, outcome(found))
        raise found
    observation.timings.append(found.timings)
    service.metrics.answered(observation.model, found.timings, found.faces)
    return Encoded(found.body, found.server_timing)


async def _detect_batch(request: Request, service: Service, observation: Observation) -> Response:
    bounds = service.bounds
    # More than may wait could never be let in.
    pictures = bounds.pictures if bounds.queue is None else min(bounds.pictures, bounds.queue)
    allowance = Allowance(pictures, bounds.picture_bytes, bounds.body_bytes, bounds.body_s)
    results = await _ask(FACES, request, service, allowance, observation)
    for found in results:
        if isinstance(found, Exception):
            service.metrics.failed(observation.model, outcome(found))
        else:
            observation.timings.append(found.timings)
            service.metrics.answered(observation.model, found.timings, found.faces)
    return Encoded(b'{"results":[' + b",".join(map(_item, results)) + b"]}")


async def _ask(
    question: Question,
    request: Request,
    service: Service,
    allowance: Allowance,
    observation: Observation,
) -> Sequence[Answer | PhizError]:
    """Return what became of each picture of a request.

    Raises:
        PhizError: Of the request as a whole.
        ClientDisconnect: Nobody waits for it any more.
    """
    # A wrong query and one request too many are refused before the body is read.
    chosen = read_query(question.options, request.scope["query_string"])
    observation.model = chosen.model
    left_s = read_deadline(request.headers.get("phiz-deadline"), service.bounds.deadline_s)
    service.admission.check(left_s)
    with service.admission.body() as body:
        upload = await read_upload(request, allowance, body)
        observation.arrived = time.perf_counter()
        if upload.fields:
            query = request.query_params.multi_items()
            chosen = read_options(question.options, query, upload.fields)
            observation.model = chosen.model
        body.arrived()
        # Others may have come in the meantime, since a body that comes waits for nobody.
        others = len(upload.pictures) - 1
        others_s = others * service.crew.costs.expected(chosen.model) / service.crew.size
        service.admission.check(left_s, others, others_s)
        observation.admitted = True
        arguments, since, name = _arguments(chosen), observation.arrived, observation.name
        tasks = [
            service.crew.submit(question.work, picture, arguments, chosen.model, since, name)
            for picture in upload.pictures
        ]
        ends = await outcomes(tasks, service.crew, request, left_s)
    return [end if isinstance(end, PhizError) else Answer.of(end) for end in ends]


# Most callers choose the same again and again.
@lru_cache(256)
def _arguments(chosen: Parameters) -> tuple[Any, ...]:
    return chosen.arguments()


def _item(found: Answer | Exception) -> bytes:
    if isinstance(found, Exception):
        return json.dumps(content_of(found)).encode()
    return found.body
