import numpy as np
import pytest

from benchmarks.load.opened import EXPIRED, REFUSED, SUCCESS, WARM_UP_S, summarise_answers

UNTIL = WARM_UP_S + 2


def test_request_of_the_warm_up_does_not_count() -> None:
    answers = np.array([(0.0, 500.0), (0.5, 400.0), (1.0, 10.0), (1.5, 20.0), (2.0, 30.0)])
    found = summarise_answers({SUCCESS: answers}, 2, UNTIL, 0)
    assert (found.p50_ms, found.most_ms, found.rate) == (20, 30, 3 / 2)


def test_answer_after_the_last_request_is_no_part_of_the_rate() -> None:
    answers = np.array([(1.5, 10.0), (2.9, 99.0), (2.9, 101.0)])
    found = summarise_answers({SUCCESS: answers}, 2, UNTIL, 0)
    assert (found.rate, found.most_ms) == (2 / 2, 101)


def test_every_answer_is_counted_by_its_status() -> None:
    answers = {
        SUCCESS: np.array([(1.5, 10.0)]),
        REFUSED: np.array([(1.5, 1.0), (1.6, 3.0), (1.7, 2.0)]),
        EXPIRED: np.array([(1.5, 500.0)]),
    }
    found = summarise_answers(answers, 2, UNTIL, 0)
    assert (found.refused, found.refusal_ms, found.expired) == (3, 2, 1)
    assert found.refusal_p99_ms == pytest.approx(2.98)
    assert found.answered == 1


def test_refusals_take_no_time_if_there_are_none() -> None:
    found = summarise_answers({SUCCESS: np.array([(1.5, 10.0)])}, 2, UNTIL, 0.5)
    assert (found.refused, found.refusal_ms, found.expired, found.late_ms) == (0, 0, 0, 0.5)


@pytest.mark.parametrize("status", [REFUSED, EXPIRED])
def test_other_answers_have_no_part_in_the_times_of_those_with_success(status: str) -> None:
    answers = {SUCCESS: np.array([(1.5, 10.0)]), status: np.array([(1.5, 900.0)])}
    assert summarise_answers(answers, 2, UNTIL, 0).p99_ms == 10
