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

from phiz.api.body import BodyLimits, read_upload
from phiz.api.deadline import await_tasks
from phiz.api.errors import NotReadyError, build_problem, get_error_code
from phiz.api.metrics import DetectionRecord
from phiz.api.options import read_deadline, read_options, read_query
from phiz.api.request_record import attach_detection
from phiz.api.service import Service, get_service, get_started_service
from phiz.errors import PhizError
from phiz.wire.messages import EncodedAnswer
from phiz.wire.schemas import DetectParameters, Parameters


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked of each picture of a request.

    Attributes:
        handler: Its name among the workers.
        options_type: That it has.
    """

    handler: str
    options_type: type[Parameters]


DETECTION: Final = Operation("detect", DetectParameters)


class EncodedResponse(Response):
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
    return await handle_counted(request, _detect_one)


async def detect_batch(request: Request) -> Response:
    """Return the faces of each of several pictures, or its error, in their order."""
    return await handle_counted(request, _answer_batch)


async def handle_counted(
    request: Request, respond: Callable[[Request, Service, DetectionRecord], Awaitable[Response]]
) -> Response:
    """Return an answer, counted and timed, and so is an error, which is passed on.

    Raises:
        NotReadyError: The service is starting, its time to finish in has ended, or it has no
            worker and cannot begin one.
    """
    service = get_started_service(request)
    detection = service.metrics.start_request()
    attach_detection(request.scope, detection)
    try:
        get_service(request)
        response = await respond(request, service, detection)
    except asyncio.CancelledError:
        service.metrics.finish_request(detection, get_error_code(NotReadyError()))
        raise NotReadyError from None
    except BaseException as error:
        refused = isinstance(error, PhizError)
        service.metrics.finish_request(detection, get_error_code(error), refused=refused)
        raise
    service.metrics.finish_request(detection)
    return response


async def _detect_one(request: Request, service: Service, detection: DetectionRecord) -> Response:
    return await answer_image(DETECTION, request, service, detection)


async def answer_image(
    operation: Operation, request: Request, service: Service, detection: DetectionRecord
) -> Response:
    """Return the answer to a request with one picture.

    Raises:
        PhizError: There is none.
        ClientDisconnect: Nobody waits for it any more.
    """
    limits = service.limits
    body_limits = BodyLimits(
        1, limits.max_image_bytes, limits.max_image_bytes, limits.body_timeout_s
    )
    (answer,) = await _run_tasks(operation, request, service, body_limits, detection)
    if isinstance(answer, Exception):
        service.metrics.count_failed_image(detection.model, get_error_code(answer))
        raise answer
    detection.timings.append(answer.timings)
    service.metrics.count_image(detection.model, answer.timings, answer.face_count)
    return EncodedResponse(answer.body, answer.server_timing)


async def _answer_batch(request: Request, service: Service, detection: DetectionRecord) -> Response:
    limits = service.limits
    # More than may wait could never be let in.
    max_images = (
        limits.max_images
        if limits.max_queued is None
        else min(limits.max_images, limits.max_queued)
    )
    body_limits = BodyLimits(
        max_images, limits.max_image_bytes, limits.max_body_bytes, limits.body_timeout_s
    )
    results = await _run_tasks(DETECTION, request, service, body_limits, detection)
    for answer in results:
        if isinstance(answer, Exception):
            service.metrics.count_failed_image(detection.model, get_error_code(answer))
        else:
            detection.timings.append(answer.timings)
            service.metrics.count_image(detection.model, answer.timings, answer.face_count)
    return EncodedResponse(b'{"results":[' + b",".join(map(_encode_item, results)) + b"]}")


async def _run_tasks(
    operation: Operation,
    request: Request,
    service: Service,
    body_limits: BodyLimits,
    detection: DetectionRecord,
) -> Sequence[EncodedAnswer | PhizError]:
    """Return what became of each picture of a request.

    Raises:
        PhizError: Of the request as a whole.
        ClientDisconnect: Nobody waits for it any more.
    """
    # A wrong query and one request too many are refused before the body is read.
    chosen = read_query(operation.options_type, request.scope["query_string"])
    detection.model = chosen.model
    remaining_s = read_deadline(request.headers.get("phiz-deadline"), service.limits.deadline_s)
    service.admission.check(remaining_s)
    with service.admission.reserve_body() as reservation:
        upload = await read_upload(request, body_limits, reservation)
        detection.received_at_s = time.perf_counter()
        if upload.fields:
            query = request.query_params.multi_items()
            chosen = read_options(operation.options_type, query, upload.fields)
            detection.model = chosen.model
        reservation.finish_receiving()
        # Others may have come in the meantime, since a body that comes waits for nobody.
        other_images = len(upload.images) - 1
        other_images_s = (
            other_images * service.pool.latencies.estimate_s(chosen.model) / service.pool.size
        )
        service.admission.check(remaining_s, other_images, other_images_s)
        detection.admitted = True
        arguments, received_at_s, request_id = (
            _get_arguments(chosen),
            detection.received_at_s,
            detection.request_id,
        )
        tasks = [
            service.pool.submit(
                operation.handler, image_bytes, arguments, chosen.model, received_at_s, request_id
            )
            for image_bytes in upload.images
        ]
        ends = await await_tasks(tasks, service.pool, request, remaining_s)
    return [end if isinstance(end, PhizError) else EncodedAnswer.from_tuple(end) for end in ends]


# Most callers choose the same again and again.
@lru_cache(256)
def _get_arguments(chosen: Parameters) -> tuple[Any, ...]:
    return chosen.to_arguments()


def _encode_item(answer: EncodedAnswer | Exception) -> bytes:
    if isinstance(answer, Exception):
        return json.dumps(build_problem(answer)).encode()
    return answer.body
