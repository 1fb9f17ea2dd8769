"""Detection and classification in this process, without a service."""

import logging
import os
from functools import cache, partial
from typing import TYPE_CHECKING, Unpack

from phiz.faces import Classification, DetectionResult, DetectOptions
from phiz.models.specs import Precision
from phiz.options import CLASSIFY_OPTIONS, DETECT_OPTIONS, DetectKeywords
from phiz.sdk.images import ImageSource, load_image
from phiz.settings import Settings, load_settings
from phiz.timings import Stopwatch
from phiz.wire.decode import decode_classification, decode_result
from phiz.wire.encode import encode_classification, encode_result

if TYPE_CHECKING:
    from phiz.engine import Engine

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

        settings = load_settings() if settings is None else settings

        def load_engine(model: str) -> "Engine":
            engine, _ = loading.load_engine(settings, {model}, _log.warning)
            return engine

        # An error is not kept, so models that are built later are found.
        self._load_engine = cache(load_engine)
        self._load_classifier = cache(partial(loading.load_classifier, settings))
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
            OptionError: The model does not exist, or a value is out of range.
            ImageError: The image is not readable, or exceeds a limit.
            ModelNotBuiltError: The model has not been built.
        """
        chosen = DetectOptions(**options)
        engine = self._load_engine(model)
        loaded = load_image(image, engine.limits.max_pixels)
        stopwatch = Stopwatch()
        result = engine.detect(loaded, model, chosen, stopwatch)
        return decode_result(encode_result(result), stopwatch.to_timings())

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


@cache
def get_default_engine() -> LocalEngine:
    """Return the engine of ``phiz.detect`` and ``phiz.classify``.

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
