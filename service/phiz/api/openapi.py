"""What ``/openapi.json`` says of the routes, beyond their types."""

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
Finds faces in pictures: where they are, how sure that is, and where eyes, nose and mouth lie.

    curl -F image=@face.jpg http://127.0.0.1:8000/detect

Where the classifiers are built, `/classify` says what a picture shows, of ImageNet's 1000 classes.

Coordinates are pixels of the upright picture (after EXIF), from its upper left corner. Left and
right are the viewer's. Errors are `application/problem+json` with a `code` that stays the same.
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
    "description": "Seconds that the answer may take, where less than the service allows.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}

PROBLEM_EXAMPLES: dict[int, tuple[str, str, str]] = {
    HTTPStatus.BAD_REQUEST: (
        "No picture, or one that cannot be decoded.",
        "missing_image",
        "the form has no field 'image'; it has 'file'",
    ),
    HTTPStatus.NOT_FOUND: (
        "This machine was not measured.",
        "study_missing",
        "this machine was not measured; do it with: phiz study",
    ),
    HTTPStatus.REQUEST_TIMEOUT: (
        "The body took too long to come.",
        "body_too_slow",
        "the body was not complete after 30 s, which is the limit; send a smaller picture",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        "Too many bytes or pixels.",
        "too_many_bytes",
        "the body has 31457280 bytes; the limit is 20971520. Send a smaller picture",
    ),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (
        "Not a picture.",
        "unsupported_image",
        "the bytes are not a picture of a format that is read here",
    ),
    HTTPStatus.UNPROCESSABLE_ENTITY: (
        "An option is unknown, or its value is not allowed.",
        "bad_option",
        "min_score is '2'; it must be a number from 0 to 1",
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        "A mistake of the service, or the end of the process that worked on the picture.",
        "internal",
        "something went wrong here; the log of the service tells what",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        "Starting, stopping or full, and `Retry-After` says when to try again; or not built.",
        "not_ready",
        "the service is starting or stopping; try again in a moment",
    ),
    HTTPStatus.GATEWAY_TIMEOUT: (
        "The answer was not there in time.",
        "deadline_exceeded",
        "the answer was not there after 10 s, which is the limit",
    ),
}


def describe_detect() -> JsonObject:
    """Return parameters and body of ``POST /detect``, as OpenAPI describes them."""
    return _describe_operation(DetectParameters)


def describe_classify() -> JsonObject:
    """Return parameters and body of ``POST /classify``, as OpenAPI describes them."""
    return _describe_operation(ClassifyParameters)


def _describe_operation(options_type: type[Parameters]) -> JsonObject:
    return {
        "parameters": _describe_parameters(options_type),
        "requestBody": {
            "required": True,
            "description": "A form with the picture, or the picture itself. The form may hold"
            " the options too, and an empty field counts as not given; where both name one, the"
            " query wins.",
            "content": {
                MULTIPART_FORM: {"schema": _describe_form(options_type, IMAGE_SCHEMA)},
                OCTET_STREAM: {"schema": IMAGE_SCHEMA},
                "image/*": {"schema": IMAGE_SCHEMA},
            },
        },
    }


def describe_batch() -> JsonObject:
    """Return parameters and body of ``POST /detect/batch``, as OpenAPI describes them."""
    images = {"type": "array", "items": IMAGE_SCHEMA, "minItems": 1}
    return {
        "parameters": _describe_parameters(DetectParameters),
        "requestBody": {
            "required": True,
            "description": "A form with the pictures, each in a field of its own with the same"
            " name. The options hold for all of them.",
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
        "The faces, and the time of every stage.", DetectAnswer, DETECT_EXAMPLE
    )


def describe_classify_responses() -> Responses:
    """Return the answers of ``POST /classify``, each with an example."""
    return _describe_responses(
        "The classes, and the time of every stage.", ClassifyAnswer, CLASSIFY_EXAMPLE
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
                "description": "The stages once more, in ms, as browsers draw them.",
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
        "description": "For each picture, in their order, its faces or its error.",
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
