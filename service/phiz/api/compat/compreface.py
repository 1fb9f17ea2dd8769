"""The face detection of CompreFace: ``POST /api/v1/detection/detect``."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from phiz.api.compat.boxes import round_box
from phiz.api.compat.description import describe_form_route, describe_image_errors
from phiz.api.compat.error_forms import to_compreface_error
from phiz.api.compat.interface import build_interface
from phiz.api.encoded_response import EncodedResponse
from phiz.api.routes_detect import ImageOutcome, Operation, answer_request, get_answer
from phiz.errors import NoFaceError
from phiz.faces import DetectOptions
from phiz.models.specs import AUTO
from phiz.options import DETECT_OPTIONS, DetectorName, Option
from phiz.wire.examples import DETECT_EXAMPLE
from phiz.wire.json_text import encode_json
from phiz.wire.schemas import JsonObject, Parameters

DETECT_PATH: Final = "/api/v1/detection/detect"
LANDMARKS: Final = "landmarks"
POSE: Final = "pose"
LIMIT: Final = Option(
    0,
    "Maximum number of faces, the largest first; 0 for no limit.",
    minimum=0,
    maximum=2**31 - 1,
    is_whole=True,
)
DET_PROB_THRESHOLD: Final = Option(
    None,
    "Minimum probability of a face: the `min_score` of `/detect`.",
    minimum=0,
    maximum=1,
    default_help="the limit of the model",
)
FACE_PLUGINS: Final = Option(
    "",
    "What each face has beside its box, separated by commas: `landmarks` and `pose`. Other plugins"
    " are ignored, as in a CompreFace that has none of them.",
)
STATUS: Final = Option(
    "false",
    "Whether the answer has `execution_time` and `plugins_versions`.",
    choices=("true", "false"),
)
COMPREFACE_OPTIONS: Final[Mapping[str, Option]] = {
    "model": DETECT_OPTIONS["model"],
    "limit": LIMIT,
    "det_prob_threshold": DET_PROB_THRESHOLD,
    "face_plugins": FACE_PLUGINS,
    "status": STATUS,
}


class ComprefaceParameters(Parameters):
    """The options of a detection. Fields of the interface that have no effect here are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    declared = COMPREFACE_OPTIONS

    model: DetectorName = Field(
        default=AUTO, description=f"{DETECT_OPTIONS['model'].help} An addition of phiz."
    )
    limit: int = Field(
        default=LIMIT.default, ge=LIMIT.minimum, le=LIMIT.maximum, description=LIMIT.help
    )
    det_prob_threshold: float | None = Field(
        default=None,
        ge=DET_PROB_THRESHOLD.minimum,
        le=DET_PROB_THRESHOLD.maximum,
        allow_inf_nan=False,
        description=f"{DET_PROB_THRESHOLD.help} Default: {DET_PROB_THRESHOLD.default_help}.",
    )
    face_plugins: str = Field(default=FACE_PLUGINS.default, description=FACE_PLUGINS.help)
    status: bool = Field(default=False, description=STATUS.help)

    @property
    def plugins(self) -> frozenset[str]:
        """Names of the requested plugins."""
        return frozenset(name.strip() for name in self.face_plugins.split(","))

    def to_arguments(self) -> tuple[Any, ...]:
        """Return what a worker is given beside the picture."""
        most = DETECT_OPTIONS["max_faces"]
        options = DetectOptions(
            min_score=self.det_prob_threshold,
            max_faces=min(self.limit, most.maximum) or most.default,
            order="size",
            details="pose" if POSE in self.plugins else "none",
        )
        return self.model, options


class ComprefaceBox(BaseModel):
    """A box in whole pixels of the upright image."""

    probability: float = Field(description="Score of the model.", ge=0, le=1)
    x_max: int = Field(ge=0)
    y_max: int = Field(ge=0)
    x_min: int = Field(ge=0)
    y_min: int = Field(ge=0)


