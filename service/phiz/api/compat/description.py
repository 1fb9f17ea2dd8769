"""Descriptions of other servers' interfaces for ``/openapi.json``."""

from typing import Any

from pydantic import BaseModel

from phiz.api.body import OCTET_STREAM
from phiz.api.compat.error_forms import ErrorForm
from phiz.api.content.form import MULTIPART_FORM
from phiz.api.error_table import ERRORS_BY_CODE, ErrorEntry
from phiz.api.openapi import (
    ACCESS_ERRORS,
    BASE64_SCHEMA,
    IMAGE_ERRORS,
    IMAGE_SCHEMA,
    TIMING_HEADER,
    Responses,
    build_example,
    describe_form,
    describe_json,
    describe_parameters,
)
from phiz.api.routes_detect import Operation
from phiz.wire.messages import JSON
from phiz.wire.schemas import JsonObject


def describe_form_route(
    operation: Operation, answer: type[BaseModel], example: JsonObject, errors: Responses
) -> dict[str, Any]:
    """Return what FastAPI needs to describe ``POST`` with an image, beside its summary."""
    found = {
        "description": answer.__doc__,
        "model": answer,
        "content": {JSON: {"example": example}},
        "headers": TIMING_HEADER,
    }
    return {
        "response_model": None,
        "responses": {200: found, **errors},
        "openapi_extra": {
            "parameters": describe_parameters(operation.options_type),
            "requestBody": _describe_body(operation.image_field),
        },
    }


def _describe_body(image_field: str) -> JsonObject:
    return {
        "required": True,
        "description": f"A form with the image in the field `{image_field}`, or in any other of the"
        " ways of `/detect`. Other fields of the interface are ignored.",
        "content": {
            MULTIPART_FORM: {"schema": describe_form(IMAGE_SCHEMA, image_field)},
            JSON: describe_json(image_field, BASE64_SCHEMA),
            OCTET_STREAM: {"schema": IMAGE_SCHEMA},
            "image/*": {"schema": IMAGE_SCHEMA},
        },
    }


def describe_image_errors(form: ErrorForm, model: type[BaseModel], *others: str) -> Responses:
    """Return the description of the errors of a route with an image.

    Args:
        form: Their form.
        model: The same for people.
        others: Codes of errors that ``/detect`` does not have.
    """
    return describe_form_errors(form, model, *IMAGE_ERRORS, *ACCESS_ERRORS, *others)


def describe_form_errors(form: ErrorForm, model: type[BaseModel], *codes: str) -> Responses:
    """Return the description of some errors by status, each status with an example."""
    found: dict[int, list[ErrorEntry]] = {}
    for entry in (ERRORS_BY_CODE[code] for code in codes):
        found.setdefault(form(build_example(entry))[0], []).append(entry)
    return {
        status: {
            "description": "\n".join(
                f"- `{entry.code}`: {entry.cause}. Remedy: {entry.remedy}." for entry in entries
            ),
            "model": model,
            "content": {JSON: {"example": form(build_example(entries[0]))[1]}},
        }
        for status, entries in sorted(found.items())
    }
