import time

import pytest

from phiz.timings import STAGES, Stopwatch, Timings


def test_stages_add_up_to_the_total() -> None:
    stopwatch = Stopwatch()
    stopwatch.lap("decode")
    stopwatch.lap("inference", "pnet")
    time.sleep(0.001)
    stopwatch.lap("inference", "rnet")
    stopwatch.lap("postprocess")
    timings = stopwatch.to_timings()
    assert list(timings.stages) == list(STAGES)
    assert [timings.stages[stage] for stage in ("queue", "preprocess")] == [0, 0]
    assert sum(timings.stages.values()) == pytest.approx(timings.total_s)
    assert sum(timings.parts.values()) == pytest.approx(timings.stages["inference"])
    assert timings.parts["rnet"] >= 0.001


def test_a_start_in_the_past_counts() -> None:
    stopwatch = Stopwatch(time.perf_counter() - 5)
    stopwatch.lap("queue")
    assert stopwatch.to_timings().stages["queue"] >= 5


def test_milliseconds_name_stages_parts_and_total() -> None:
    stopwatch = Stopwatch()
    stopwatch.lap("inference", "onet")
    names = ["queue", "decode", "preprocess", "inference", "postprocess", "onet", "total"]
    assert list(stopwatch.to_timings().to_milliseconds()) == names


def test_every_stage_takes_no_time_without_a_lap() -> None:
    timings = Stopwatch().to_timings()
    assert (timings.stages, timings.parts) == (dict.fromkeys(STAGES, 0), {})
    assert timings.total_s == 0


def test_timings_are_read_back_from_their_milliseconds() -> None:
    stopwatch = Stopwatch(time.perf_counter() - 0.01)
    stopwatch.lap("inference", "onet")
    timings = stopwatch.to_timings()
    read = Timings.from_milliseconds(timings.to_milliseconds())
    assert read.stages == pytest.approx(timings.stages, abs=1e-6)
    assert read.parts == pytest.approx(timings.parts, abs=1e-6)
    assert read.total_s == pytest.approx(timings.total_s, abs=1e-6)
