from dataclasses import fields

import pytest

from phiz.detectors.factory import list_model_names
from phiz.faces import DetectOptions
from phiz.models import catalog
from phiz.options import CLASSIFY_OPTIONS, DETECT_OPTIONS, Option
from phiz.wire.schemas import ClassifyParameters, DetectParameters, Parameters
from tests.docs.pages import PAGES

TABLES = pytest.mark.parametrize(
    ("options", "parameters"),
    [
        pytest.param(DETECT_OPTIONS, DetectParameters, id="detect"),
        pytest.param(CLASSIFY_OPTIONS, ClassifyParameters, id="classify"),
    ],
)


@TABLES
def test_options_are_the_parameters_of_a_request(
    options: dict[str, Option], parameters: type[Parameters]
) -> None:
    assert list(options) == list(parameters.model_fields)
    defaults = {name: option.default for name, option in options.items()}
    assert parameters.model_validate({}).model_dump() == defaults


def test_options_of_a_detection_are_those_of_a_call_and_the_model() -> None:
    assert list(DETECT_OPTIONS) == ["model", *(field.name for field in fields(DetectOptions))]


@TABLES
def test_default_is_a_value_or_has_words(
    options: dict[str, Option], parameters: type[Parameters]
) -> None:
    for name, option in options.items():
        option.check(name, option.default)
        assert (option.default is None) == bool(option.default_help)
        assert parameters.model_fields[name].default == option.default


def test_models_to_choose_from_are_those_of_the_catalogue() -> None:
    known = catalog.load_catalog()
    assert DETECT_OPTIONS["model"].choices == list_model_names(known)
    classifiers = {spec.name for spec in known.get_models("classify")}
    assert set(CLASSIFY_OPTIONS["model"].choices) == classifiers


def format_row(name: str, option: Option) -> str:
    values = ", ".join(f"`{choice}`" for choice in option.choices)
    values = values or f"{option.minimum} to {option.maximum}"
    default = option.default_help if option.default is None else f"`{option.default}`"
    return f"| `{name}` | {values} | {default} | {option.help} |"


@pytest.mark.parametrize("options", [DETECT_OPTIONS, CLASSIFY_OPTIONS], ids=["detect", "classify"])
def test_the_reference_has_a_row_for_each_option(options: dict[str, Option]) -> None:
    rows = "\n".join(format_row(name, option) for name, option in options.items())
    assert f"| option | values | default | meaning |\n|---|---|---|---|\n{rows}\n\n" in (
        PAGES["docs/http.md"].text
    )
