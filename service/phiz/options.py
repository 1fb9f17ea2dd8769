"""The options of a request, declared once.

The query parameters, the form fields, the options of the commands and the tables in
``docs/http.md`` are made from them. The module imports nothing large, so that ``--help`` is quick.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Final, Literal, TypeAlias, TypedDict, get_args

from phiz.errors import OptionError
from phiz.models.specs import CLASS_COUNT, Precision

DetectorName: TypeAlias = Literal["front", "back", "full", "mtcnn", "yunet", "centerface", "auto"]
ClassifierName: TypeAlias = Literal["mobilenet", "efficientnet"]
Overlap: TypeAlias = Literal["blend", "nms"]
OVERLAPS: Final[tuple[Overlap, ...]] = get_args(Overlap)
Rotate: TypeAlias = Literal["none", "auto"]
Details: TypeAlias = Literal["none", "quality", "pose", "all"]
Order: TypeAlias = Literal["score", "size"]
Align: TypeAlias = Literal["none", "eyes"]
BlurKind: TypeAlias = Literal["mosaic", "blur", "solid"]
CropEncoding: TypeAlias = Literal["jpeg", "png"]
PictureFormat: TypeAlias = Literal["jpeg", "png", "webp"]
DetectFormat: TypeAlias = Literal["json", "jpeg", "png", "webp"]
CropFormat: TypeAlias = Literal["zip", "multipart", "json"]
Smooth: TypeAlias = Literal["true", "false"]


@dataclass(frozen=True, slots=True)
class Option:
    """An option with its default, its help and its values.

    Attributes:
        default: None means the default of the model.
        help: Sentences for people, in Markdown.
        choices: The values, or nothing for a number.
        minimum: Least value of a number.
        maximum: Greatest value of a number.
        is_whole: Whether a number must be whole.
        default_help: The default in words, if it is None.
    """

    default: Any
    help: str
    choices: tuple[str, ...] = ()
    minimum: int = 1
    maximum: int = 1
    is_whole: bool = False
    default_help: str = ""

    def check(self, name: str, value: Any) -> None:  # noqa: ANN401  options are of many types
        """Return if the option may have this value.

        Raises:
            OptionError: It may not.
        """
        if value is None and self.default is None:
            return
        if self._is_choice(value) if self.choices else self._is_in_range(value):
            return
        raise OptionError(f"{name} is {value!r}; it must be {self.describe_values()}")

    def _is_choice(self, value: Any) -> bool:  # noqa: ANN401  as above
        return isinstance(value, str) and value in self.choices

    def _is_in_range(self, value: Any) -> bool:  # noqa: ANN401  as above
        kind: type[Any] = Integral if self.is_whole else Real  # those of numpy too
        if isinstance(value, bool) or not isinstance(value, kind):
            return False
        return bool(self.minimum <= value <= self.maximum)  # which is false for NaN

    def describe_values(self) -> str:
        """Return the values that the option may have, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        number = "a whole number" if self.is_whole else "a number"
        return f"{number} from {self.minimum} to {self.maximum}"


DETECT_OPTIONS: Final[Mapping[str, Option]] = {
    "model": Option(
        "auto",
        "Detector. `auto` selects models to suit each image.",
        choices=get_args(DetectorName),
    ),
    "min_score": Option(
        None,
        "Minimum score of a face. `/models` and `phiz models limits` list the limits of the models"
        " with their measured precision and recall.",
        minimum=0,
        maximum=1,
        default_help="the model's own limit",
    ),
    "min_face": Option(
        None,
        "Minimum size of a face: the shorter side of its box, in pixels. The search of `mtcnn`"
        " starts at this size, and `yunet`, `centerface` and `auto` reduce the image to match it,"
        " so a larger value is faster.",
        maximum=65_535,  # no readable image has both sides this long
        default_help="20 for `mtcnn`, none for the others",
    ),
    "max_faces": Option(
        1000,
        "Maximum number of faces per image, the first ones of their order.",
        maximum=10_000,
        is_whole=True,
    ),
    "order": Option(
        "score",
        "Order of the faces: `score` has the best first, `size` the largest box. With"
        " `max_faces=1`, `size` returns the person in front.",
        choices=get_args(Order),
    ),
    "overlap": Option(
        "blend",
        "How overlapping predictions are merged: `blend` takes their weighted mean, `nms` keeps"
        " only the best.",
        choices=OVERLAPS,
    ),
    "input_size": Option(
        None,
        "Longer side, in pixels, to which `yunet` and `centerface` reduce a larger image. A larger"
        " value finds smaller faces and takes longer, in proportion to its square.",
        minimum=64,
        maximum=1536,
        is_whole=True,
        default_help="1024; the largest that fits, with `budget_ms`",
    ),
    "passes": Option(
        1,
        "Number of times that `front`, `back` and `full` process an image. The second pass is"
        " shifted by half a grid cell. Two passes take twice the inference time, and make boxes and"
        " landmarks steadier and more accurate.",
        maximum=2,
        is_whole=True,
    ),
    "rotate": Option(
        "none",
        "With `auto`, an image without a clear upright face is also turned by 90, 180 and 270"
        " degrees, which takes up to four times as long. Coordinates refer to the image as sent,"
        " and each face has its `roll`.",
        choices=get_args(Rotate),
    ),
    "details": Option(
        "none",
        "With `quality`, each face has its `roll` and `quality`. With `pose`, it has its `roll` and"
        " `pose`. `all` adds both.",
        choices=get_args(Details),
    ),
    "budget_ms": Option(
        None,
        "Time budget of `auto`, `yunet` and `centerface` per image in milliseconds, including"
        " decoding but not queueing. `auto` chooses its steps by it, the others their"
        " `input_size`.",
        maximum=60_000,
        default_help="no budget; `auto` continues while more faces are likely",
    ),
}
"""The options of a detection."""

