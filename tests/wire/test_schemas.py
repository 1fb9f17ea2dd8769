import pytest
from pydantic import ValidationError

from phiz.detectors.factory import list_model_names
from phiz.faces import ROUTE_REASONS, DetectOptions
from phiz.models import catalog
from phiz.wire.schemas import BatchAnswer, DetectAnswer, DetectParameters, Problem, RouteStep


def test_options_that_are_not_given_are_the_detectors_own() -> None:
    assert DetectParameters().to_options() == DetectOptions()


def test_each_option_reaches_the_detector() -> None:
    chosen = DetectParameters(
        min_score=0.25,
        min_face=30,
        max_faces=5,
        order="size",
        input_size=640,
        overlap="nms",
        passes=2,
        rotate="auto",
        details="quality",
        budget_ms=8,
    )
    assert chosen.to_options() == DetectOptions(
        0.25, 30, 5, "size", "nms", 640, 2, "auto", "quality", 8
    )


def test_a_name_that_is_no_option_is_refused() -> None:
    with pytest.raises(ValidationError):
        DetectParameters.model_validate({"minscore": 1})


def test_the_models_to_choose_from_are_those_there_are() -> None:
    schema = DetectParameters.model_json_schema()["properties"]["model"]
    assert tuple(schema["enum"]) == list_model_names(catalog.load_catalog())


def test_each_result_of_several_is_an_answer_or_a_problem() -> None:
    answer = {
        "model": "back",
        "image": {"width": 1, "height": 1},
        "faces": [],
        "timing_ms": {"total": 1},
    }
    problem = {"type": "x", "title": "x", "status": 400, "code": "bad_image", "detail": "x"}
    results = BatchAnswer.model_validate({"results": [answer, problem, answer]}).results
    assert [type(result) for result in results] == [DetectAnswer, Problem, DetectAnswer]


@pytest.mark.parametrize("reason", ROUTE_REASONS)
def test_route_reason_is_described(reason: str) -> None:
    field = RouteStep.model_json_schema()["properties"]["reason"]
    assert field["enum"] == list(ROUTE_REASONS)
    assert f"`{reason}`:" in field["description"]
