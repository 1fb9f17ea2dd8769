"""``POST /classify``: as a detection, but a worker says what the picture shows."""

from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from phiz.api.routes_detect import Question, answer_one, counted
from phiz.wire.schemas import ClassifyParameters

CLASSES: Final = Question("classify", ClassifyParameters)


async def classify(request: Request) -> Response:
    """Return what a picture shows, of ImageNet's classes."""
    return await counted(request, partial(answer_one, CLASSES))
