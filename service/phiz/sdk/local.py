"""Detection and classification in this process, without a service."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, Unpack

from phiz.editing.options import BlurOptions, CropOptions
from phiz.faces import Classification, DetectionResult, DetectOptions
from phiz.models.specs import Precision
from phiz.options import (
    BLUR_OPTIONS,
    CLASSIFY_OPTIONS,
    DETECT_OPTIONS,
    AnnotateKeywords,
    BlurKeywords,
    CropKeywords,
    DetectKeywords,
)
from phiz.sdk.images import ImageSource, encode_image, load_image
from phiz.sdk.keywords import check_keywords
from phiz.sdk.pictures import CropResult, ImageResult, choose_annotated_format, decode_crops
from phiz.settings import Settings, load_settings
from phiz.timings import Stopwatch, Timings
from phiz.wire.decode import decode_classification, decode_result
from phiz.wire.encode import encode_classification, encode_result
from phiz.wire.messages import EncodedAnswer

if TYPE_CHECKING:
    from phiz.engine import Engine

# Its detection has other defaults.
_BLUR_DEFAULTS: Final[Mapping[str, Any]] = {
    name: BLUR_OPTIONS[name].default for name in ("min_score", "max_faces", "rotate")
}
_log = logging.getLogger(__name__)


class LocalEngine:
    """Models in this process, each loaded at its first use and kept.

    Threads may share an engine. Answers are rounded as those of the service, and equal to them.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        """Keep the settings; by default those of the environment.

        Raises:
            SettingError: A variable of the environment has an unusable value.
        """
        # onnxruntime reports its use to its makers, unless this is there before it is loaded.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        from phiz import loading  # noqa: PLC0415  which loads it
        from phiz.wire.pictures import (  # noqa: PLC0415  so does this
            answer_annotated,
            answer_blur,
            answer_crops,
        )

        settings = load_settings() if settings is None else settings

        def load_engine(model: str) -> "Engine":
            engine, _ = loading.load_engine(settings, {model}, _log.warning)
            return engine

        # An error is not kept, so models that are built later are found.
        self._load_engine = cache(load_engine)
        self._load_classifier = cache(partial(loading.load_classifier, settings))
        self._answer_annotated = answer_annotated
        self._answer_crops = answer_crops
        self._answer_blur = answer_blur
        self._get_precision = cache(partial(loading.get_default_precision, settings))

    def detect(
        self,
        image: ImageSource,
        model: str = DETECT_OPTIONS["model"].default,
        **options: Unpack[DetectKeywords],
    ) -> DetectionResult:
        """Return the faces of an image, with the time of each stage.

        Args:
            image: A path, encoded bytes, or the pixels (H, W, 3), RGB, uint8.
            model: Name of the detector.
            options: The options of a detection, as of ``POST /detect``.

        Raises:
            OSError: The file cannot be read.
            OptionError: The model does not exist, or a value is out of range or of another type.
            TypeError: There is no such option.
            ImageError: The image is not readable, or exceeds a limit.
            ModelNotBuiltError: The model has not been built.
        """
        check_keywords("detect", options, DetectKeywords.__optional_keys__)
        chosen = DetectOptions(**_drop_none(options))
        DETECT_OPTIONS["model"].check("model", model)
        engine = self._load_engine(model)
        loaded = load_image(image, engine.limits.max_pixels)
        stopwatch = Stopwatch()
        result = engine.detect(loaded, model, chosen, stopwatch)
        return decode_result(encode_result(result), stopwatch.to_timings())

    def annotate(
        self,
        image: ImageSource,
        model: str = DETECT_OPTIONS["model"].default,
        **options: Unpack[AnnotateKeywords],
    ) -> ImageResult:
        """Return an image with its faces drawn in, as a JPEG by default.

        Args:
            image: As for ``detect``.
            model: As for ``detect``.
            options: The options of ``detect``, and ``format``.

        Raises:
            PhizError, OSError: As ``detect``.
        """
        check_keywords("annotate", options, AnnotateKeywords.__optional_keys__)
        others = _drop_none(options)
        picture_format = choose_annotated_format(others.pop("format", None))
        return _to_result(
            self._answer(
                self._answer_annotated, image, model, DetectOptions(**others), picture_format
            )
        )

    def crop(
        self,
        image: ImageSource,
        model: str = DETECT_OPTIONS["model"].default,
        **options: Unpack[CropKeywords],
    ) -> CropResult:
        """Return the faces of an image, cut out.

        Args:
            image: As for ``detect``.
            model: As for ``detect``.
            options: The options of ``POST /crops``, without ``format``.

        Raises:
            PhizError, OSError: As ``detect``.
        """
        check_keywords("crop", options, CropKeywords.__optional_keys__)
        others = _drop_none(options)
        crop = CropOptions(**_take(others, CropOptions.__slots__))
        answer = self._answer(
            self._answer_crops, image, model, DetectOptions(**others), crop, "json"
        )
        return decode_crops(answer.body)

    def blur(
        self,
        image: ImageSource,
        model: str = BLUR_OPTIONS["model"].default,
        **options: Unpack[BlurKeywords],
    ) -> ImageResult:
        """Return an image with its faces covered.

        Args:
            image: As for ``detect``.
            model: As for ``detect``, with another default.
            options: The options of ``POST /blur``.

        Raises:
            PhizError, OSError: As ``detect``.
        """
        check_keywords("blur", options, BlurKeywords.__optional_keys__)
        others = {**_BLUR_DEFAULTS, **_drop_none(options)}
        picture_format = others.pop("format", None)
        BLUR_OPTIONS["format"].check("format", picture_format)
        blur = BlurOptions(**_take(others, BlurOptions.__slots__))
        return _to_result(
            self._answer(
                self._answer_blur, image, model, DetectOptions(**others), blur, picture_format
            )
        )

    def classify(
        self,
        image: ImageSource,
        model: str = CLASSIFY_OPTIONS["model"].default,
        *,
        precision: Precision | None = None,
        top: int = CLASSIFY_OPTIONS["top"].default,
    ) -> Classification:
        """Return the classes of an image, with the time of each stage.

        Args:
            image: As for ``detect``.
            model: Name of the classifier.
            precision: Precision of its network; None means the best one for this machine.
            top: Number of classes, best first.

        Raises:
            PhizError, OSError: As ``detect``.
        """
        for name, value in (("model", model), ("precision", precision), ("top", top)):
            CLASSIFY_OPTIONS[name].check(name, value)
        engine = self._load_classifier(model, precision or self._get_precision(model))
        loaded = load_image(image, engine.limits.max_pixels)
        stopwatch = Stopwatch()
        classification = engine.classify(loaded, top, stopwatch)
        return decode_classification(encode_classification(classification), stopwatch.to_timings())

    def _answer(
        self,
        answer: Callable[..., EncodedAnswer],
        image: ImageSource,
        model: str,
        *arguments: object,
    ) -> EncodedAnswer:
        DETECT_OPTIONS["model"].check("model", model)
        engine = self._load_engine(model)
        # An array too, so that the result is that of the service.
        image_bytes = encode_image(image)
        return answer(engine, image_bytes, time.perf_counter(), model, *arguments)


