"""The description of keys in ``/openapi.json``, which gives ``/docs`` its button *Authorize*."""

from typing import Any, Final

from fastapi import FastAPI

from phiz.api.openapi import ACCESS_ERRORS, describe_errors
from phiz.api.security.guard import METRICS_PATH, PROBE_PATHS_OPEN, Guard
from phiz.wire.schemas import JsonObject

SECURITY_SCHEMES: Final[JsonObject] = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}


def describe_access(app: FastAPI, guard: Guard) -> None:
    """Add the rules of access to the description of an application."""
    describe = app.openapi

    def describe_guarded() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _add_access(describe(), guard)
        return app.openapi_schema

    app.openapi = describe_guarded  # type: ignore[method-assign]  # as FastAPI's documentation does


def _add_access(schema: dict[str, Any], guard: Guard) -> dict[str, Any]:
    if guard.metrics_port is not None:
        schema["paths"].pop(METRICS_PATH, None)
    refusals = {str(status): each for status, each in describe_errors(*ACCESS_ERRORS).items()}
    if guard.keys is not None:
        schema.setdefault("components", {})["securitySchemes"] = SECURITY_SCHEMES
    for path, operations in schema["paths"].items():
        if path in PROBE_PATHS_OPEN:
            continue
        for operation in operations.values():
            operation["responses"] = {**refusals, **operation["responses"]}
            if guard.keys is not None:
                operation["security"] = [{name: []} for name in SECURITY_SCHEMES]
    return schema
