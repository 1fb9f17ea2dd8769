"""``POST /classify``: as a detection, but a worker says what the picture shows."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from phiz.api.body import BodyLimits
from phiz.api.routes_detect import Operation, answer_request, respond_with_one
from phiz.wire.schemas import ClassifyParameters

CLASSIFICATION: Final = Operation(
    "classify", ClassifyParameters, BodyLimits.for_image, respond_with_one
)


async def classify(request: Request) -> Response:
    """Return the most likely ImageNet classes of an image."""
    return await answer_request(CLASSIFICATION, request)
