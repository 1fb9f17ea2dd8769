import io
import json
import time
from dataclasses import dataclass, replace

import pytest
from PIL import Image as Pillow

from phiz.engine import Engine
from phiz.errors import OptionError, UnsupportedImageError
from phiz.faces import DetectionResult, Detections, DetectOptions, Face, Quality, RoutingStep
from phiz.image.lazy import LazyImage
from phiz.image.limits import DecodingLimits
from phiz.timings import Stopwatch, Timings
from phiz.wire.encode import encode_result
from phiz.wire.schemas import DetectAnswer
from phiz.worker import answer_detection

FACE = Face((10.006, 20.0, 30.123, 40.0), 0.87654, {"nose": (1.005001, -2.349)}, "back")
BOX = {"x": 10.01, "y": 20.0, "width": 20.12, "height": 20.0}
NOSE = {"nose": {"x": 1.01, "y": -2.35}}
TIMING = {"queue": 0.1, "total": 0.1}


def test_a_box_has_a_corner_and_a_size() -> None:
    assert encode_result(DetectionResult("back", 1024, 683, (FACE,), ())) == {
        "model": "back",
        "image": {"width": 1024, "height": 683},
        "faces": [{"box": BOX, "score": 0.8765, "landmarks": NOSE}],
    }


def test_a_route_names_the_model_of_each_face() -> None:
    steps = (
        RoutingStep("front", 0, "first_pass", "the best"),
        RoutingStep("mtcnn", 0, "no_time_left", "skipped it", ran=False),
    )
    answer = encode_result(DetectionResult("auto", 10, 20, (FACE,), steps))
    assert answer["faces"] == [{"box": BOX, "score": 0.8765, "landmarks": NOSE, "model": "back"}]
    assert answer["route"] == [
        {"model": "front", "ran": True, "faces": 0, "reason": "first_pass", "why": "the best"},
        {
            "model": "mtcnn",
            "ran": False,
            "faces": 0,
            "reason": "no_time_left",
            "why": "skipped it",
        },
    ]


def test_roll_and_quality_are_told_where_they_are_known() -> None:
    told = replace(FACE, roll=-12.345, quality=Quality(40.006, 0.98765, 0.4321))
    answer = encode_result(DetectionResult("back", 10, 20, (told,), ()))
    assert answer["faces"][0]["roll"] == -12.3
    assert answer["faces"][0]["quality"] == {
        "eye_distance": 40.01,
        "frontalness": 0.988,
        "sharpness": 0.432,
    }
    described = DetectAnswer.model_validate(answer | {"timing_ms": TIMING})
    assert described.model_dump(exclude_none=True)["faces"] == answer["faces"]


def test_no_face_is_an_empty_list() -> None:
    assert encode_result(DetectionResult("front", 1, 1, (), ()))["faces"] == []


@pytest.mark.parametrize(
    "steps", [(), (RoutingStep("front", 1, "first_pass", "the best"),)], ids=["plain", "routed"]
)
def test_an_answer_is_what_its_description_says(steps: tuple[RoutingStep, ...]) -> None:
    answer = encode_result(DetectionResult("auto", 10, 20, (FACE,), steps)) | {"timing_ms": TIMING}
    described = DetectAnswer.model_validate_json(json.dumps(answer))
    assert described.model_dump(exclude_none=True) == answer


@dataclass(frozen=True, slots=True)
class Finding:
    """Finds one face, or as many as may be."""

    score: float = 0.5

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        del image
        stopwatch.lap("inference", "pnet")
        return Detections((Face((0, 0, 9, 9), self.score, {}, "back"),) * options.max_faces)


@pytest.fixture
def gif() -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (60, 40), "grey").save(file, "GIF")
    return file.getvalue()


def engine(score: float = 0.5) -> Engine:
    return Engine({"back": Finding(score)}, DecodingLimits(10**6, 10**6))


def test_a_picture_is_answered_encoded_with_what_is_counted(gif: bytes) -> None:
    answer = answer_detection(
        engine(), gif, time.perf_counter(), "back", DetectOptions(max_faces=3)
    )
    content = json.loads(answer.body)
    timing_ms = content.pop("timing_ms")
    assert content == {
        "model": "back",
        "image": {"width": 60, "height": 40},
        "faces": [{"box": {"x": 0, "y": 0, "width": 9, "height": 9}, "score": 0.5, "landmarks": {}}]
        * 3,
    }
    assert (answer.face_count, timing_ms) == (3, Timings(*answer[3:6]).to_milliseconds())
    assert answer.server_timing == ", ".join(f"{name};dur={ms}" for name, ms in timing_ms.items())
    text = json.dumps(json.loads(answer.body), separators=(",", ":"))
    assert answer.body == text.encode() + b"\n"


def test_the_time_that_a_picture_has_waited_is_in_the_queue(gif: bytes) -> None:
    answer = answer_detection(engine(), gif, time.perf_counter() - 5, "back", DetectOptions())
    assert 5 <= answer.stages["queue"] <= answer.total_s
    assert sum(answer.stages.values()) == pytest.approx(answer.total_s)


def test_a_picture_that_cannot_be_read_or_a_model_that_is_not_there_is_an_error(gif: bytes) -> None:
    with pytest.raises(UnsupportedImageError):
        answer_detection(engine(), b"no picture", 0, "back", DetectOptions())
    with pytest.raises(OptionError):
        answer_detection(engine(), gif, 0, "front", DetectOptions())


def test_what_json_has_no_number_for_is_never_sent(gif: bytes) -> None:
    with pytest.raises(ValueError, match="JSON"):
        answer_detection(engine(score=float("nan")), gif, 0, "back", DetectOptions())
