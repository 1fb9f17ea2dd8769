from collections.abc import Mapping
from typing import get_type_hints

import pytest

from phiz.editing.options import BlurOptions, CropOptions
from phiz.faces import DetectOptions
from phiz.options import (
    BLUR_OPTIONS,
    CLASSIFY_OPTIONS,
    CROP_OPTIONS,
    DETECT_FORMAT_OPTIONS,
    DETECT_OPTIONS,
    AnnotateKeywords,
    BlurKeywords,
    CropKeywords,
    DetectKeywords,
    Option,
    PictureFormat,
)
from phiz.wire.picture_schemas import BlurParameters, CropParameters, DetectImageParameters
from phiz.wire.schemas import ClassifyParameters, DetectParameters, Parameters
from tests.docs.pages import PAGES

OPTIONS = pytest.mark.parametrize(
    "options",
    [DETECT_OPTIONS, DETECT_FORMAT_OPTIONS, CROP_OPTIONS, BLUR_OPTIONS, CLASSIFY_OPTIONS],
    ids=["detect", "detect-format", "crops", "blur", "classify"],
)


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        (DETECT_OPTIONS, DetectParameters),
        ({**DETECT_OPTIONS, **DETECT_FORMAT_OPTIONS}, DetectImageParameters),
        ({**DETECT_OPTIONS, **CROP_OPTIONS}, CropParameters),
        ({**DETECT_OPTIONS, **BLUR_OPTIONS}, BlurParameters),
        (CLASSIFY_OPTIONS, ClassifyParameters),
    ],
    ids=["detect", "detect-format", "crops", "blur", "classify"],
)
def test_options_are_the_parameters_of_a_request(
    options: Mapping[str, Option], parameters: type[Parameters]
) -> None:
    defaults = {name: option.default for name, option in options.items()}
    assert set(parameters.model_fields) == set(defaults) == set(parameters.declared)
    assert parameters.model_validate({}).model_dump() == defaults


def test_keywords_of_a_call_are_the_options_with_their_types() -> None:
    assert get_type_hints(DetectKeywords) == get_type_hints(DetectOptions)
    assert ["model", *get_type_hints(DetectKeywords)] == list(DETECT_OPTIONS)


def test_keywords_of_images_are_those_of_a_detection_and_their_own() -> None:
    detect = get_type_hints(DetectKeywords)
    assert get_type_hints(AnnotateKeywords) == {**detect, "format": PictureFormat}
    assert get_type_hints(CropKeywords) == {**detect, **get_type_hints(CropOptions)}
    covered = {**get_type_hints(BlurOptions), "format": PictureFormat | None}
    assert get_type_hints(BlurKeywords) == {**detect, **covered}


@OPTIONS
def test_default_is_a_value_or_words(options: Mapping[str, Option]) -> None:
    for name, option in options.items():
        option.check(name, option.default)
        assert (option.default is None) == bool(option.default_help)


@OPTIONS
def test_reference_has_a_row_for_each_option(options: Mapping[str, Option]) -> None:
    rows = "\n".join(format_row(name, option) for name, option in options.items())
    table = f"| option | values | default | meaning |\n|---|---|---|---|\n{rows}\n\n"
    assert table in PAGES["docs/http.md"].text


def format_row(name: str, option: Option) -> str:
    values = ", ".join(f"`{choice}`" for choice in option.choices)
    values = values or f"{option.minimum} to {option.maximum}"
    default = option.default_help if option.default is None else f"`{option.default}`"
    return f"| `{name}` | {values} | {default} | {option.help} |"
