"""The face detection of DeepStack and CodeProject.AI: ``POST /v1/vision/face``."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from phiz.api.compat.boxes import round_box
from phiz.api.compat.description import describe_form_route, describe_image_errors
from phiz.api.compat.error_forms import to_deepstack_error
from phiz.api.compat.interface import build_interface
from phiz.api.encoded_response import EncodedResponse, ObjectResponse
from phiz.api.routes_detect import ImageOutcome, Operation, answer_request, get_answer
from phiz.faces import DetectOptions
from phiz.models.specs import AUTO
from phiz.options import DETECT_OPTIONS, DetectorName, Option
from phiz.wire.examples import DETECT_EXAMPLE
from phiz.wire.json_text import encode_json
from phiz.wire.schemas import JsonObject, Parameters

FACE_PATH: Final = "/v1/vision/face"
PING_PATH: Final = "/v1/status/ping"
MIN_CONFIDENCE: Final = Option(
    0.4, "Minimum confidence of a face: the `min_score` of `/detect`.", minimum=0, maximum=1
)
DEEPSTACK_OPTIONS: Final[Mapping[str, Option]] = {
    "model": DETECT_OPTIONS["model"],
    "min_confidence": MIN_CONFIDENCE,
}
_MS_PER_S: Final = 1000


class DeepstackParameters(Parameters):
    """The options of a detection. Fields of the interface that have no effect here are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    declared = DEEPSTACK_OPTIONS

    model: DetectorName = Field(
        default=AUTO, description=f"{DETECT_OPTIONS['model'].help} An addition of phiz."
    )
    min_confidence: float = Field(
        default=MIN_CONFIDENCE.default,
        ge=MIN_CONFIDENCE.minimum,
        le=MIN_CONFIDENCE.maximum,
        allow_inf_nan=False,
        description=MIN_CONFIDENCE.help,
    )

    def to_arguments(self) -> tuple[Any, ...]:
        """Return what a worker is given beside the picture."""
        return self.model, DetectOptions(min_score=self.min_confidence)


class DeepstackPrediction(BaseModel):
    """One face, in whole pixels of the upright image."""

    confidence: float = Field(description="Score of the model.", ge=0, le=1)
    x_min: int = Field(ge=0)
    y_min: int = Field(ge=0)
    x_max: int = Field(ge=0)
    y_max: int = Field(ge=0)


class DeepstackAnswer(BaseModel):
    """The faces of an image, best first. The list is empty if there are none."""

    success: bool = Field(description="Always true.")
    message: str = Field(description="Number of faces, in words.")
    count: int = Field(description="Number of faces.", ge=0)
    predictions: list[DeepstackPrediction]
    inferenceMs: int = Field(description="Time of the networks, in milliseconds.", ge=0)  # noqa: N815  CodeProject.AI's names
    processMs: int = Field(description="Time of the work on the image.", ge=0)  # noqa: N815
    analysisRoundTripMs: int = Field(description="The same, and the time in the queue.", ge=0)  # noqa: N815
    duration: float = Field(description="The same in seconds, as DeepStack has it.", ge=0)
    code: int = Field(description="Always 200.")
    command: str = Field(description="Always `detect`.")
    moduleId: str = Field(description="Always `phiz`.")  # noqa: N815
    moduleName: str = Field(description="The model.")  # noqa: N815


class DeepstackError(BaseModel):
    """An error. Its status is that of the answer."""

    success: bool = Field(description="Always false.")
    error: str = Field(description="The error, the limit and what to do.")
    code: int = Field(description="The HTTP status.")


class DeepstackPing(BaseModel):
    """The service answers."""

    success: bool = Field(description="Always true.")


def respond_like_deepstack(outcomes: Sequence[ImageOutcome], _options: Parameters) -> Response:
    """Return the faces of the only image, or raise its error."""
    outcome = get_answer(outcomes)
    body = encode_json(translate_answer(orjson.loads(outcome.body)))
    return EncodedResponse(body, outcome.server_timing)


def translate_answer(answer: JsonObject) -> JsonObject:
    """Return an answer of ``/detect`` as one of this interface."""
    times_ms, faces = answer["timing_ms"], answer["faces"]
    return {
        "success": True,
        "message": f"Found {len(faces)} {'face' if len(faces) == 1 else 'faces'}",
        "count": len(faces),
        "predictions": [{"confidence": face["score"], **round_box(face["box"])} for face in faces],
        "inferenceMs": round(times_ms["inference"]),
        "processMs": round(times_ms["total"] - times_ms["queue"]),
        "analysisRoundTripMs": round(times_ms["total"]),
        "duration": round(times_ms["total"] / _MS_PER_S, 6),
        "code": int(HTTPStatus.OK),
        "command": "detect",
        "moduleId": "phiz",
        "moduleName": answer["model"],
    }


FACE_OPERATION: Final = Operation("detect", DeepstackParameters, respond_like_deepstack)


async def detect_like_deepstack(request: Request) -> Response:
    """Return the faces of an image as DeepStack and CodeProject.AI do."""
    return await answer_request(FACE_OPERATION, request)


async def ping_like_deepstack() -> DeepstackPing:
    """Return 200 while the process is alive."""
    return DeepstackPing(success=True)


deepstack_router = APIRouter(
    tags=["DeepStack and CodeProject.AI"], default_response_class=ObjectResponse
)
deepstack_router.post(
    FACE_PATH,
    name="detect_like_deepstack",
    summary="Find the faces of an image as DeepStack and CodeProject.AI do",
    **describe_form_route(
        FACE_OPERATION,
        DeepstackAnswer,
        translate_answer(DETECT_EXAMPLE),
        describe_image_errors(to_deepstack_error, DeepstackError),
    ),
)(detect_like_deepstack)
deepstack_router.get(
    PING_PATH, name="ping_like_deepstack", summary="Check whether the process is alive"
)(ping_like_deepstack)
DEEPSTACK: Final = build_interface(
    deepstack_router,
    f"phiz has the face detection of this interface alone, POST {FACE_PATH}; it knows no persons"
    " and no other objects",
    ["/v1/vision/{feature:path}"],
)
