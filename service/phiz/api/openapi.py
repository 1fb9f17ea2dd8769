"""Descriptions, examples and errors of the routes for ``/openapi.json``, and its page ``/docs``.

The page loads nothing from other hosts, so it works without a network, and nobody learns of its
readers. Its addresses are relative, so it works below any prefix of a proxy.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Scope

from phiz.api.body import OCTET_STREAM
from phiz.api.content.form import MULTIPART_FORM
from phiz.api.content.upload import IMAGE_FIELD, IMAGE_FIELDS, IMAGES_FIELD
from phiz.api.encoded_response import EncodedResponse
from phiz.api.error_table import (
    ERROR_TABLE,
    ERRORS_BY_CODE,
    NOT_READY_CODE,
    ROUTELESS_ERRORS,
    UPGRADE_CODE,
    ErrorEntry,
)
from phiz.api.errors import PROBLEM_JSON, build_content
from phiz.api.options import get_option_schema
from phiz.api.page.files import PageFiles
from phiz.api.pictures.negotiation import AnswerFormats
from phiz.errors import (
    ApiKeyError,
    NoFaceError,
    NotAcceptableError,
    NotSupportedError,
    OriginError,
    RangeError,
    RateLimitError,
    ScopeError,
    StudyMissingError,
    UnknownModelError,
    UnsupportedImageError,
    UrlError,
)
from phiz.models.specs import AUTO
from phiz.wire.examples import DETECT_EXAMPLE
from phiz.wire.json_text import encode_json
from phiz.wire.messages import JSON
from phiz.wire.schemas import (
    BatchAnswer,
    DetectParameters,
    JsonObject,
    Parameters,
    Problem,
    StreamParameters,
)

Responses: TypeAlias = dict[int | str, dict[str, Any]]

DESCRIPTION = """\
phiz finds faces in images. It returns boxes, scores, landmarks and the time that each stage took.

    curl -F image=@face.jpg http://127.0.0.1:8000/detect

`/detect` can also return the image with its faces drawn in. `/crops` cuts faces out, and `/blur`
covers them.

`/classify` returns the ImageNet classes of an image, if the classifiers are built.

Coordinates are in pixels of the upright image (after the Exif orientation), from its upper left
corner. Left and right are the viewer's. Errors are `application/problem+json` with a stable `code`.
"""

STREAM_DESCRIPTION = """\
A WebSocket (`ws://`). Each binary message is a frame: a JPEG, or an image of another format that
`/detect` reads. The answer to it is a text message with the JSON of `/detect`, and with

- `frame`, the number of the frame, from 1;
- `dropped`, the number of frames that were dropped so far, because a newer one had arrived;
- `id` of each face, which stays the same from frame to frame.