class ComprefacePose(BaseModel):
    """How far a head is turned, in degrees: the `pose` of `/detect`."""

    pitch: float
    roll: float
    yaw: float


class ComprefaceFace(BaseModel):
    """One face."""

    box: ComprefaceBox
    landmarks: list[tuple[int, int]] | None = Field(
        default=None,
        description="Left eye, right eye, nose, left and right corner of the mouth. Left is the"
        " viewer's. Only with the plugin `landmarks`.",
    )
    pose: ComprefacePose | None = Field(default=None, description="Only with the plugin `pose`.")
    execution_time: dict[str, float] | None = Field(
        default=None, description="Milliseconds of the detector. Only with `status`."
    )


class ComprefaceAnswer(BaseModel):
    """The faces of an image, the largest first. An image without a face is an error."""

    result: list[ComprefaceFace]
    plugins_versions: dict[str, str] | None = Field(
        default=None, description="What found the faces. Only with `status`."
    )


class ComprefaceError(BaseModel):
    """An error."""

    message: str = Field(description="The error, the limit and what to do.")
    code: int = Field(
        description="CompreFace's number of the error, such as 28 for an image without a face; 0"
        " or 41 if it has none."
    )


def respond_like_compreface(outcomes: Sequence[ImageOutcome], options: Parameters) -> Response:
    """Return the faces of the only image.

    Raises:
        NoFaceError: There is no face.
        PhizError: The error of the image.
    """
    assert isinstance(options, ComprefaceParameters), "the operation has these options"
    outcome = get_answer(outcomes)
    if not outcome.face_count:
        raise NoFaceError("No face is found in the given image")  # clients compare it
    body = encode_json(translate_answer(orjson.loads(outcome.body), options))
    return EncodedResponse(body, outcome.server_timing)


def translate_answer(answer: JsonObject, options: ComprefaceParameters) -> JsonObject:
    """Return an answer of ``/detect`` as one of this interface."""
    plugins, times_ms = options.plugins & {LANDMARKS, POSE}, answer["timing_ms"]
    result = []
    for face in answer["faces"]:
        entry: JsonObject = {"box": {"probability": face["score"], **round_box(face["box"])}}
        if LANDMARKS in plugins:
            points = face["landmarks"].values()
            entry["landmarks"] = [[round(point["x"]), round(point["y"])] for point in points]
        if POSE in plugins:
            entry["pose"] = face["pose"]
        if options.status:
            entry["execution_time"] = {"detector": round(times_ms["total"] - times_ms["queue"], 3)}
        result.append(entry)
    if not options.status:
        return {"result": result}
    name = f"phiz.{answer['model']}"
    return {
        "result": result,
        "plugins_versions": dict.fromkeys(("detector", *sorted(plugins)), name),
    }


DETECT_OPERATION: Final = Operation(
    "detect", ComprefaceParameters, respond_like_compreface, image_field="file"
)


async def detect_like_compreface(request: Request) -> Response:
    """Return the faces of an image as CompreFace does."""
    return await answer_request(DETECT_OPERATION, request)


compreface_router = APIRouter(tags=["CompreFace"])
compreface_router.post(
    DETECT_PATH,
    name="detect_like_compreface",
    summary="Find the faces of an image as CompreFace does",
    **describe_form_route(
        DETECT_OPERATION,
        ComprefaceAnswer,
        translate_answer(DETECT_EXAMPLE, ComprefaceParameters(face_plugins=LANDMARKS, status=True)),
        describe_image_errors(to_compreface_error, ComprefaceError, NoFaceError.code),
    ),
)(detect_like_compreface)
COMPREFACE: Final = build_interface(
    compreface_router,
    f"phiz has the face detection of CompreFace alone, POST {DETECT_PATH}; it knows no persons, and"
    " compares no faces",
    ["/api/v1/recognition/{feature:path}", "/api/v1/verification/{feature:path}"],
)
