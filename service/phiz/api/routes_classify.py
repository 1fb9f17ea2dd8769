"""``POST /classify``: as a detection, but a worker says what the picture shows."""

from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from phiz.api.routes_detect import Operation, answer_image, handle_counted
from phiz.wire.schemas import ClassifyParameters

CLASSIFICATION: Final = Operation("classify", ClassifyParameters)


async def classify(request: Request) -> Response:
    """Return what a picture shows, of ImageNet's classes."""
    return await handle_counted(request, partial(answer_image, CLASSIFICATION))