A message with a `code` is an error. The error of a frame has its `frame`, and the stream goes on.
A text message changes options: `{"model": "yunet"}`.
"""

OPENAPI_PATH = "/openapi.json"
# FastAPI adds the schema, because a batch may hold one.
PROBLEM_REFERENCE = f"#/components/schemas/{Problem.__name__}"
ASSETS_PACKAGE = "fastapi_offline"
# The style sheet holds pictures as data, and the script sets styles of elements.
DOCS_POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:;"
    " script-src 'self' {inline_scripts}; style-src 'self' 'unsafe-inline';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
INLINE_SCRIPT_PATTERN = re.compile(rb"<script>(.*?)</script>", re.DOTALL)

IMAGE_SCHEMA: JsonObject = {
    "type": "string",
    "format": "binary",
    "description": "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or, with the extra `heif`, HEIC.",
}
BASE64_SCHEMA: JsonObject = {
    "type": "string",
    "contentEncoding": "base64",
    "description": "The file in base64, or as a data URL.",
}
_OTHER_NAMES = ", ".join(f"`{name}`" for name in IMAGE_FIELDS[1:])

DEADLINE_PARAMETER: JsonObject = {
    "name": "Phiz-Deadline",
    "in": "header",
    "required": False,
    "description": "Deadline of the answer in seconds, if shorter than the service's own.",
    "schema": {"type": "number", "exclusiveMinimum": 0},
}

TIMING_HEADER: JsonObject = {
    "Server-Timing": {
        "description": "The time of each stage in ms, for the developer tools of browsers.",
        "schema": {"type": "string"},
    }
}
FACES_DESCRIPTION: JsonObject = {
    "Phiz-Faces": {
        "description": "Number of faces, if the answer is an image or has images.",
        "schema": {"type": "integer", "minimum": 0},
    }
}
URL_ERRORS = [kind.code for kind in UrlError.__subclasses__()]
# Possible if keys or a rate are set.
ACCESS_ERRORS = (ApiKeyError.code, ScopeError.code, RateLimitError.code)
# Of the interfaces of other servers.
COMPAT_ERRORS = (NoFaceError.code, NotSupportedError.code, UnknownModelError.code)
# URL_ERRORS and ACCESS_ERRORS appear if a setting asks for them.
OTHER_ERRORS = {
    *(StudyMissingError.code, RangeError.code, NotAcceptableError.code, OriginError.code),
    *(*URL_ERRORS, *ACCESS_ERRORS, *COMPAT_ERRORS),
}
IMAGE_ERRORS = [
    entry.code
    for entry in ERROR_TABLE
    if entry not in ROUTELESS_ERRORS and entry.code not in OTHER_ERRORS
]


def describe_image_route(
    options_type: type[Parameters],
    answer: type[BaseModel] | None,
    example: JsonObject,
    formats: AnswerFormats = (),
) -> dict[str, Any]:
    """Return what FastAPI needs to describe ``POST`` with one image, beside its summary.

    Args:
        options_type: Its options.
        answer: Its answer in JSON; None if there is none.
        example: An example of that.
        formats: Formats of the answer; empty if it is always JSON.
    """
    body = {
        "required": True,
        "description": "A form with the image, a JSON object with the image in base64, or the image"
        f" itself, of any content type. The field or member may also be named {_OTHER_NAMES}. The"
        " form may also hold options, and so may the object; an empty field is ignored. A query"
        " parameter overrides them. If `PHIZ_URL_HOSTS` is set, the query parameter `url` may give"
        " the address of the image instead of a body.",
        "content": {
            MULTIPART_FORM: {"schema": describe_form(IMAGE_SCHEMA)},
            JSON: describe_json(IMAGE_FIELD, BASE64_SCHEMA),
            OCTET_STREAM: {"schema": IMAGE_SCHEMA},
            "image/*": {"schema": IMAGE_SCHEMA},
        },
    }
    described = _describe_route(options_type, body, answer, example, is_batch=False)
    if formats:
        _describe_formats(described["responses"], formats)
    if answer is None:
        described["response_class"] = Response  # JSON would be described otherwise
    return described


def _describe_formats(responses: Responses, formats: AnswerFormats) -> None:
    """Add the other formats of an answer, their headers, and the error of any other format."""
    found = responses[HTTPStatus.OK]
    for media_type, *_ in formats:
        found["content"].setdefault(media_type, {"schema": {"type": "string", "format": "binary"}})
    found["headers"] = {**found["headers"], **FACES_DESCRIPTION}
    responses.update(describe_errors(NotAcceptableError.code))


def describe_batch_route() -> dict[str, Any]:
    """Return what FastAPI needs to describe ``POST /detect/batch``, beside its summary."""
    images = {"type": "array", "items": IMAGE_SCHEMA, "minItems": 1}
    body = {
        "required": True,
        "description": "A form with one field `image` per image, or a JSON object with a list of"
        f" images in base64. The fields may also be named {_OTHER_NAMES}. Options apply to all"
        " images.",
        "content": {
            MULTIPART_FORM: {"schema": describe_form(images)},
            JSON: describe_json(IMAGES_FIELD, {**images, "items": BASE64_SCHEMA}),
        },
    }
    problem = build_example(ERRORS_BY_CODE[UnsupportedImageError.code])
    example = {"results": [DETECT_EXAMPLE, problem]}
    return _describe_route(DetectParameters, body, BatchAnswer, example, is_batch=True)


def describe_stream_route() -> dict[str, Any]:
    """Return what FastAPI needs to describe ``GET /stream``, which OpenAPI has no word for."""
    return {
        "tags": ["detection"],
        "name": "open_stream",
        "summary": "Find the faces of a stream of frames (WebSocket)",
        "description": STREAM_DESCRIPTION,
        "response_class": Response,
        "status_code": HTTPStatus.SWITCHING_PROTOCOLS,
        "response_description": "The stream is open.",
        "responses": describe_errors(OriginError.code, UPGRADE_CODE, NOT_READY_CODE),
        "openapi_extra": {"parameters": describe_parameters(StreamParameters)[:-1]},
    }


def _describe_route(
    options_type: type[Parameters],
    body: JsonObject,
    answer: type[BaseModel] | None,
    example: JsonObject,
    *,
    is_batch: bool,
) -> dict[str, Any]:
    headers: JsonObject = {} if is_batch else TIMING_HEADER
    found: JsonObject
    if answer is None:
        found = {"description": "The image.", "content": {}, "headers": headers}
    else:
        found = {
            "description": answer.__doc__,
            "model": answer,
            "content": {JSON: {"example": example}},
            "headers": headers,
        }
    codes = IMAGE_ERRORS if is_batch else [*IMAGE_ERRORS, *URL_ERRORS]
    return {
        "response_model": None,
        "responses": {200: found, **describe_errors(*codes)},
        "openapi_extra": {"parameters": describe_parameters(options_type), "requestBody": body},
    }


def describe_form(image_schema: JsonObject, image_field: str = IMAGE_FIELD) -> JsonObject:
    """Return the schema of a form with an image.

    Its options are those of the query, so that the page and generated clients have each once.
    """
    return {
        "type": "object",
        "properties": {image_field: image_schema},
        "required": [image_field],
        "additionalProperties": {
            "type": "string",
            "description": "An option, as the query parameter of its name. Empty means not given.",
        },
    }


def describe_json(image_name: str, image_schema: JsonObject) -> JsonObject:
    """Return the description of a JSON object with an image and the query's options."""
    text = "iVBORw0KGgo…"
    images = [text] if image_schema["type"] == "array" else text
    schema = {
        "type": "object",
        "properties": {image_name: image_schema},
        "required": [image_name],
        "additionalProperties": {"description": "An option, as the query parameter of its name."},
    }
    return {"schema": schema, "example": {image_name: images, "model": AUTO}}


