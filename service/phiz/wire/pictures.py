"""Answers that are images: their faces drawn in, cut out or covered. Handlers of a worker."""

from phiz.editing.crop import crop_faces
from phiz.editing.encode import Picture
from phiz.editing.options import BlurOptions, CropOptions
from phiz.editing.redact import cover_faces
from phiz.editing.render import encode_crops, read_rgb_profile, render_annotated
from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.image.decode import open_image
from phiz.options import CropFormat, PictureFormat
from phiz.timings import Stopwatch, Timings
from phiz.wire.crops import ZIP, pack_crops
from phiz.wire.encode import encode_result, format_server_timing
from phiz.wire.messages import EncodedAnswer

# For browsers, which name the file after the route otherwise.
_ZIP_HEADERS = (("content-disposition", 'attachment; filename="faces.zip"'),)


def answer_annotated(  # noqa: PLR0913, PLR0917  what a request chooses, and when it came
    engine: Engine,
    image_bytes: bytes,
    received_at_s: float,
    model: str,
    options: DetectOptions,
    picture_format: PictureFormat,
) -> EncodedAnswer:
    """Return an image with its faces drawn in.

    Args:
        engine: The detectors.
        image_bytes: The encoded image.
        received_at_s: When the body was complete, by ``time.perf_counter``.
        model: Name of the detector.
        options: The options of the detection.
        picture_format: Format of the answer.

    Raises:
        PhizError: As ``Engine.detect`` and ``render_annotated``.
    """
    stopwatch = _start_stopwatch(received_at_s)
    image = open_image(image_bytes, engine.limits)
    result = engine.detect(image, model, options, stopwatch)
    profile = read_rgb_profile(image_bytes)
    picture = render_annotated(image, result.faces, picture_format, engine.limits, profile)
    stopwatch.lap("render")
    return _build_answer(picture, len(result.faces), stopwatch.to_timings())


def answer_crops(  # noqa: PLR0913, PLR0917  as above
    engine: Engine,
    image_bytes: bytes,
    received_at_s: float,
    model: str,
    options: DetectOptions,
    crop_options: CropOptions,
    crop_format: CropFormat,
) -> EncodedAnswer:
    """Return the crops of an image's faces, with the answer of the detection.

    Args:
        engine: The detectors.
        image_bytes: The encoded image.
        received_at_s: As for ``answer_annotated``.
        model: Name of the detector.
        options: The options of the detection.
        crop_options: The options of the crops.
        crop_format: What the answer is.

    Raises:
        PhizError: As ``Engine.detect``, ``crop_faces`` and ``encode_crops``.
    """
    stopwatch = _start_stopwatch(received_at_s)
    image = open_image(image_bytes, engine.limits)
    result = engine.detect(image, model, options, stopwatch)
    crops = crop_faces(image, result.faces, crop_options)
    profile = read_rgb_profile(image_bytes)
    pictures = encode_crops(crops, crop_options.encoding, engine.limits, profile)
    stopwatch.lap("render")
    timings = stopwatch.to_timings()
    answer = {**encode_result(result), "timing_ms": timings.to_milliseconds()}
    picture = Picture(*pack_crops(answer, crops, pictures, crop_format))
    return _build_answer(picture, len(result.faces), timings)


def answer_blur(  # noqa: PLR0913, PLR0917  as above
    engine: Engine,
    image_bytes: bytes,
    received_at_s: float,
    model: str,
    options: DetectOptions,
    blur_options: BlurOptions,
    picture_format: PictureFormat | None,
) -> EncodedAnswer:
    """Return an image with its faces covered.

    The image is decoded again after the detection, as it is stored.

    Args:
        engine: The detectors.
        image_bytes: The encoded image.
        received_at_s: As for ``answer_annotated``.
        model: Name of the detector.
        options: The options of the detection.
        blur_options: How the faces are covered.
        picture_format: Format of the answer; None for that of the image.

    Raises:
        PhizError: As ``Engine.detect`` and ``cover_faces``.
    """
    stopwatch = _start_stopwatch(received_at_s)
    result = engine.detect(image_bytes, model, options, stopwatch)
    picture = cover_faces(image_bytes, result.faces, blur_options, engine.limits, picture_format)
    stopwatch.lap("render")
    return _build_answer(picture, len(result.faces), stopwatch.to_timings())


def _start_stopwatch(received_at_s: float) -> Stopwatch:
    stopwatch = Stopwatch(received_at_s)
    stopwatch.add_render_stage()
    stopwatch.lap("queue")
    return stopwatch


def _build_answer(picture: Picture, face_count: int, timings: Timings) -> EncodedAnswer:
    return EncodedAnswer(
        picture.content,
        format_server_timing(timings.to_milliseconds()),
        face_count,
        *timings,
        media_type=picture.media_type,
        headers=_ZIP_HEADERS if picture.media_type == ZIP else (),
    )
