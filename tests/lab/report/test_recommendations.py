import pytest

from phiz.lab.report.recommendations import (
    Candidate,
    describe_noise,
    find_best_within,
    find_pareto_front,
    find_simplest,
    iterate_best_within,
    list_candidates,
    recommend_variants,
)
from tests.lab.study.made import FLOAT32, INT8, OPENVINO, figures, quality, study, usual


def candidate(median_ms: float, answers: float, peak_bytes: int = 0) -> Candidate:
    return Candidate("net", FLOAT32, median_ms, answers, peak_bytes)


def test_each_goal_has_its_recommendation() -> None:
    told = {(each.group, each.goal): str(each.candidate) for each in recommend_variants(usual())}
    assert told == {
        ("classify", "lowest latency"): "mobilenet in onnxruntime int8",
        ("classify", "best answers"): "efficientnet in onnxruntime int8",
        ("classify", "smallest memory"): "mobilenet in onnxruntime float32",
        ("face", "lowest latency"): "front in onnxruntime float32",
        ("face", "best answers"): "front in onnxruntime float32",
        ("face", "smallest memory"): "front in onnxruntime float32",
    }


def test_variant_that_fails_its_gate_is_no_candidate() -> None:
    found = list_candidates(usual(), "face")
    assert [each.variant for each in found] == [FLOAT32]


def test_a_few_percent_decide_nothing() -> None:
    first, second, third = candidate(1.00, 1), candidate(0.96, 1), candidate(0.94, 1)
    assert find_simplest([first, second], lambda each: each.median_ms) == first
    assert find_simplest([first, third], lambda each: each.median_ms) == third


def test_noise_does_not_change_the_advice() -> None:
    def advised(factor: float) -> list[str]:
        measured = study(
            figures("mobilenet", FLOAT32, 4.0),
            figures("mobilenet", OPENVINO, 4.0 * factor),
            qualities=[quality("mobilenet", each, 0.85) for each in (FLOAT32, OPENVINO)],
        )
        return [str(each.candidate) for each in recommend_variants(measured)]

    assert advised(0.97) == advised(1.03)


def test_the_front_is_what_nothing_beats_in_both() -> None:
    fast, good = candidate(1, 0.8), candidate(3, 0.9)
    beaten, as_good = candidate(2, 0.7), candidate(4, 0.9)
    assert find_pareto_front([as_good, good, beaten, fast]) == [fast, good]
    assert find_pareto_front([]) == []


@pytest.mark.parametrize(("budget_ms", "expected"), [(0.5, None), (2, 0.8), (3, 0.9), (100, 0.9)])
def test_the_best_within_a_latency(budget_ms: float, expected: float | None) -> None:
    found = find_best_within([candidate(1, 0.8), candidate(3, 0.9), candidate(2, 0.7)], budget_ms)
    assert (found and found.accuracy) == expected


@pytest.mark.parametrize("base", [0.2, 0.9])
@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        pytest.param([0.0006], 0, id="0.0006 better"),
        pytest.param([0.0009], 0, id="0.0009 better"),
        pytest.param([0.0011], 1, id="0.0011 better"),
        pytest.param([0.0019], 1, id="0.0019 better"),
        pytest.param([-0.0019], 0, id="0.0019 worse"),
        pytest.param([0.0006, 0.0009], 0, id="all within a thousandth"),
        pytest.param([0.0006, 0.0012], 1, id="the first beyond a thousandth of the best"),
        pytest.param([0.0006, 0.0018], 2, id="both beyond a thousandth of the best"),
    ],
)
def test_slower_choice_is_worth_it_from_a_thousandth_more_right_answers(
    base: float, gains: list[float], expected: int
) -> None:
    found = [candidate(1 + index, base + gain) for index, gain in enumerate([0, *gains])]
    assert find_best_within(found, 100) == found[expected]


def test_growing_latencies_name_each_best_once() -> None:
    told = [(budget_ms, str(best)) for budget_ms, best in iterate_best_within(usual(), "classify")]
    assert told == [
        (2, "mobilenet in onnxruntime int8"),
        (3, "efficientnet in onnxruntime int8"),
    ]


def test_a_cascade_needs_the_memory_of_its_largest_network() -> None:
    measured = study(
        figures("pnet", FLOAT32, 10, peak_bytes=300),
        figures("pnet", INT8, 9, peak_bytes=500),
        figures("onet", FLOAT32, 2, peak_bytes=100),
        figures("onet", INT8, 1, peak_bytes=50),
        qualities=[
            quality("mtcnn", FLOAT32, 0.8, precisions=dict.fromkeys(("pnet", "onet"), "float32")),
            quality("mtcnn", INT8, 0.8, precisions={"pnet": "float32", "onet": "int8"}),
        ],
        networks={name: usual().networks["front"] for name in ("pnet", "onet")},
    )
    facts = {
        name: type(each)("mtcnn", each.group, each.sha256, each.file_bytes)
        for name, each in measured.networks.items()
    }
    cascade = type(measured)(
        **{
            **{name: getattr(measured, name) for name in measured.__dataclass_fields__},
            "networks": facts,
        }
    )
    found = list_candidates(cascade, "face")
    # P-Net was timed in 8 bits, but is not run in them: of it counts float32.
    assert [(each.variant, each.peak_bytes) for each in found] == [(FLOAT32, 300), (INT8, 300)]


def test_noise_is_said() -> None:
    assert describe_noise(usual()) == (
        "The machine was quiet enough. Of 16 visits, 0 do not count: they took over 10 % longer"
        " than the quietest of their kind. Of 8 times on one thread, 0 stand on a single visit."
        " The host gave 1.0% of the time away."
    )
    loud = study(
        *(figures(f"n{number}", FLOAT32, 1, (1.0, 1.5)) for number in range(4)),
        figures("calm", FLOAT32, 1, (1.0, 1.5, 1.05)),
    )
    assert describe_noise(loud).startswith("The machine was too noisy")
    assert "Of 11 visits, 5 do not count" in describe_noise(loud)
    few = ", ".join(f"n{number} onnxruntime float32, 1 thr., batch 1" for number in range(3))
    assert f"4 stand on a single visit ({few}, …)." in describe_noise(loud)
    assert describe_noise(study(figures("mobilenet", FLOAT32, 1, (1.0,)))).startswith(
        "There was one visit"
    )