def describe_parameters(options_type: type[Parameters]) -> list[JsonObject]:
    """Return the options as query parameters, and the header of the deadline."""
    options = [
        _describe_parameter(name, get_option_schema(options_type, name))
        for name in options_type.model_fields
    ]
    return [*options, DEADLINE_PARAMETER]


def _describe_parameter(name: str, schema: JsonObject) -> JsonObject:
    """Return an option as a query parameter, its default in words.

    The page would send a default as a value, which would overrule the form.
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


def describe_errors(*codes: str) -> Responses:
    """Return the description of some errors by status, each status with an example."""
    entries = [ERRORS_BY_CODE[code] for code in codes]
    return {
        int(status): _describe_status([entry for entry in entries if entry.status == status])
        for status in sorted({entry.status for entry in entries})
    }


def _describe_status(entries: Sequence[ErrorEntry]) -> JsonObject:
    content = {"schema": {"$ref": PROBLEM_REFERENCE}, "example": build_example(entries[0])}
    return {
        "description": "\n".join(
            f"- `{entry.code}`: {entry.cause}. Remedy: {entry.remedy}." for entry in entries
        ),
        "content": {PROBLEM_JSON: content},
    }


def build_example(entry: ErrorEntry) -> JsonObject:
    """Return an error as an answer has it."""
    detail = f"{entry.cause}; {entry.remedy}".replace("`", "")
    return build_content(entry.code, detail)


def build_description(app: FastAPI) -> Callable[[Scope], Response]:
    """Return what answers a request with the description, which is encoded once."""

    @cache
    def build_response(root_path: str) -> Response:
        schema = app.openapi()
        if root_path:
            schema = {**schema, "servers": [{"url": root_path}, *schema.get("servers", [])]}
        return EncodedResponse(encode_json(schema))

    return lambda scope: build_response(scope.get("root_path", "").rstrip("/"))


def build_openapi_route(app: FastAPI) -> BaseRoute:
    """Return the route of the description, ``state.describe`` of the application."""

    async def serve_openapi(request: Request) -> Response:
        response: Response = app.state.describe(request.scope)
        return response

    return Route(OPENAPI_PATH, serve_openapi, include_in_schema=False)


def build_docs_routes(title: str) -> list[BaseRoute]:
    """Return the routes of the page and its files."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title=title,
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url="data:,",
        # Swagger's validator would send the address of this service to its own host.
        swagger_ui_parameters={"validatorUrl": None, "tryItOutEnabled": True},
    )
    # Only the page's own script may run inline.
    scripts = INLINE_SCRIPT_PATTERN.findall(page.body)
    policy = DOCS_POLICY.format(inline_scripts=" ".join(map(_format_script_source, scripts)))
    page.headers["Content-Security-Policy"] = policy
    files = PageFiles(packages=[(ASSETS_PACKAGE, "static")])

    async def serve_docs_page(_request: Request) -> HTMLResponse:
        return page

    return [Route("/docs", serve_docs_page, include_in_schema=False), Mount("/docs", files)]


def _format_script_source(script: bytes) -> str:
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    return f"'sha256-{digest}'"
