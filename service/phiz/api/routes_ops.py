"""Routes for operators, and for clients before their first image."""

import asyncio
from dataclasses import asdict, replace

from fastapi import APIRouter
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from phiz.api.encoded_response import EncodedResponse
from phiz.api.error_table import NOT_READY_CODE
from phiz.api.errors import NotReadyError
from phiz.api.openapi import describe_errors
from phiz.api.security.headers import STUDY_POLICY
from phiz.api.service import get_service
from phiz.errors import StudyMissingError
from phiz.models.operating_point import OperatingPoint
from phiz.models.specs import AUTO, ModelSpec, Precision
from phiz.wire.json_text import encode_json
from phiz.wire.messages import MeasuredVariant, ModelInventory
from phiz.wire.models import (
    ClassifierEntry,
    ClassifierForm,
    MeasuredEntry,
    ModelEntry,
    ModelList,
    NetworkEntry,
    OperatingPointEntry,
)

NOT_READY_RESPONSES = describe_errors(NOT_READY_CODE)

# OpenAPI's operation ids are the names.
models = APIRouter(tags=["detection"])
operation = APIRouter(tags=["operation"], default_response_class=PlainTextResponse)


@models.get(
    "/models",
    name="list_models",
    summary="List the models",
    response_description="The detectors and the classifiers.",
    response_model=ModelList,
    responses=NOT_READY_RESPONSES,
)
async def list_models(request: Request) -> Response:
    """Return the detectors, and the classifiers, whether or not they are built."""
    service = get_service(request)
    if not service.pool.is_healthy:
        raise NotReadyError
    inventory = service.inventory
    entries = [_build_entry(spec, inventory) for spec in inventory.specs]
    classifiers = [_build_classifier_entry(spec, inventory) for spec in inventory.classifiers]
    found = ModelList(models=[*entries, _build_auto_entry(inventory)], classifiers=classifiers)
    return EncodedResponse(encode_json(found.model_dump(mode="json")))


# Some health checks send HEAD; the server omits the body then.
@operation.head("/healthz", include_in_schema=False)
@operation.get(
    "/healthz",
    name="get_health",
    summary="Check whether the process is alive",
    response_description="The process is alive.",
)
async def check_liveness() -> PlainTextResponse:
    """Return 200 while the process is alive."""
    return PlainTextResponse("alive\n")


@operation.head("/readyz", include_in_schema=False)
@operation.get(
    "/readyz",
    name="get_readiness",
    summary="Check whether the service is ready",
    response_description="The service is ready for requests.",
    responses=NOT_READY_RESPONSES,
)
async def check_readiness(request: Request) -> PlainTextResponse:
    """Return 200 once every model is loaded and warm, and 503 before that and while stopping."""
    if not request.app.state.ready or not get_service(request).pool.is_healthy:
        raise NotReadyError
    return PlainTextResponse("ready\n")


@operation.get(
    "/metrics",
    name="get_metrics",
    summary="Get the metrics",
    response_description="The metrics, in a Prometheus format.",
    responses=NOT_READY_RESPONSES,
)
async def export_metrics(request: Request) -> Response:
    """Return the metrics of the service in a Prometheus format."""
    try:
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
    except TypeError:  # it cannot compare the version of the header
        encode, media_type = choose_encoder("")
    content = encode(get_service(request).metrics.registry)
    return Response(content, headers={"Content-Type": media_type})


@operation.get(
    "/study",
    name="get_study",
    summary="Show the report of the study",
    response_description="The report, as HTML.",
    response_class=HTMLResponse,
    responses=describe_errors(StudyMissingError.code),
)
async def send_study_page(request: Request) -> HTMLResponse:
    """Return the report of `phiz study` for this machine, as a page."""
    page = request.app.state.study
    if page is None or not page.is_file():
        raise StudyMissingError("this machine has not been measured; measure it with: phiz study")
    content = await asyncio.to_thread(page.read_bytes)
    return HTMLResponse(content, headers={"Content-Security-Policy": STUDY_POLICY})


def _build_entry(spec: ModelSpec, inventory: ModelInventory) -> ModelEntry:
    return ModelEntry(
        name=spec.name,
        title=spec.title,
        kind=spec.kind,
        input_size=spec.input_size,
        landmarks=inventory.landmarks[spec.kind],
        licence=spec.licence,
        min_score=spec.min_score,
        operating_point=_build_operating_point(spec.operating_point),
        networks=[
            NetworkEntry(
                name=network.name,
                sha256=network.sha256,
                bytes=network.size_bytes,
                measured=_build_measured(inventory.measured.get(network.name)),
            )
            for network in spec.networks
        ],
    )


def _build_measured(variant: MeasuredVariant | None) -> MeasuredEntry | None:
    return None if variant is None else MeasuredEntry(**asdict(variant))


def _build_auto_entry(inventory: ModelInventory) -> ModelEntry:
    first, *others = inventory.landmarks.values()
    return ModelEntry(
        name=AUTO,
        title="all images: yunet, then centerface unless close-up",
        kind=AUTO,
        input_size=None,
        landmarks=tuple(name for name in first if all(name in other for other in others)),
        licence=None,
        min_score=inventory.router_config.min_score,
        operating_point=_build_operating_point(inventory.router_config.operating_point),
        networks=[],
    )


def _build_operating_point(point: OperatingPoint | None) -> OperatingPointEntry | None:
    if point is None:
        return None
    return OperatingPointEntry(
        measured_on=point.measured_on,
        precision=point.precision,
        recall=dict(point.recall),
        alarms=point.alarms,
    )


def _build_classifier_entry(spec: ModelSpec, inventory: ModelInventory) -> ClassifierEntry:
    assert spec.input_size is not None, "the catalogue gives every classifier an input size"
    (network,) = spec.networks
    return ClassifierEntry(
        name=spec.name,
        title=spec.title,
        input_size=spec.input_size,
        licence=spec.licence,
        default_precision=inventory.default_precisions[spec.name],
        precisions=[
            ClassifierForm(
                precision=each.precision,
                # Whether the file is valid is checked when it is loaded.
                built=(inventory.folder / each.file_name).is_file(),
                sha256=each.sha256,
                bytes=each.size_bytes,
                measured=_build_measured_at(each.precision, inventory.measured.get(network.name)),
            )
            for each in (network, *network.variants)
        ],
    )


def _build_measured_at(
    precision: Precision, variant: MeasuredVariant | None
) -> MeasuredEntry | None:
    """Return the measurement of a classifier at a precision: the best one, or float32."""
    if variant is None:
        return None
    if precision == variant.precision:
        return _build_measured(variant)
    if precision == "float32":  # the reference
        return _build_measured(
            replace(variant, precision=precision, median_ms=variant.reference_ms)
        )
    return None
