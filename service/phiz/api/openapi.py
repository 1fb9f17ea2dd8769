"""Descriptions, examples and errors of the routes for ``/openapi.json``."""

from http import HTTPStatus
from typing import Any, TypeAlias

from pydantic import BaseModel

from phiz.api.body import IMAGE_FIELD, MULTIPART_FORM, OCTET_STREAM
from phiz.api.errors import PROBLEM_JSON
from phiz.api.options import get_option_schema
from phiz.wire.examples import CLASSIFY_EXAMPLE, DETECT_EXAMPLE
from phiz.wire.schemas import (
    BatchAnswer,
    ClassifyAnswer,
    ClassifyParameters,
    DetectAnswer,
    DetectParameters,
    JsonObject,
    Parameters,
    Problem,
)

Responses: TypeAlias = dict[int | str, dict[str, Any]]

DESCRIPTION = """\
phiz finds faces in images. It returns boxes, scores, landmarks and the time of every stage.

    curl -F image=@face.jpg http://127.0.0.1:8000/detect

`/classify` returns the ImageNet classes of an image, if the classifiers are built.

Coordinates are pixels of the upright image (after the Exif orientation), from its upper left
corner. Left and right are the viewer's. Errors are `application/problem+json` with a stable `code`.
"""

IMAGE_SCHEMA: JsonObject = {
    "type": "string",
    "format": "binary",
    "description": "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF.",
}

DEADLINE_PARAMETER: JsonObject = {
    "name": "Phiz-Deadline",
    "in": "header",
    "required": False,
    "description": "Deadline of the answer in seconds, if shorter than the service's own.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}

PROBLEM_EXAMPLES: dict[int, tuple[str, str, str]] = {
    HTTPStatus.BAD_REQUEST: (
        "The image is missing or cannot be decoded.",
        "missing_image",
        "the form has no field 'image'; it has 'file'",
    ),
    HTTPStatus.NOT_FOUND: (
        "This machine has not been measured.",
        "study_missing",
        "this machine has not been measured; measure it with: phiz study",
    ),
    HTTPStatus.REQUEST_TIMEOUT: (
        "The body arrived too slowly.",
        "body_too_slow",
        "the body was not complete after the limit of 30 s; send a smaller image",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        "The image has too many bytes or pixels.",
        "too_many_bytes",
        "the body has 31457280 bytes; the limit is 20971520; send a smaller image",
    ),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (
        "The bytes are not an image of a supported format.",
        "unsupported_image",
        "the 5 bytes are not an image of a supported format; send JPEG or PNG",
    ),
    HTTPStatus.UNPROCESSABLE_ENTITY: (
        "An option is unknown or its value is invalid.",
        "bad_option",
        "min_score is '2'; it must be a number from 0 to 1",
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "The service failed, or the worker process ended.",
        "internal",
        "the service failed; its log has the details",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "The service is starting, stopping or full (see `Retry-After`), or the model is not built.",
        "not_ready",
        "the service is starting or stopping; try again in a moment",
    ),
    HTTPStatus.GATEWAY_TIMEOUT: (
        "The deadline passed before the answer was ready.",
        "deadline_exceeded",
        "the answer was not ready after the limit of 10 s; send a smaller image",
    ),
}


def describe_detect() -> JsonObject:
    """Return the OpenAPI description of parameters and body of ``POST /detect``."""
    return _describe_operation(DetectParameters)


def describe_classify() -> JsonObject:
    """Return the OpenAPI description of parameters and body of ``POST /classify``."""
    return _describe_operation(ClassifyParameters)


def _describe_operation(options_type: type[Parameters]) -> JsonObject:
    return {
        "parameters": _describe_parameters(options_type),
        "requestBody": {
            "required": True,
            "description": "A form with the image, or the image itself. The form may also hold"
            " options; an empty field is ignored. A query parameter wins over a form field.",
            "content": {
                MULTIPART_FORM: {"schema": _describe_form(options_type, IMAGE_SCHEMA)},
                OCTET_STREAM: {"schema": IMAGE_SCHEMA},
                "image/*": {"schema": IMAGE_SCHEMA},
            },
        },
    }


def describe_batch() -> JsonObject:
    """Return the OpenAPI description of parameters and body of ``POST /detect/batch``."""
    images = {"type": "array", "items": IMAGE_SCHEMA, "minItems": 1}
    return {
        "parameters": _describe_parameters(DetectParameters),
        "requestBody": {
            "required": True,
            "description": "A form with one field `image` per image. Options apply to all images.",
            "content": {MULTIPART_FORM: {"schema": _describe_form(DetectParameters, images)}},
        },
    }


def _describe_form(options_type: type[Parameters], image_schema: JsonObject) -> JsonObject:
    fields = {
        name: _describe_field(get_option_schema(options_type, name))
        for name in options_type.model_fields
    }
    return {
        "type": "object",
        "properties": {IMAGE_FIELD: image_schema, **fields},
        "required": [IMAGE_FIELD],
        "additionalProperties": False,
    }


def _describe_parameters(options_type: type[Parameters]) -> list[JsonObject]:
    options = [
        _describe_parameter(name, get_option_schema(options_type, name))
        for name in options_type.model_fields
    ]
    return [*options, DEADLINE_PARAMETER]


def _describe_field(schema: JsonObject) -> JsonObject:
    """Return an option as a field of the form.

    Where there is no default the page would fill in a value of its own, such as the lowest
    or the highest; an empty example keeps the field empty, which counts as not given.
    """
    return schema if "default" in schema else {**schema, "example": ""}


def _describe_parameter(name: str, schema: JsonObject) -> JsonObject:
    """Return an option as a query parameter, its default in words.

    As a value the page would send it, and so overrule what was chosen in the form.
    """
    bare = {key: value for key, value in schema.items() if key != "default"}
    if "default" in schema:
        bare["description"] += f" Default: `{schema['default']}`."
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": bare["description"],
        "schema": bare,
    }


