from pathlib import Path

import pytest

from benchmarks.kit.requests import encode_test_image
from benchmarks.speed.bytes import (
    LIMITS,
    Case,
    RecordingRuntime,
    Way,
    decode_fast,
    measure_way,
    time_part,
)
from phiz.engine import build_engine
from phiz.faces import DetectOptions
from phiz.timings import Stopwatch

STAGES = {"preprocess": 0.5, "postprocess": 0.25}


def build_case(model: str, beyond_ms: float, size_wh: tuple[int, int] = (640, 480)) -> Case:
    """Return a case whose way takes so much more than decoding of 1 ms and calls of 9."""
    whole, decode, calls = (
        {"processor": each, "wall": 2 * each} for each in (10 + beyond_ms, 1.0, 9.0)
    )
    return Case("JPEG", size_wh, model, [Way(whole, decode, calls, STAGES)])


def test_time_beyond_the_parts_is_told_in_ms_and_as_a_share() -> None:
    (way,) = build_case("yunet", 1.5).ways
    assert way.compute_beyond_ms("processor") == pytest.approx(1.5)
    assert way.compute_share("processor") == pytest.approx(0.15)
    assert way.compute_beyond_ms("wall") == pytest.approx(3)
    row = build_case("yunet", 1.5).to_row()
    assert row[:8] == [
        *("640 × 480 JPEG", "`yunet`", "11.50", "1.00", "9.00", "1.50", "15.0%", "15.0%")
    ]


@pytest.mark.parametrize(
    ("case", "goal"),
    [
        pytest.param(build_case("front", 0.25), "≤ 0.25 ms, reached", id="front"),
        pytest.param(build_case("front", 0.26), "≤ 0.25 ms, MISSED", id="front missed"),
        pytest.param(build_case("mtcnn", 2.0), "≤ 20%, reached", id="share"),
        pytest.param(build_case("mtcnn", 2.1), "≤ 20%, MISSED", id="share missed"),
        pytest.param(build_case("back", 1.5, (4000, 3000)), "≤ 1.5 ms, reached", id="large back"),
        pytest.param(build_case("mtcnn", 99, (4000, 3000)), "", id="large others"),
    ],
)
def test_goal_is_of_the_model_and_the_size(case: Case, goal: str) -> None:
    assert case.goal == goal


def test_goal_is_of_the_median_image_by_processor_time() -> None:
    ways = [build_case("full", beyond).ways[0] for beyond in (0.1, 1.9, 9.0)]
    assert Case("JPEG", (640, 480), "full", ways).goal == "≤ 20%, reached"
    assert Case("PNG", (640, 480), "full", ways).goal == ""


def test_way_is_measured_with_the_calls_that_it_made(models_folder: Path) -> None:
    runtime = RecordingRuntime()
    engine = build_engine(models_folder, "half-pixel", LIMITS, ["front"], runtime=runtime)
    image_bytes = encode_test_image()
    way = measure_way(engine, runtime, "front", image_bytes, rounds=1)
    ((_, inputs),) = runtime.calls
    assert inputs.shape == (1, 128, 128, 3)
    assert way.detect["processor"] > way.calls["processor"] > 0
    assert way.stages["inference"] > 0
    engine.detect(image_bytes, "front", DetectOptions(), Stopwatch())
    assert len(runtime.calls) == 1


def test_part_is_run_for_a_while_and_its_median_told() -> None:
    runs: list[int] = []
    times = time_part(lambda: runs.append(sum(range(20_000))))
    assert len(runs) > 1
    assert 0 < times["processor"] < 40
    assert times["wall"] > 0


def test_fastest_decoder_refuses_what_is_no_image() -> None:
    decode_fast(encode_test_image(), (640, 480), 4)
    with pytest.raises(ValueError, match="JPEG"):
        decode_fast(b"\xff\xd8 no image", (640, 480), 1)
