import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from phiz import catalog
from phiz.detectors import names
from phiz.engine import Result
from phiz.faces import DetectOptions, Face, Quality, Step
from phiz.schemas import DetectAnswer, DetectParameters, payload

FACE = Face((10.006, 20.0, 30.123, 40.0), 0.87654, {"nose": (1.005001, -2.349)}, "back")
BOX = {"x": 10.01, "y": 20.0, "width": 20.12, "height": 20.0}
NOSE = {"nose": {"x": 1.01, "y": -2.35}}
TIMING = {"queue": 0.1, "total": 0.1}


def test_a_box_has_a_corner_and_a_size() -> None:
    assert payload(Result("back", 1024, 683, (FACE,), ())) == {
        "model": "back",
        "image": {"width": 1024, "height": 683},
        "faces": [{"box": BOX, "score": 0.8765, "landmarks": NOSE}],
    }


def test_a_route_names_the_model_of_each_face() -> None:
    steps = (Step("front", 0, "first"), Step("back", 1, "front found no face"))
    answer = payload(Result("auto", 10, 20, (FACE,), steps))
    assert answer["faces"] == [{"box": BOX, "score": 0.8765, "landmarks": NOSE, "model": "back"}]
    assert answer["route"] == [
        {"model": "front", "faces": 0, "why": "first"},
        {"model": "back", "faces": 1, "why": "front found no face"},
    ]


def test_roll_and_quality_are_told_where_they_are_known() -> None:
    told = replace(FACE, roll=-12.345, quality=Quality(40.006, 0.98765, 0.4321))
    answer = payload(Result("back", 10, 20, (told,), ()))
    assert answer["faces"][0]["roll"] == -12.3
    assert answer["faces"][0]["quality"] == {
        "eye_distance": 40.01,
        "frontalness": 0.988,
        "sharpness": 0.432,
    }
    described = DetectAnswer.model_validate(answer | {"timing_ms": TIMING})
    assert described.model_dump(exclude_none=True)["faces"] == answer["faces"]


def test_no_face_is_an_empty_list() -> None:
    assert payload(Result("front", 1, 1, (), ()))["faces"] == []


@pytest.mark.parametrize("steps", [(), (Step("front", 1, "first"),)], ids=["plain", "routed"])
def test_an_answer_is_what_its_description_says(steps: tuple[Step, ...]) -> None:
    answer = payload(Result("auto", 10, 20, (FACE,), steps)) | {"timing_ms": TIMING}
    described = DetectAnswer.model_validate_json(json.dumps(answer))
    assert described.model_dump(exclude_none=True) == answer


def test_options_that_are_not_given_are_the_detectors_own() -> None:
    assert DetectParameters().options() == DetectOptions()


def test_each_option_reaches_the_detector() -> None:
    chosen = DetectParameters(
        min_score=0.25,
        min_face=30,
        max_faces=5,
        overlap="nms",
        passes=2,
        rotate="auto",
        details="quality",
    )
    assert chosen.options() == DetectOptions(0.25, 30, 5, "nms", 2, "auto", "quality")


def test_a_name_that_is_no_option_is_refused() -> None:
    with pytest.raises(ValidationError):
        DetectParameters.model_validate({"minscore": 1})


def test_the_models_to_choose_from_are_those_there_are() -> None:
    schema = DetectParameters.model_json_schema()["properties"]["model"]
    assert tuple(schema["enum"]) == names(catalog.load())