IMAGE_STATUSES = PROBLEM_EXAMPLES.keys() - {HTTPStatus.NOT_FOUND}


def describe_detect_responses() -> Responses:
    """Return the answers of ``POST /detect``, each with an example."""
    return _describe_responses(
        "The faces and the time of every stage.", DetectAnswer, DETECT_EXAMPLE
    )


def describe_classify_responses() -> Responses:
    """Return the answers of ``POST /classify``, each with an example."""
    return _describe_responses(
        "The classes and the time of every stage.", ClassifyAnswer, CLASSIFY_EXAMPLE
    )


def _describe_responses(
    description: str, answer: type[BaseModel], example: JsonObject
) -> Responses:
    found = {
        "description": description,
        "model": answer,
        "content": {"application/json": {"example": example}},
        "headers": {
            "Server-Timing": {
                "description": "The time of each stage in ms, for the developer tools of browsers.",
                "schema": {"type": "string"},
            }
        },
    }
    return {200: found, **describe_problems(*IMAGE_STATUSES)}


def describe_batch_responses() -> Responses:
    """Return the answers of ``POST /detect/batch``, each with an example."""
    _, code, detail = PROBLEM_EXAMPLES[HTTPStatus.UNSUPPORTED_MEDIA_TYPE]
    problem = _build_example(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, code, detail)
    answer = {
        "description": "The faces or the error of each image, in the order of the request.",
        "model": BatchAnswer,
        "content": {"application/json": {"example": {"results": [DETECT_EXAMPLE, problem]}}},
    }
    return {200: answer, **describe_problems(*IMAGE_STATUSES)}


def describe_problems(*statuses: int) -> Responses:
    """Return the description of some errors, each with an example."""
    return {int(status): _describe_problem(status) for status in statuses}


def _describe_problem(status: int) -> JsonObject:
    description, code, detail = PROBLEM_EXAMPLES[status]
    content = {
        "schema": Problem.model_json_schema(),
        "example": _build_example(status, code, detail),
    }
    return {"description": description, "content": {PROBLEM_JSON: content}}


def _build_example(status: int, code: str, detail: str) -> JsonObject:
    title = HTTPStatus(status).phrase
    problem = Problem(type="about:blank", title=title, status=status, code=code, detail=detail)
    return problem.model_dump()
