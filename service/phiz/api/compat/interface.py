"""The interface of another server: its routes, and those of its parts that phiz lacks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from phiz.api.errors import count_rejection
from phiz.api.request_record import get_record
from phiz.errors import NotSupportedError

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Interface:
    """The interface of another server.

    Attributes:
        router: Its routes.
        refusals: Routes of the parts that phiz lacks. They answer 501, and follow all others.
    """

    router: APIRouter
    refusals: Sequence[Route]


def build_interface(
    router: APIRouter, message: str, paths: Collection[str], methods: Collection[str] = _METHODS
) -> Interface:
    """Return an interface.

    Args:
        router: Its routes.
        message: Answer at the parts that phiz lacks.
        paths: Paths of these parts.
        methods: Their methods.
    """
    return Interface(router, [_build_refusal(path, message, methods) for path in paths])


def _build_refusal(path: str, message: str, methods: Collection[str]) -> Route:
    async def refuse(request: Request) -> Response:
        if request.scope["path"] in request.app.state.methods:  # a route, by another method
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED)
        get_record(request.scope).path = path
        count_rejection(request.app, NotSupportedError.code)
        raise NotSupportedError(message)

    return Route(path, refuse, methods=list(methods), include_in_schema=False)
