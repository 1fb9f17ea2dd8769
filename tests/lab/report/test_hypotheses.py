from dataclasses import replace

import pytest

from phiz.lab.report.hypotheses import (
    check_hypotheses,
    compare_with_paper,
    compute_speed_up,
    compute_time_ratio,
)
from phiz.lab.study.machine import Machine
from phiz.lab.study.record import Study
from tests.lab.study.made import FLOAT32, INT8, MACHINE, facts, figures, study, usual


def verdicts(*studies: object) -> list[str]:
    return [hypothesis.verdict for hypothesis in check_hypotheses(studies)]  # type: ignore[arg-type]


def test_one_device_tells_about_8_bits_alone() -> None:
    hardware, memory, quantisation = check_hypotheses([usual()])
    assert (hardware.verdict, memory.verdict) == ("cannot be told", "cannot be told")
    assert quantisation.verdict == "holds in part"
    assert quantisation.figures == (
        "Abacus, onnxruntime, times as fast: mobilenet 2.00, efficientnet 2.00, front 0.83.",
    )
    # 14 MB at 10 GB/s are 1.4 ms, of 0.5.
    assert "at most 280% of an inference (front onnxruntime float32" in memory.figures[0]


@pytest.mark.parametrize(
    ("float32_ms", "int8_ms", "expected"),
    [
        ((4, 6), (2, 3), "holds"),
        ((4, 6), (2, 6), "holds in part"),
        ((4, 6), (5, 6), "does not hold"),
    ],
)
def test_8_bits(float32_ms: tuple[int, int], int8_ms: tuple[int, int], expected: str) -> None:
    measured = study(
        *(
            figures(name, variant, times[place])
            for place, name in enumerate(("mobilenet", "efficientnet"))
            for variant, times in ((FLOAT32, float32_ms), (INT8, int8_ms))
        )
    )
    assert verdicts(measured)[2] == expected


def test_quantisation_has_no_verdict_without_8_bits() -> None:
    assert verdicts(study(figures("mobilenet", FLOAT32, 4)))[2] == "cannot be told"


def test_emulated_devices_are_no_evidence() -> None:
    whole, half = usual("whole", emulated="all of it"), usual("half", 2.0, emulated="a quota")
    hardware, memory, _ = check_hypotheses([whole, half])
    assert (hardware.verdict, memory.verdict) == ("cannot be told", "cannot be told")
    assert hardware.figures[0] == "half takes 2.00 times as long as whole."
    assert "no evidence about newer hardware" in hardware.figures[1]
    assert "explains nothing" in memory.figures[-1]


OTHER = replace(MACHINE, processor="Slide rule, brass")


def test_an_emulated_one_first_is_not_what_real_ones_are_compared_with() -> None:
    emulated = usual("half", 3.0, emulated="a quota")
    other = replace(usual("Slide rule", 3.0), machine=OTHER)
    assert verdicts(emulated, other)[:2] == ["cannot be told", "cannot be told"]
    assert verdicts(emulated, usual(), other)[:2] == ["does not hold", "does not hold"]
    same = replace(usual("Slide rule"), machine=OTHER)
    hardware, memory, _ = check_hypotheses([emulated, usual(), same])
    assert (hardware.verdict, memory.verdict) == ("does not hold", "cannot be told")
    assert memory.figures[-1] == ("Slide rule: 8.0 GB, 2500 MHz, 1.00 times the time of Abacus.")


@pytest.mark.parametrize("slower", [1.0, 1.5], ids=["as fast", "slower by noise"])
def test_one_machine_twice_tells_nothing(slower: float) -> None:
    hardware, memory, _ = check_hypotheses([usual(), usual("again", slower)])
    assert (hardware.verdict, memory.verdict) == ("cannot be told", "cannot be told")
    assert "the same processor" in hardware.figures[-1]


