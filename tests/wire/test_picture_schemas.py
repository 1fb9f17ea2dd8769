import pytest
from pydantic import ValidationError

from phiz.editing.options import BlurOptions, CropOptions
from phiz.faces import DetectOptions
from phiz.wire.picture_schemas import BlurParameters, CropParameters, DetectImageParameters


def test_the_format_does_not_reach_the_detector() -> None:
    chosen = DetectImageParameters(format="png", max_faces=3)
    assert chosen.answer_format == "png"
    assert chosen.to_arguments() == ("auto", DetectOptions(max_faces=3))
    assert DetectImageParameters().answer_format is None


def test_each_option_of_a_crop_reaches_the_worker() -> None:
    chosen = CropParameters(
        model="front", size=64, margin=0.5, align="eyes", encoding="png", details="pose"
    )
    assert chosen.to_arguments() == (
        "front",
        DetectOptions(details="pose"),
        CropOptions(64, 0.5, "eyes", "png"),
    )


def test_covering_looks_for_more_faces_than_a_detection() -> None:
    model, options, blur = BlurParameters().to_arguments()
    assert model == "centerface"
    assert options == DetectOptions(min_score=0.2, rotate="auto", max_faces=10_000)
    assert blur == BlurOptions("mosaic", 0.2)
    chosen = BlurParameters(min_score=0.9, rotate="none", kind="solid", grow=1).to_arguments()
    assert chosen[1:] == (
        DetectOptions(min_score=0.9, rotate="none", max_faces=10_000),
        BlurOptions("solid", 1),
    )


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        (DetectImageParameters, {"format": "zip"}),
        (CropParameters, {"format": "png"}),
        (CropParameters, {"size": 15}),
        (BlurParameters, {"format": "json"}),
        (BlurParameters, {"grow": 1.5}),
        (BlurParameters, {"size": 100}),
    ],
)
def test_wrong_values_are_refused(
    parameters: type[DetectImageParameters], options: dict[str, object]
) -> None:
    with pytest.raises(ValidationError):
        parameters.model_validate(options)