DETECT_FORMAT_OPTIONS: Final[Mapping[str, Option]] = {
    "format": Option(
        None,
        "Format of the answer, for clients that cannot set the header `Accept`. The others than"
        " `json` are the image with its faces drawn in.",
        choices=get_args(DetectFormat),
        default_help="by the header `Accept`, or else `json`",
    ),
}
"""The options of ``/detect`` beside those of a detection."""

CROP_OPTIONS: Final[Mapping[str, Option]] = {
    "size": Option(
        112,
        "Side of each crop, a square, in pixels.",
        minimum=16,
        maximum=1024,
        is_whole=True,
    ),
    "align": Option(
        "none",
        "With `eyes`, the face is turned and scaled until its eyes are level, at 46.1 % of the"
        " height and 34.2 and 65.8 % of the width. With `none`, the crop is an upright square"
        " around the box.",
        choices=get_args(Align),
    ),
    "margin": Option(
        None,
        "Additional space on each side, as a share of the crop without it.",
        minimum=0,
        maximum=2,
        default_help="0.1 for `none`, 0 for `eyes`",
    ),
    "encoding": Option(
        "jpeg",
        "Image format of the crops. `png` loses nothing and is several times as large.",
        choices=get_args(CropEncoding),
    ),
    "format": Option(
        None,
        "Format of the answer, for clients that cannot set the header `Accept`.",
        choices=get_args(CropFormat),
        default_help="by the header `Accept`, or else `zip`",
    ),
}
"""The options of crops beside those of a detection."""

BLUR_OPTIONS: Final[Mapping[str, Option]] = {
    "kind": Option(
        "mosaic",
        "How faces are covered: a `mosaic` of about three blocks across a face, a wide `blur`,"
        " or a `solid` black box.",
        choices=get_args(BlurKind),
    ),
    "grow": Option(
        0.2,
        "Enlargement of each box, on each side, as a share of its longer side.",
        minimum=0,
        maximum=1,
    ),
    "model": replace(
        DETECT_OPTIONS["model"],
        default="centerface",
        help="Detector. `centerface` finds the most faces; `auto` stops at a close-up.",
    ),
    "min_score": replace(
        DETECT_OPTIONS["min_score"],
        default=0.2,
        help="Minimum score of a face, lower than for a detection: a covered object does less harm"
        " than a face that is missed.",
        default_help="",
    ),
    "rotate": replace(DETECT_OPTIONS["rotate"], default="auto"),
    "max_faces": replace(DETECT_OPTIONS["max_faces"], default=10_000),
    "format": Option(
        None,
        "Format of the answer, for clients that cannot set the header `Accept`.",
        choices=get_args(PictureFormat),
        default_help="by the header `Accept`, or else the format of the image",
    ),
}
"""The options of covered faces beside those of a detection, and those with another default."""
STREAM_OPTIONS: Final[Mapping[str, Option]] = {
    **DETECT_OPTIONS,
    # Each face is followed by the service itself, between the answers to others.
    "max_faces": replace(DETECT_OPTIONS["max_faces"], default=100, maximum=250),
    "smooth": Option(
        "false",
        "With `true`, boxes and landmarks are averaged over time, the less the faster a face"
        " moves.",
        choices=get_args(Smooth),
    ),
}
"""The options of a stream: those of a detection, and its own."""


class DetectKeywords(TypedDict, total=False):
    """The options of a detection as keywords of a call, for type checkers."""

    min_score: float | None
    min_face: float | None
    max_faces: int
    order: Order
    overlap: Overlap
    input_size: int | None
    passes: int
    rotate: Rotate
    details: Details
    budget_ms: float | None


class AnnotateKeywords(DetectKeywords, total=False):
    """The options of an annotated image as keywords of a call."""

    format: PictureFormat


class CropKeywords(DetectKeywords, total=False):
    """The options of crops as keywords of a call."""

    size: int
    margin: float | None
    align: Align
    encoding: CropEncoding


class BlurKeywords(DetectKeywords, total=False):
    """The options of covered faces as keywords of a call."""

    kind: BlurKind
    grow: float
    format: PictureFormat | None


CLASSIFY_OPTIONS: Final[Mapping[str, Option]] = {
    "model": Option(
        "efficientnet",
        "Classifier. `mobilenet` is faster and less accurate.",
        choices=get_args(ClassifierName),
    ),
    "precision": Option(
        None,
        "Precision of the network.",
        choices=get_args(Precision),
        default_help="the choice of `phiz study` for this machine, or else `int8` on a processor"
        " with instructions for it (VNNI, dot product) and `float32` on others",
    ),
    "top": Option(
        5, "Number of classes per image, best first.", maximum=CLASS_COUNT, is_whole=True
    ),
}
"""The options of a classification."""
