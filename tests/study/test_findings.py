from dataclasses import replace

import pytest

from phiz.study.findings import compare_with_paper, find, ratio_of, speed_up
from tests.study.made import FLOAT32, INT8, MACHINE, facts, figures, study, usual


def verdicts(*studies: object) -> list[str]:
    return [finding.verdict for finding in find(studies)]  # type: ignore[arg-type]


def test_one_device_tells_about_8_bits_alone() -> None:
    hardware, memory, quantisation = find([usual()])
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


def test_without_8_bits_nothing_is_told_of_them() -> None:
    assert verdicts(study(figures("mobilenet", FLOAT32, 4)))[2] == "cannot be told"


def test_emulated_devices_are_no_evidence_for_hardware() -> None:
    whole, half = usual("whole", emulated="all of it"), usual("half", 2.0, emulated="a quota")
    hardware, memory, _ = find([whole, half])
    assert hardware.verdict == "cannot be told"
    assert hardware.figures[0] == "half takes 2.00 times as long as whole."
    assert "no evidence about newer hardware" in hardware.figures[1]
    # Same memory, same clock, twice the time.
    assert memory.verdict == "does not hold"


def test_real_devices_are_told_apart() -> None:
    other = replace(usual("Slide rule", 3.0), machine=replace(MACHINE, memory_bytes=1_000_000))
    hardware, memory, _ = find([usual(), other])
    assert hardware.verdict == "holds in part"
    assert memory.verdict == "cannot be told"
    assert memory.figures[-1].endswith("3.00 times the time of Abacus.")


def test_devices_that_ran_nothing_in_common_have_no_ratio() -> None:
    assert ratio_of(usual(), study(figures("other", FLOAT32, 1))) is None
    assert ratio_of(usual(), usual("b", 2.5)) == pytest.approx(2.5)
    assert speed_up(usual(), "mobilenet", "openvino") is None


def test_the_papers_comparison() -> None:
    known = {
        "front": replace(facts("front", "face"), macs=30_000_000, parameters=100_000),
        "mobilenet-ssd": replace(facts("mobilenet-ssd"), macs=98_000_000, parameters=3_000_000),
    }
    measured = study(
        figures("mobilenet-ssd", FLOAT32, 2.1), figures("front", FLOAT32, 0.7), networks=known
    )
    told = compare_with_paper(measured)
    assert told[0].startswith("mobilenet-ssd: 98.0 million multiplications")
    assert "2.10 ms against 0.70 ms, 3.0 times as long" in told[2]
    assert "98.61 %" in told[3]
    assert compare_with_paper(usual()) == []
