import random
from collections.abc import Mapping, Sequence

import pytest

from benchmarks.endurance.mixture import ANSWERED, REFUSED, choose_request, encode_images
from benchmarks.endurance.service import Endurance, Usage
from benchmarks.kit.service import ProcessUsage, find_decreased, sum_samples

COUNT = 2000
STEADY = {
    "service": ProcessUsage(50, 20, 2),
    "worker 0": ProcessUsage(80, 10, 3),
    "worker 1": ProcessUsage(90, 10, 3),
}


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  nothing is secret here


def seen(
    last: Usage,
    statuses: Mapping[str, int] | None = None,
    left: Mapping[str, float] | None = None,
    before: Sequence[Usage] = (STEADY,) * 3,
) -> Endurance:
    return Endurance(1000, 10.0, [*before, last], statuses or {"200": 990}, left or {"a": 0.0})


def test_constant_usage_is_no_problem() -> None:
    assert seen(STEADY).list_problems(5) == []


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param(
            STEADY | {"service": ProcessUsage(52.6, 20, 2)},
            ["the memory of service grew by 5.2 % in the last half"],
            id="service",
        ),
        pytest.param(
            STEADY | {"worker 1": ProcessUsage(100, 10, 3)},
            [
                "the memory of worker 1 grew by 11.11 % in the last half",
                "the memory of worker 1 grew by 11.11 % since the first tenth",
            ],
            id="worker",
        ),
        pytest.param(
            STEADY | {"service": ProcessUsage(50, 22, 3)},
            ["2 files are left over", "1 threads are left over"],
            id="files-and-threads",
        ),
    ],
)
def test_growing_usage_is_a_problem(last: Usage, expected: list[str]) -> None:
    assert seen(last).list_problems(5) == expected


def test_growth_before_the_last_half_is_a_problem_too() -> None:
    grown = STEADY | {"service": ProcessUsage(56, 20, 2)}
    before = [STEADY, STEADY, grown, grown, grown]
    assert seen(grown, before=before).list_problems(5) == [
        "the memory of service grew by 12 % since the first tenth"
    ]


def test_unexpected_statuses_and_unfinished_requests_are_problems() -> None:
    last = seen(STEADY, {"200": 9, "500 unexpected": 1}, {"phiz_inflight_requests": 2.0, "b": 0.0})
    assert last.list_problems(5) == ["status 500 unexpected", "phiz_inflight_requests is 2"]


def test_requests_are_of_all_kinds_and_the_same_for_a_seed() -> None:
    images = encode_images(seeded(1), 64)
    first, again = (
        [choose_request(chance, images) for _ in range(COUNT)] for chance in (seeded(2), seeded(2))
    )
    assert first == again
    cut = [request for request in first if request.sent_bytes is not None]
    refused = [request for request in first if request.allowed == REFUSED]
    answered = [request for request in first if request.allowed == ANSWERED]
    assert len(cut) + len(refused) + len(answered) == COUNT
    assert 0.002 < len(cut) / COUNT < 0.03
    assert 0.002 < len(refused) / COUNT < 0.03
    for piece in (
        b"/detect/batch",
        b"transfer-encoding: chunked",
        b"?model=",
        b"boundary",
        b"mtcnn",
    ):
        assert any(piece in request.message[:400] for request in answered), piece


def test_only_counters_can_decrease() -> None:
    one, two = frozenset({("model", "front")}), frozenset({("model", "back")})
    before = {
        ("a_total", one): 3.0,
        ("a_total", two): 1.0,
        ("gauge", one): 9.0,
        ("b_sum", one): 1.0,
    }
    assert find_decreased(before, {**before, ("gauge", one): 1.0}) == []
    assert find_decreased(before, {**before, ("a_total", two): 0.0}) == ["a_total"]
    assert find_decreased(before, {("a_total", one): 3.0, ("a_total", two): 1.0}) == ["b_sum"]
    assert sum_samples(before, "a_total") == 4
