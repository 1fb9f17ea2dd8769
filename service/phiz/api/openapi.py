"""What ``/openapi.json`` says of the routes, beyond their types."""

from http import HTTPStatus
from typing import Any, TypeAlias

from pydantic import BaseModel

from phiz.api.body import FORM, IMAGE_FIELD, OCTETS
from phiz.api.errors import PROBLEM
from phiz.api.options import option_schema
from phiz.wire.examples import CLASSES, FACES
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

PICTURE: JsonObject = {
    "type": "string",
    "format": "binary",
    "description": "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF.",
}

DEADLINE: JsonObject = {
    "name": "Phiz-Deadline",
    "in": "header",
    "required": False,
    "description": "Seconds that the answer may take, where less than the service allows.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}

PROBLEMS: dict[int, tuple[str, str, str]] = {
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


def detect_operation() -> JsonObject:
    """Return parameters and body of ``POST /detect``, as OpenAPI describes them."""
    return _operation(DetectParameters)


def classify_operation() -> JsonObject:
    """Return parameters and body of ``POST /classify``, as OpenAPI describes them."""
    return _operation(ClassifyParameters)


def _operation(known: type[Parameters]) -> JsonObject:
    return {
        "parameters": _parameters(known),
        "requestBody": {
            "required": True,
            "description": "A form with the picture, or the picture itself. The form may hold"
            " the options too, and an empty field counts as not given; where both name one, the"
            " query wins.",
            "content": {
                FORM: {"schema": _form(known, PICTURE)},
                OCTETS: {"schema": PICTURE},
                "image/*": {"schema": PICTURE},
            },
        },
    }


def batch_operation() -> JsonObject:
    """Return parameters and body of ``POST /detect/batch``, as OpenAPI describes them."""
    pictures = {"type": "array", "items": PICTURE, "minItems": 1}
    return {
        "parameters": _parameters(DetectParameters),
        "requestBody": {
            "required": True,
            "description": "A form with the pictures, each in a field of its own with the same"
            " name. The options hold for all of them.",
            "content": {FORM: {"schema": _form(DetectParameters, pictures)}},
        },
    }


def _form(known: type[Parameters], pictures: JsonObject) -> JsonObject:
    fields = {name: _field(option_schema(known, name)) for name in known.model_fields}
    return {
        "type": "object",
        "properties": {IMAGE_FIELD: pictures, **fields},
        "required": [IMAGE_FIELD],
        "additionalProperties": False,
    }


def _parameters(known: type[Parameters]) -> list[JsonObject]:
    options = [_parameter(name, option_schema(known, name)) for name in known.model_fields]
    return [*options, DEADLINE]


def _field(schema: JsonObject) -> JsonObject:
    """Return an option as a field of the form.

    Where there is no default the page would fill in a value of its own, such as the lowest
    or the highest; an empty example keeps the field empty, which counts as not given.
    """
    return schema if "default" in schema else {**schema, "example": ""}


def _parameter(name: str, schema: JsonObject) -> JsonObject:
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


OF_A_PICTURE = PROBLEMS.keys() - {HTTPStatus.NOT_FOUND}


def detect_responses() -> Responses:
    """Return the answers of ``POST /detect``, each with an example."""
    return _responses("The faces, and the time of every stage.", DetectAnswer, FACES)


def classify_responses() -> Responses:
    """Return the answers of ``POST /classify``, each with an example."""
    return _responses("The classes, and the time of every stage.", ClassifyAnswer, CLASSES)


def _responses(description: str, answer: type[BaseModel], example: JsonObject) -> Responses:
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
    return {200: found, **problem_responses(*OF_A_PICTURE)}


def batch_responses() -> Responses:
    """Return the answers of ``POST /detect/batch``, each with an example."""
    _, code, detail = PROBLEMS[HTTPStatus.UNSUPPORTED_MEDIA_TYPE]
    problem = _example(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, code, detail)
    answer = {
        "description": "For each picture, in their order, its faces or its error.",
        "model": BatchAnswer,
        "content": {"application/json": {"example": {"results": [FACES, problem]}}},
    }
    return {200: answer, **problem_responses(*OF_A_PICTURE)}


def problem_responses(*statuses: int) -> Responses:
    """Return the description of some errors, each with an example."""
    return {int(status): _problem(status) for status in statuses}


def _problem(status: int) -> JsonObject:
    description, code, detail = PROBLEMS[status]
    content = {"schema": Problem.model_json_schema(), "example": _example(status, code, detail)}
    return {"description": description, "content": {PROBLEM: content}}


def _example(status: int, code: str, detail: str) -> JsonObject:
    title = HTTPStatus(status).phrase
    problem = Problem(type="about:blank", title=title, status=status, code=code, detail=detail)
    return problem.model_dump()
