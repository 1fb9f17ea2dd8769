"""Describes the work of a request, for the forecast of its time."""

from functools import lru_cache
from typing import Final

from phiz.image.formats import sniff_format
from phiz.image.size import read_size
from phiz.models.specs import BUDGETED_MODELS, SCALED_MODELS
from phiz.wire.schemas import DetectParameters, Parameters
from phiz.workers.latency import Workload

# Pixels of an image whose size the header does not tell: it waits among the largest.
UNCLEAR_PIXELS: Final = 50_000_000
# No image with more pixels is decoded, so it takes no time.
MOST_PIXELS: Final = 1_000_000_000
_ORIENTATIONS: Final = 4
_DEFAULT_MIN_FACE_PX: Final = 20
_MAX_FACTOR: Final = 16.0
DEFAULT_INPUT_SIZE: Final = 1024
# An image is decoded at full scale, changed and written, until such a request has been timed.
_RENDER_FACTOR: Final = 3.0


def describe_workload(options: Parameters, image_bytes: bytes, work: str = "") -> Workload:
    """Return the workload of an image. Its header is read, nothing is checked.

    Args:
        options: Of the request.
        image_bytes: The image.
        work: What is done with the image beside the detection; empty for nothing.
    """
    image_format = sniff_format(image_bytes)
    name, factor = _describe_options(options, is_jpeg=image_format == "JPEG")
    if work:
        # Writing an image takes much longer in some formats, and the answer often has its own.
        name, factor = f"{name}, {work} {image_format}", factor * _RENDER_FACTOR
    if image_format is None:  # refused by the worker at once
        return Workload(options.model, name, 0, factor, work=work)
    size_wh = read_size(image_format, image_bytes)
    if size_wh is None:
        return Workload(options.model, name, UNCLEAR_PIXELS, factor, False, work)
    pixels = size_wh[0] * size_wh[1]
    known_pixels = pixels if pixels <= MOST_PIXELS else 0
    return Workload(options.model, name, known_pixels, factor, work=work)


# Most requests repeat the options of earlier ones.
@lru_cache(512)
def _describe_options(options: Parameters, *, is_jpeg: bool) -> tuple[str, float]:
    """Return the options that change the time of a model, and how much more time they may take.

    Numbers are grouped by their doublings, so that the times of few groups are kept.
    """
    # Most models read a JPEG at a smaller scale.
    words, factor = ["JPEG" if is_jpeg else "other formats"], 1.0
    if isinstance(options, DetectParameters):
        if options.rotate == "auto":
            words.append("rotate")
            factor *= _ORIENTATIONS
        if options.input_size is not None and options.model in SCALED_MODELS:
            words.append(f"input_size {options.input_size.bit_length()}")
            factor *= max(1.0, (options.input_size / DEFAULT_INPUT_SIZE) ** 2)
        if options.passes > 1 and options.model not in {"mtcnn", *BUDGETED_MODELS}:
            words.append("passes")
            factor *= options.passes
        if options.model == "mtcnn" and options.min_face is not None:
            words.append(f"min_face {int(options.min_face).bit_length()}")
            factor *= max(1.0, (_DEFAULT_MIN_FACE_PX / options.min_face) ** 2)
        if options.model in BUDGETED_MODELS and options.budget_ms is not None:
            words.append(f"budget_ms {int(options.budget_ms).bit_length()}")
    return ", ".join(words), min(factor, _MAX_FACTOR)