def _drop_none(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without those that are None: the default, as a client leaves them out."""
    return {name: value for name, value in options.items() if value is not None}


def _take(options: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Remove some options, those that are given, and return them."""
    return {name: options.pop(name) for name in names if name in options}


def _to_result(answer: EncodedAnswer) -> ImageResult:
    timings = Timings(answer.stages, answer.parts, answer.total_s)
    return ImageResult(answer.body, answer.media_type, answer.face_count or 0, timings)


@cache
def get_default_engine() -> LocalEngine:
    """Return the engine of ``phiz.detect`` and the functions beside it.

    One for the process, made at the first call: models take up to a second to load, and a caller
    of a plain function has no place to keep them.
    """
    return LocalEngine()


def detect(
    image: ImageSource,
    model: str = DETECT_OPTIONS["model"].default,
    **options: Unpack[DetectKeywords],
) -> DetectionResult:
    """Return the faces of an image, as ``LocalEngine.detect``."""
    return get_default_engine().detect(image, model, **options)


def classify(
    image: ImageSource,
    model: str = CLASSIFY_OPTIONS["model"].default,
    *,
    precision: Precision | None = None,
    top: int = CLASSIFY_OPTIONS["top"].default,
) -> Classification:
    """Return the classes of an image, as ``LocalEngine.classify``."""
    return get_default_engine().classify(image, model, precision=precision, top=top)


def annotate(
    image: ImageSource,
    model: str = DETECT_OPTIONS["model"].default,
    **options: Unpack[AnnotateKeywords],
) -> ImageResult:
    """Return an image with its faces drawn in, as ``LocalEngine.annotate``."""
    return get_default_engine().annotate(image, model, **options)


def crop(
    image: ImageSource,
    model: str = DETECT_OPTIONS["model"].default,
    **options: Unpack[CropKeywords],
) -> CropResult:
    """Return the faces of an image, cut out, as ``LocalEngine.crop``."""
    return get_default_engine().crop(image, model, **options)


def blur(
    image: ImageSource,
    model: str = BLUR_OPTIONS["model"].default,
    **options: Unpack[BlurKeywords],
) -> ImageResult:
    """Return an image with its faces covered, as ``LocalEngine.blur``."""
    return get_default_engine().blur(image, model, **options)
