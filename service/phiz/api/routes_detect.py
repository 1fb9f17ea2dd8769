"""``POST /detect`` and the other routes with images: admit, read, detect, respond."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from phiz.api.body import read_upload
from phiz.api.content.upload import IMAGE_FIELD, Upload
from phiz.api.deadline import await_tasks
from phiz.api.encoded_response import EncodedResponse
from phiz.api.errors import NotReadyError, build_problem
from phiz.api.fetch.upload import fetch_upload, take_url
from phiz.api.options import find_deadline, read_deadline, read_options, read_query
from phiz.api.pictures.negotiation import AnswerFormat, AnswerFormats, choose_format
from phiz.api.pictures.response import PictureResponse
from phiz.api.request_record import RequestRecord, get_record
from phiz.api.server.bodies import has_body
from phiz.api.server.clients import get_address
from phiz.api.service import Service, get_service
from phiz.errors import ExcessiveWorkError, PhizError
from phiz.wire.json_text import encode_json
from phiz.wire.messages import JSON, EncodedAnswer
from phiz.wire.picture_schemas import BlurParameters, CropParameters, DetectImageParameters
from phiz.wire.schemas import ClassifyParameters, DetectParameters, Parameters
from phiz.wire.workload import describe_workload
from phiz.workers.handle import TaskOwner, WorkTask
from phiz.workers.latency import Forecast, Workload

ImageOutcome: TypeAlias = EncodedAnswer | PhizError
"""The answer to an image, or its error."""


@dataclass(frozen=True, slots=True)
class Operation:
    """The work that a route does with images.

    Attributes:
        handler: Name of the handler in the workers.
        options_type: Options of the request.
        respond: Returns the response to the outcomes, by the options of the request, or raises
            the error of the only image.
        is_batch: Whether a request may have several images.
        image_field: Name of the field or member with the image, in descriptions and advice. The
            usual names of other clients are read too.
        formats: Formats of the answer, the default first; empty if it is always JSON.
    """

    handler: str
    options_type: type[Parameters]
    respond: Callable[[Sequence[ImageOutcome], Parameters], Response]
    is_batch: bool = False
    image_field: str = IMAGE_FIELD
    formats: AnswerFormats = ()

    @property
    def work(self) -> str:
        """The work of the default answer beside the detection."""
        return self.formats[0].work if self.formats else ""


async def detect(request: Request) -> Response:
    """Return the faces of an image and the time of every stage."""
    return await answer_request(OPERATIONS["/detect"], request)


async def detect_batch(request: Request) -> Response:
    """Return the faces or the error of each image, in the order of the request."""
    return await answer_request(OPERATIONS["/detect/batch"], request)


async def crop(request: Request) -> Response:
    """Return the faces of an image, cut out."""
    return await answer_request(OPERATIONS["/crops"], request)


async def blur(request: Request) -> Response:
    """Return an image with its faces covered."""
    return await answer_request(OPERATIONS["/blur"], request)


async def classify(request: Request) -> Response:
    """Return the most likely ImageNet classes of an image."""
    return await answer_request(OPERATIONS["/classify"], request)


async def answer_request(operation: Operation, request: Request) -> Response:
    """Return the answer to a request with images: admit, read, detect, respond.

    Raises:
        PhizError: The request, or its only image, has an error.
        NotReadyError: The service is starting or stopping, or has no worker and cannot start one.
        ClientDisconnect: The client has left.
    """
    service, record = get_service(request), get_record(request.scope)
    record.is_rendered = bool(operation.work)
    with service.metrics.track_request(record):
        url = None if operation.is_batch else take_url(request.scope)
        address = get_address(request.scope)
        # The client of its API key, or its source address.
        owner = TaskOwner(record.client or address, record.request_id)
        options = _admit_request(operation, request, service, record, owner)
        is_complete = has_body(request.scope)
        with service.admission.bodies.reserve(address, is_complete=is_complete) as body:
            limits = service.batch_limits if operation.is_batch else service.image_limits
            if url is None:
                upload = await read_upload(request, limits, body, operation.image_field)
            else:
                upload = await fetch_upload(url, request, service, record, body)
            record.received_at_s = time.perf_counter()
            if record.charge is not None:
                record.charge(len(upload.images) - 1)
            if upload.fields:
                options = _read_form_options(operation, request, upload, record)
            body.finish_receiving()
            handler, arguments, work = _choose_work(operation, options, request)
            record.is_rendered = bool(work)
            tasks = _submit_images(
                handler, arguments, work, upload.images, options, service, record, owner
            )
            outcomes = await await_tasks(tasks, service.pool, request, record.deadline_s)
        record.outcomes = [
            outcome if isinstance(outcome, PhizError) else EncodedAnswer(*outcome)
            for outcome in outcomes
        ]
        if work:
            return respond_with_picture(record.outcomes, service, address)
        return operation.respond(record.outcomes, options)


def _admit_request(
    operation: Operation,
    request: Request,
    service: Service,
    record: RequestRecord,
    owner: TaskOwner,
) -> Parameters:
    """Return the options of the query, before the body is read."""
    if not service.pool.is_healthy:
        raise NotReadyError
    options = read_query(operation.options_type, request.scope["query_string"])
    record.model = options.model
    wished = find_deadline(request.scope["headers"])
    record.deadline_s = admit_model(options.model, wished, owner.client, service, operation.work)
    return options


def admit_model(
    model: str, wished: str | None, client: str, service: Service, work: str = ""
) -> float:
    """Return the deadline of a request in seconds, if it is admitted before its body is read.

    Args:
        model: Its model.
        wished: Its header ``Phiz-Deadline``, if there is one.
        client: Its client.
        service: The service.
        work: Its work beside the detection.

    Raises:
        OptionError: The deadline is not a number above 0.
        OverloadedError: The queue is full, or the wait would be too long.
    """
    deadline_s = read_deadline(wished, service.limits.deadline_s)
    least_s = service.pool.latencies.estimate_least_s(model, work)
    service.admission.check(deadline_s, client, least_s)
    return deadline_s


def _read_form_options(
    operation: Operation, request: Request, upload: Upload, record: RequestRecord
) -> Parameters:
    """Return the options of the query and of the form."""
    query = request.query_params.multi_items()
    options = read_options(operation.options_type, query, upload.fields)
    record.model = options.model
    return options


def _choose_work(
    operation: Operation, options: Parameters, request: Request
) -> tuple[str, tuple[Any, ...], str]:
    """Return handler and arguments of the images, and their work beside the detection.

    Raises:
        NotAcceptableError: The request accepts no format of the answer.
    """
    arguments = _get_arguments(options)
    if not operation.formats:
        return operation.handler, arguments, ""
    chosen = choose_format(operation.formats, options.answer_format, request.scope["headers"])
    return chosen.handler, arguments + chosen.arguments, chosen.work


def _submit_images(  # noqa: PLR0913, PLR0917  everything that is known of a request
    handler: str,
    arguments: tuple[Any, ...],
    work: str,
    images: Sequence[bytes],
    options: Parameters,
    service: Service,
    record: RequestRecord,
    owner: TaskOwner,
) -> list[WorkTask]:
    """Return a task for each image, unless the queue has grown too long meanwhile."""
    workloads = [describe_workload(options, image_bytes, work) for image_bytes in images]
    forecasts = [service.pool.latencies.forecast(workload) for workload in workloads]
    _check_work(workloads, forecasts, service, record.deadline_s, owner)
    return [
        service.pool.submit(
            handler,
            image_bytes,
            arguments,
            workload,
            record.received_at_s,
            owner,
            record.deadline_s,
            forecast.mean_s,
        )
        for image_bytes, workload, forecast in zip(images, workloads, forecasts, strict=True)
    ]


def _check_work(
    workloads: Sequence[Workload],
    forecasts: Sequence[Forecast],
    service: Service,
    remaining_s: float,
    owner: TaskOwner,
) -> None:
    """Admit the images of a request.

    Raises:
        ExcessiveWorkError: They would take far longer than the deadline.
        OverloadedError: The queue is full, or the wait would be too long.
    """
    pool = service.pool
    try:
        service.admission.check_work(forecasts, pool.size, remaining_s)
    except ExcessiveWorkError:
        for workload in workloads:
            pool.latencies.count_refusal(workload)
        raise
    longest_s = max(forecasts).mean_s
    others_s = sum(forecast.likely_s for forecast in forecasts[1:]) / pool.size
    service.admission.check(remaining_s, owner.client, longest_s, len(workloads) - 1, others_s)


# Most requests repeat the options of earlier ones.
@lru_cache(256)
def _get_arguments(options: Parameters) -> tuple[Any, ...]:
    return options.to_arguments()


def respond_with_one(outcomes: Sequence[ImageOutcome], _options: Parameters) -> Response:
    """Return the answer to the only image, or raise its error."""
    outcome = get_answer(outcomes)
    return EncodedResponse(outcome.body, outcome.server_timing)


def respond_with_picture(
    outcomes: Sequence[ImageOutcome], service: Service, address: str
) -> Response:
    """Return the answer to the only image, which counts as held until it is sent.

    Raises:
        PhizError: The error of the image, or too many bytes are held.
    """
    outcome = get_answer(outcomes)
    with ExitStack() as stack:
        held = stack.enter_context(service.admission.bodies.reserve(address, is_complete=True))
        held.add_bytes(len(outcome.body))
        return PictureResponse(outcome, stack.pop_all().close)


def get_answer(outcomes: Sequence[ImageOutcome]) -> EncodedAnswer:
    """Return the answer of the only image, or raise its error."""
    (outcome,) = outcomes
    if isinstance(outcome, PhizError):
        raise outcome
    return outcome


def respond_with_all(outcomes: Sequence[ImageOutcome], _options: Parameters) -> Response:
    """Return the answer or the error of each image, in their order."""
    results = b",".join(map(_encode_outcome, outcomes))
    return EncodedResponse(b'{"results":[%b]}\n' % results)


def _encode_outcome(outcome: ImageOutcome) -> bytes:
    if isinstance(outcome, PhizError):
        return encode_json(build_problem(outcome)).rstrip()
    return outcome.body.rstrip()


OPERATIONS: Final[Mapping[str, Operation]] = {
    "/detect": Operation(
        "detect",
        DetectImageParameters,
        respond_with_one,
        formats=(
            AnswerFormat(JSON, "json", "detect"),
            AnswerFormat("image/jpeg", "jpeg", "annotate", "annotate jpeg", ("jpeg",)),
            AnswerFormat("image/png", "png", "annotate", "annotate png", ("png",)),
            AnswerFormat("image/webp", "webp", "annotate", "annotate webp", ("webp",)),
        ),
    ),
    "/detect/batch": Operation("detect", DetectParameters, respond_with_all, is_batch=True),
    "/crops": Operation(
        "crop",
        CropParameters,
        respond_with_one,
        formats=(
            AnswerFormat("application/zip", "zip", "crop", "crop", ("zip",)),
            AnswerFormat("multipart/form-data", "multipart", "crop", "crop", ("multipart",)),
            AnswerFormat(JSON, "json", "crop", "crop", ("json",)),
        ),
    ),
    "/blur": Operation(
        "blur",
        BlurParameters,
        respond_with_one,
        formats=(
            AnswerFormat("image/*", "", "blur", "blur", (None,)),
            AnswerFormat("image/jpeg", "jpeg", "blur", "blur jpeg", ("jpeg",)),
            AnswerFormat("image/png", "png", "blur", "blur png", ("png",)),
            AnswerFormat("image/webp", "webp", "blur", "blur webp", ("webp",)),
        ),
    ),
    "/classify": Operation("classify", ClassifyParameters, respond_with_one),
}
"""By path; their method is POST."""
