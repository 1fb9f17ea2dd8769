from collections.abc import Sequence

import pytest

from phiz.lab.study.networks import Subject
from phiz.lab.study.selection import choose
from phiz.models import catalog
from phiz.runtime.variants import REFERENCE, Variant
from tests.lab.study.made import BF16, FLOAT32, INT8, OPENVINO, figures, quality

EIGHT_BITS = Variant("openvino", "int8")


def subject(name: str) -> Subject:
    known = catalog.load()
    model, card = next(
        (model, card) for model in known.models for card in model.networks if card.name == name
    )
    return Subject(model, card, {each.form: each for each in (card, *card.variants)})


def chosen(name: str, times_ms: dict[Variant, float], failing: Sequence[Variant] = ()) -> Variant:
    one = subject(name)
    assert set(one.variants) == set(times_ms)
    qualities = [
        quality(one.model.name, each, 0.5, passes=each not in failing, excess={name: 0.5})
        for each in times_ms
    ]
    timed = [figures(name, each, ms) for each, ms in times_ms.items()]
    choice = choose([one], timed, qualities)[name]
    assert choice.reference_ms == times_ms[REFERENCE]
    assert choice.median_ms == times_ms[choice.variant]
    return choice.variant


@pytest.mark.parametrize(
    ("rounded_ms", "failing", "expected"),
    [(2.0, [], INT8), (2.0, [INT8], FLOAT32), (3.9, [], FLOAT32)],
    ids=["faster", "loses its gate", "not worth it"],
)
def test_a_classifier_runs_in_8_bits_if_that_is_worth_it(
    rounded_ms: float, failing: Sequence[Variant], expected: Variant
) -> None:
    # OpenVINO is faster than either, and classifiers do not run in it.
    times_ms = {FLOAT32: 4.0, OPENVINO: 1.0, BF16: 1.0, INT8: rounded_ms, EIGHT_BITS: 1.0}
    assert chosen("efficientnet", times_ms, failing) == expected


def test_a_face_model_runs_in_what_is_offered_and_passes() -> None:
    times_ms = {FLOAT32: 4.0, OPENVINO: 3.0, BF16: 2.0, INT8: 1.0, EIGHT_BITS: 1.0}
    assert chosen("front", times_ms) == BF16  # 8 bits of it are not offered
    assert chosen("front", times_ms, [BF16]) == OPENVINO
    assert chosen("onet", times_ms) == INT8


def test_what_was_not_judged_is_not_chosen_for() -> None:
    assert choose([subject("front")], [figures("front", FLOAT32, 1.0)], []) == {}
