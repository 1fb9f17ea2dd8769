import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.faces import (
    Classification,
    DetectionResult,
    Face,
    Pose,
    Quality,
    RoutingStep,
    ScoredClass,
)
from phiz.timings import NO_TIMINGS, Timings
from phiz.wire.decode import decode_classification, decode_result, decode_server_timing
from phiz.wire.encode import encode_classification, encode_result, format_server_timing
from phiz.wire.examples import DETECT_EXAMPLE

shares = st.floats(0, 1)
pixels = st.floats(0, 65_535)
points = st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
degrees = st.floats(-180, 180)
faces = st.builds(
    Face,
    box=st.tuples(pixels, pixels, pixels, pixels),
    score=shares,
    landmarks=st.dictionaries(st.sampled_from(["nose", "left_eye"]), points),
    model=st.just("back"),
    roll=st.none() | degrees,
    quality=st.none() | st.builds(Quality, pixels, shares, shares),
    pose=st.none() | st.builds(Pose, degrees, degrees, degrees),
)
steps = st.builds(
    RoutingStep, st.just("yunet"), st.integers(0, 9), st.just("close_up"), st.text(), st.booleans()
)
results = st.builds(
    DetectionResult,
    model=st.just("back"),
    width=st.integers(1, 65_535),
    height=st.integers(1, 65_535),
    faces=st.lists(faces, max_size=3).map(tuple),
    route=st.lists(steps, max_size=2).map(tuple),
)


def sent(result: DetectionResult) -> DetectionResult:
    """A result as a client has it."""
    return decode_result(json.loads(json.dumps(encode_result(result))), NO_TIMINGS)


@given(results)
def test_a_decoded_result_differs_by_its_rounding_alone(result: DetectionResult) -> None:
    decoded = sent(result)
    assert (decoded.model, decoded.width, decoded.height) == (
        result.model,
        result.width,
        result.height,
    )
    assert decoded.route == result.route
    for ours, theirs in zip(decoded.faces, result.faces, strict=True):
        assert ours.box == pytest.approx(theirs.box, abs=0.0101)
        assert ours.score == pytest.approx(theirs.score, abs=5.1e-5)
        assert ours.model == theirs.model
        assert ours.landmarks.keys() == theirs.landmarks.keys()
        assert (ours.roll is None) == (theirs.roll is None)
        assert (ours.quality is None) == (theirs.quality is None)
        if ours.pose is not None and theirs.pose is not None:
            assert ours.pose.pitch == pytest.approx(theirs.pose.pitch, abs=0.051)


@given(results)
def test_a_decoded_result_is_encoded_as_it_was(result: DetectionResult) -> None:
    decoded = sent(result)
    assert encode_result(decoded) == encode_result(result)
    assert sent(decoded) == decoded


def test_a_face_of_an_answer_without_a_route_has_the_model_of_the_answer() -> None:
    face = Face((1, 2, 3.5, 4), 0.5, {}, "mtcnn")
    assert sent(DetectionResult("mtcnn", 10, 20, (face,))).faces == (face,)


def test_timings_do_not_make_results_unequal() -> None:
    timings = Timings.from_milliseconds(DETECT_EXAMPLE["timing_ms"])
    decoded = decode_result(DETECT_EXAMPLE, timings)
    assert decoded == decode_result(DETECT_EXAMPLE, NO_TIMINGS)
    assert decoded.timings.to_milliseconds() == DETECT_EXAMPLE["timing_ms"]
    assert decoded.timings.total_s == pytest.approx(0.008272)


def test_unknown_fields_are_ignored() -> None:
    newer = json.loads(json.dumps(DETECT_EXAMPLE).replace('"score"', '"age": 7, "score"'))
    assert newer["faces"][0]["age"] == 7
    assert decode_result(newer, NO_TIMINGS) == decode_result(DETECT_EXAMPLE, NO_TIMINGS)


@pytest.mark.parametrize("answer", [{}, [], {"model": "front"}, {**DETECT_EXAMPLE, "faces": [1]}])
def test_what_is_no_answer_is_an_error(answer: dict[str, object]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        decode_result(answer, NO_TIMINGS)


def test_a_classification_is_decoded_with_its_rounding() -> None:
    found = Classification("mobilenet", "int8", (ScoredClass(7, "cock", 0.12344),))
    answer = json.loads(json.dumps(encode_classification(found)))
    (decoded,) = decode_classification(answer, NO_TIMINGS).classes
    assert decoded == ScoredClass(7, "cock", 0.1234)


def test_the_header_of_timings_is_read_back() -> None:
    timings = Timings({"queue": 0.001, "render": 0.25}, {"pnet": 0.125}, 0.376)
    header = format_server_timing(timings.to_milliseconds())
    assert decode_server_timing(header) == timings
    assert decode_server_timing(f'edge;dur=9, cache;desc="HIT", {header}') == timings


@pytest.mark.parametrize("header", ["", "edge;dur=3", "total", "total;dur=x", "queue;dur=1"])
def test_another_header_of_timings_is_none(header: str) -> None:
    assert decode_server_timing(header) is NO_TIMINGS
