"""What ``/openapi.json`` says of the routes, beyond their types."""

from http import HTTPStatus
from typing import Any, TypeAlias

from phiz.api.body import FORM, IMAGE_FIELD, OCTETS
from phiz.api.errors import PROBLEM
from phiz.api.options import option_schema
from phiz.schemas import BatchAnswer, DetectAnswer, DetectParameters, JsonObject, Problem

Responses: TypeAlias = dict[int | str, dict[str, Any]]

DESCRIPTION = """\
Finds faces in pictures: where they are, how sure that is, and where eyes, nose and mouth lie.

    curl -F image=@face.jpg http://127.0.0.1:8000/detect

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

# The answer to one of the pictures that the tests use, on a common processor.
EXAMPLE: JsonObject = {
    "model": "auto",
    "image": {"width": 360, "height": 640},
    "faces": [
        {
            "box": {"x": 100.99, "y": 178.31, "width": 126.31, "height": 157.82},
            "score": 0.9999,
            "landmarks": {
                "left_eye": {"x": 138.02, "y": 234.39},
                "right_eye": {"x": 197.81, "y": 236.85},
                "nose": {"x": 168.41, "y": 273.38},
                "mouth_left": {"x": 134.68, "y": 287.98},
                "mouth_right": {"x": 195.66, "y": 290.13},
            },
            "model": "mtcnn",
        }
    ],
    "route": [
        {"model": "back", "ran": True, "faces": 1, "why": "the strongest single look"},
        {"model": "mtcnn", "ran": True, "faces": 1, "why": "faces of 40 px and more"},
        {
            "model": "mtcnn",
            "ran": False,
            "faces": 0,
            "why": "left out: faces of 24 px: 0.1 under 64 px are likely so far,"
            " 0.8 would be needed",
        },
    ],
    "timing_ms": {
        "queue": 0.003,
        "decode": 4.256,
        "preprocess": 2.612,
        "inference": 5.966,
        "postprocess": 1.851,
        "pnet": 1.263,
        "rnet": 0.471,
        "onet": 0.573,
        "total": 14.687,
    },
}

PROBLEMS: dict[int, tuple[str, str, str]] = {
    HTTPStatus.BAD_REQUEST: (
        "No picture, or one that cannot be decoded.",
        "missing_image",
        "the form has no field 'image'; it has 'file'",
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
        "The service is starting, stopping or full; `Retry-After` says when to try again.",
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
    return {
        "parameters": _parameters(),
        "requestBody": {
            "required": True,
            "description": "A form with the picture, or the picture itself. The form may hold"
            " the options too, and an empty field counts as not given; where both name one, the"
            " query wins.",
            "content": {
                FORM: {"schema": _form(PICTURE)},
                OCTETS: {"schema": PICTURE},
                "image/*": {"schema": PICTURE},
            },
        },
    }


def batch_operation() -> JsonObject:
    """Return parameters and body of ``POST /detect/batch``, as OpenAPI describes them."""
    pictures = {"type": "array", "items": PICTURE, "minItems": 1}
    return {
        "parameters": _parameters(),
        "requestBody": {
            "required": True,
            "description": "A form with the pictures, each in a field of its own with the same"
            " name. The options hold for all of them.",
            "content": {FORM: {"schema": _form(pictures)}},
        },
    }


def _form(pictures: JsonObject) -> JsonObject:
    fields = {name: _field(option_schema(name)) for name in DetectParameters.model_fields}
    return {
        "type": "object",
        "properties": {IMAGE_FIELD: pictures, **fields},
        "required": [IMAGE_FIELD],
        "additionalProperties": False,
    }


def _parameters() -> list[JsonObject]:
    options = [_parameter(name, option_schema(name)) for name in DetectParameters.model_fields]
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


def detect_responses() -> Responses:
    """Return the answers of ``POST /detect``, each with an example."""
    answer = {
        "description": "The faces, and the time of every stage.",
        "model": DetectAnswer,
        "content": {"application/json": {"example": EXAMPLE}},
        "headers": {
            "Server-Timing": {
                "description": "The stages once more, in ms, as browsers draw them.",
                "schema": {"type": "string"},
            }
        },
    }
    return {200: answer, **problem_responses(*PROBLEMS)}


def batch_responses() -> Responses:
    """Return the answers of ``POST /detect/batch``, each with an example."""
    _, code, detail = PROBLEMS[HTTPStatus.UNSUPPORTED_MEDIA_TYPE]
    problem = _example(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, code, detail)
    answer = {
        "description": "For each picture, in their order, its faces or its error.",
        "model": BatchAnswer,
        "content": {"application/json": {"example": {"results": [EXAMPLE, problem]}}},
    }
    return {200: answer, **problem_responses(*PROBLEMS)}


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
