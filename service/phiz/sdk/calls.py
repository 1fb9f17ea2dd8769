"""The calls of a client: requests to the service, and how their answers are decoded.

Nothing here sends or waits, so ``Client`` and ``AsyncClient`` share all of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeAlias, TypeVar

import httpx
import orjson

from phiz.errors import PhizError
from phiz.faces import Classification, DetectionResult
from phiz.sdk.pictures import CropResult, ImageResult, choose_annotated_format, decode_crops
from phiz.sdk.problems import build_error
from phiz.timings import Timings
from phiz.wire.decode import decode_classification, decode_result, decode_server_timing
from phiz.wire.models import ModelList

AnswerT = TypeVar("AnswerT")

_ACCEPT_IMAGE: Final[Mapping[str, str]] = {"Accept": "image/*"}

DetectOutcome: TypeAlias = DetectionResult | PhizError
"""The faces of one of several images, or its error."""


@dataclass(frozen=True, slots=True)
class Call(Generic[AnswerT]):
    """A request to the service.

    Attributes:
        method: Of HTTP.
        path: Of the route.
        decode: Returns the answer that a response of status 200 holds.
        options: Query parameters; None means the default of the service.
        body: The image, as the whole body.
        images: The images, as fields of a form.
        headers: Further headers, such as ``Accept``.
    """

    method: str
    path: str
    decode: Callable[[httpx.Response], AnswerT]
    options: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    images: Sequence[bytes] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def build_request(
        self, http: httpx.Client | httpx.AsyncClient, timeout: httpx.Timeout, deadline_s: float
    ) -> httpx.Request:
        """Return the request as it is sent.

        Args:
            http: Has the address and the headers of all requests.
            timeout: Limits of sending and receiving.
            deadline_s: Seconds that the service may take for the answer.
        """
        content_type = {} if self.body is None else {"Content-Type": "application/octet-stream"}
        deadline = {"Phiz-Deadline": f"{deadline_s:.3f}"}
        return http.build_request(
            self.method,
            self.path,
            params={name: value for name, value in self.options.items() if value is not None},
            content=self.body,
            files=[("image", image) for image in self.images] or None,
            headers={**content_type, **deadline, **self.headers},
            timeout=timeout,
        )


def build_detect_call(
    image_bytes: bytes, model: str, options: Mapping[str, Any]
) -> Call[DetectionResult]:
    """Return the call for the faces of an image."""
    return Call("POST", "/detect", _decode_detection, {"model": model, **options}, image_bytes)


def build_batch_call(
    images: Sequence[bytes], model: str, options: Mapping[str, Any]
) -> Call[list[DetectOutcome]]:
    """Return the call for the faces of several images."""
    chosen = {"model": model, **options}
    return Call("POST", "/detect/batch", _decode_batch, chosen, images=images)


def build_classify_call(image_bytes: bytes, options: Mapping[str, Any]) -> Call[Classification]:
    """Return the call for the classes of an image."""
    return Call("POST", "/classify", _decode_classes, options, image_bytes)


def build_annotate_call(
    image_bytes: bytes, model: str, options: Mapping[str, Any]
) -> Call[ImageResult]:
    """Return the call for an image with its faces drawn in."""
    picture_format = choose_annotated_format(options.get("format"))
    chosen = {"model": model, **options, "format": picture_format}
    return Call("POST", "/detect", _decode_image, chosen, image_bytes, headers=_ACCEPT_IMAGE)


def build_crop_call(image_bytes: bytes, model: str, options: Mapping[str, Any]) -> Call[CropResult]:
    """Return the call for the faces of an image, cut out."""
    chosen = {"model": model, **options, "format": "json"}
    return Call("POST", "/crops", _decode_crops, chosen, image_bytes)


def build_blur_call(
    image_bytes: bytes, model: str, options: Mapping[str, Any]
) -> Call[ImageResult]:
    """Return the call for an image with its faces covered."""
    chosen = {"model": model, **options}
    return Call("POST", "/blur", _decode_image, chosen, image_bytes, headers=_ACCEPT_IMAGE)


def build_models_call() -> Call[ModelList]:
    """Return the call for the models of the service."""
    return Call("GET", "/models", lambda response: ModelList.model_validate_json(response.content))


def build_probe_call(path: str) -> Call[None]:
    """Return the call that asks whether the service is alive or ready."""
    return Call("GET", path, lambda _: None)


def _decode_detection(response: httpx.Response) -> DetectionResult:
    return _decode_entry(orjson.loads(response.content))


def _decode_entry(answer: Mapping[str, Any]) -> DetectionResult:
    return decode_result(answer, Timings.from_milliseconds(answer["timing_ms"]))


def _decode_image(response: httpx.Response) -> ImageResult:
    headers = response.headers
    timings = decode_server_timing(headers.get("server-timing", ""))
    face_count = int(headers["phiz-faces"])
    return ImageResult(response.content, headers["content-type"], face_count, timings)


def _decode_crops(response: httpx.Response) -> CropResult:
    return decode_crops(response.content)


def _decode_batch(response: httpx.Response) -> list[DetectOutcome]:
    return [
        build_error(entry, response) if "code" in entry else _decode_entry(entry)
        for entry in orjson.loads(response.content)["results"]
    ]


def _decode_classes(response: httpx.Response) -> Classification:
    answer = orjson.loads(response.content)
    return decode_classification(answer, Timings.from_milliseconds(answer["timing_ms"]))
