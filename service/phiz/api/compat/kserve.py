"""Health and metadata of the Open Inference Protocol, which KServe and Triton speak: ``/v2``."""

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request

import phiz
from phiz.api.compat.description import describe_form_errors
from phiz.api.compat.error_forms import to_kserve_error
from phiz.api.compat.interface import build_interface
from phiz.api.encoded_response import ObjectResponse
from phiz.api.error_table import NOT_READY_CODE
from phiz.api.errors import NotReadyError
from phiz.api.options import quote_text
from phiz.api.request_record import get_record
from phiz.api.service import Service, get_service
from phiz.errors import UnknownModelError
from phiz.models.specs import AUTO

SERVER_PATH: Final = "/v2"
LIVE_PATH: Final = "/v2/health/live"
READY_PATH: Final = "/v2/health/ready"
MODEL_PATH: Final = "/v2/models/{model}"
MODEL_READY_PATH: Final = "/v2/models/{model}/ready"
VERSION_PATH: Final = "/v2/models/{model}/versions/{version}"
VERSION_READY_PATH: Final = "/v2/models/{model}/versions/{version}/ready"
VERSION: Final = "1"
"""The version of every model: an update replaces it."""


class ServerMetadata(BaseModel):
    """The service."""

    name: str = Field(description="Always `phiz`.")
    version: str
    extensions: list[str] = Field(description="Always empty.")


class Liveness(BaseModel):
    """The process is alive."""

    live: bool = Field(description="Always true.")


class Readiness(BaseModel):
    """The service is ready for requests."""

    ready: bool = Field(description="Always true; the status 503 says that it is not.")


class ModelReadiness(BaseModel):
    """The model is ready for requests."""

    name: str
    ready: bool = Field(description="Always true; the status 503 says that it is not.")


class TensorMetadata(BaseModel):
    """An input or an output."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """A face detector, as `/detect` serves it: the bytes of a file go in, and JSON comes out."""

    name: str
    versions: list[str] = Field(description="Always `1`.")
    platform: str = Field(description="Always `phiz_onnx`.")
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class KserveError(BaseModel):
    """An error."""

    error: str = Field(description="The error, the limit and what to do.")


_BYTES: Final = "BYTES"
_READY_ERRORS: Final = describe_form_errors(to_kserve_error, KserveError, NOT_READY_CODE)
_MODEL_ERRORS: Final = describe_form_errors(
    to_kserve_error, KserveError, NOT_READY_CODE, UnknownModelError.code
)

kserve_router = APIRouter(tags=["Open Inference Protocol"], default_response_class=ObjectResponse)


@kserve_router.head(SERVER_PATH, include_in_schema=False)
@kserve_router.get(SERVER_PATH, name="get_server_metadata", summary="Describe the service")
async def get_server_metadata() -> ServerMetadata:
    """Return name and version of the service."""
    return ServerMetadata(name="phiz", version=phiz.__version__, extensions=[])


@kserve_router.head(LIVE_PATH, include_in_schema=False)
@kserve_router.get(
    LIVE_PATH, name="get_server_liveness", summary="Check whether the process is alive"
)
async def get_server_liveness() -> Liveness:
    """Return 200 while the process is alive."""
    return Liveness(live=True)


@kserve_router.head(READY_PATH, include_in_schema=False)
@kserve_router.get(
    READY_PATH,
    name="get_server_readiness",
    summary="Check whether the service is ready",
    responses=_READY_ERRORS,
)
async def get_server_readiness(request: Request) -> Readiness:
    """Return 200 once every model is loaded and warm, and 503 before that and while stopping."""
    _get_ready_service(request)
    return Readiness(ready=True)


@kserve_router.head(MODEL_PATH, include_in_schema=False)
@kserve_router.get(
    MODEL_PATH, name="get_model_metadata", summary="Describe a model", responses=_MODEL_ERRORS
)
async def get_model_metadata(model: str, request: Request) -> ModelMetadata:
    """Return input and output of a face detector."""
    get_record(request.scope).path = MODEL_PATH
    return _describe_model(request, model)


@kserve_router.head(VERSION_PATH, include_in_schema=False)
@kserve_router.get(
    VERSION_PATH,
    name="get_version_metadata",
    summary="Describe a version of a model",
    responses=_MODEL_ERRORS,
)
async def get_version_metadata(model: str, version: str, request: Request) -> ModelMetadata:
    """Return input and output of a version of a face detector."""
    get_record(request.scope).path = VERSION_PATH
    return _describe_model(request, model, version)


@kserve_router.head(MODEL_READY_PATH, include_in_schema=False)
@kserve_router.get(
    MODEL_READY_PATH,
    name="get_model_readiness",
    summary="Check whether a model is ready",
    responses=_MODEL_ERRORS,
)
async def get_model_readiness(model: str, request: Request) -> ModelReadiness:
    """Return 200 once a face detector is loaded and warm."""
    get_record(request.scope).path = MODEL_READY_PATH
    _check_name(_get_ready_service(request), model)
    return ModelReadiness(name=model, ready=True)


@kserve_router.head(VERSION_READY_PATH, include_in_schema=False)
@kserve_router.get(
    VERSION_READY_PATH,
    name="get_version_readiness",
    summary="Check whether a version of a model is ready",
    responses=_MODEL_ERRORS,
)
async def get_version_readiness(model: str, version: str, request: Request) -> ModelReadiness:
    """Return 200 once a version of a face detector is loaded and warm."""
    get_record(request.scope).path = VERSION_READY_PATH
    _check_name(_get_ready_service(request), model, version)
    return ModelReadiness(name=model, ready=True)


def _get_ready_service(request: Request) -> Service:
    service = get_service(request)
    if not request.app.state.ready or not service.pool.is_healthy:
        raise NotReadyError
    return service


def _describe_model(request: Request, model: str, version: str = VERSION) -> ModelMetadata:
    _check_name(get_service(request), model, version)
    return ModelMetadata(
        name=model,
        versions=[VERSION],
        platform="phiz_onnx",
        inputs=[TensorMetadata(name="image", datatype=_BYTES, shape=[1])],
        outputs=[TensorMetadata(name="faces", datatype=_BYTES, shape=[1])],
    )


def _check_name(service: Service, model: str, version: str = VERSION) -> None:
    """Return if there is such a model.

    Raises:
        UnknownModelError: There is none.
    """
    names = [*(spec.name for spec in service.inventory.specs), AUTO]
    if model not in names:
        raise UnknownModelError(
            f"there is no model {quote_text(model)}; the models are {', '.join(names)}"
        )
    if version != VERSION:
        raise UnknownModelError(
            f"the model {model} has no version {quote_text(version)}; its version is {VERSION}"
        )


KSERVE: Final = build_interface(
    kserve_router,
    "phiz has health and metadata of the Open Inference Protocol alone; send the image to POST"
    " /detect",
    [f"{MODEL_PATH}/infer", f"{VERSION_PATH}/infer"],
    methods=["POST"],
)