def test_real_devices_are_told_apart() -> None:
    other = replace(usual("Slide rule", 3.0), machine=OTHER)
    hardware, memory, _ = check_hypotheses([usual(), other])
    assert (hardware.verdict, memory.verdict) == ("does not hold", "does not hold")
    assert "Memory and clock are the same" in memory.figures[-1]


def device(processor: str, slower: float) -> Study:
    return replace(usual(processor, slower), machine=replace(MACHINE, processor=processor))


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ((3.0, 1.0), "holds"),
        ((1.06, 1.0), "holds"),
        ((1.04, 1.0), "does not hold"),
        ((1.0, 1.0), "does not hold"),
        ((1.0, 3.0), "does not hold"),
        ((3.0, 2.0, 1.0), "holds"),
        ((3.0, 1.0, 2.0), "holds in part"),
        ((1.0, 2.0, 3.0), "does not hold"),
    ],
)
def test_newer_devices_are_those_that_were_given_later(
    times: tuple[float, ...], expected: str
) -> None:
    studies = [device(f"Abacus {place}", slower) for place, slower in enumerate(times)]
    hardware = check_hypotheses(studies)[0]
    assert hardware.verdict == expected
    assert "the oldest first" in hardware.figures[-1]
    pairs = len(times) * (len(times) - 1) // 2
    assert len(hardware.figures) == pairs + 1


def test_beside_an_emulated_one_real_ones_are_told_of() -> None:
    emulated = usual("half", 4.0, emulated="a quota")
    hardware = check_hypotheses([emulated, device("Old", 3.0), device("New", 1.5)])[0]
    assert hardware.verdict == "holds"
    assert "New takes 0.50 times as long as Old." in hardware.figures


@pytest.mark.parametrize(
    ("machine", "text"),
    [
        (replace(OTHER, memory_bytes=4_000_000_000), "4.0 GB, 2500 MHz"),
        (replace(OTHER, copied_gb_s=5.0), "8.0 GB, 2500 MHz"),
        (replace(OTHER, clock_mhz=1200.0), "8.0 GB, 1200 MHz"),
        (replace(OTHER, clock_mhz=None), "8.0 GB, clock not known"),
    ],
    ids=["less memory", "slower memory", "slower clock", "a clock that is not known"],
)
def test_memory_or_clock_that_differ_are_not_ruled_out(machine: Machine, text: str) -> None:
    memory = check_hypotheses([usual(), replace(usual("Slide rule", 3.0), machine=machine)])[1]
    assert memory.verdict == "cannot be told"
    assert memory.figures[-1] == f"Slide rule: {text}, 3.00 times the time of Abacus."


def test_other_processors_with_nothing_in_common_tell_nothing() -> None:
    other = study(figures("other", FLOAT32, 1), device="Slide rule", machine=OTHER)
    hardware, memory, _ = check_hypotheses([usual(), other])
    assert (hardware.verdict, memory.verdict) == ("cannot be told", "cannot be told")
    assert memory.figures[-1].endswith("nothing in common with Abacus.")


def test_devices_that_ran_nothing_in_common_have_no_ratio() -> None:
    assert compute_time_ratio(usual(), study(figures("other", FLOAT32, 1))) is None
    assert compute_time_ratio(usual(), usual("b", 2.5)) == pytest.approx(2.5)
    assert compute_speed_up(usual(), "mobilenet", "openvino") is None


def test_the_papers_comparison() -> None:
    known = {
        "front": replace(facts("front", "face"), macs=30_000_000, parameters=100_000),
        "mobilenet-ssd": replace(facts("mobilenet-ssd"), macs=98_000_000, parameters=3_000_000),
    }
    measured = study(
        figures("mobilenet-ssd", FLOAT32, 2.1), figures("front", FLOAT32, 0.7), networks=known
    )
    lines = compare_with_paper(measured)
    assert lines[0].startswith("mobilenet-ssd: 98.0 million multiplications")
    assert "2.10 ms against 0.70 ms, 3.0 times as long" in lines[2]
    assert "98.61 %" in lines[3]
    assert compare_with_paper(usual()) == []
