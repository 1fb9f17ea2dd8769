from collections.abc import Sequence

import pytest

from phiz.lab.study.networks import BuiltNetwork
from phiz.lab.study.selection import select_variants
from phiz.models import catalog
from phiz.runtime.variants import REFERENCE_VARIANT, Variant
from tests.lab.study.made import BF16, FLOAT32, INT8, OPENVINO, figures, quality

EIGHT_BITS = Variant("openvino", "int8")


def subject(name: str) -> BuiltNetwork:
    known = catalog.load_catalog()
    model, spec = next(
        (model, spec) for model in known.models for spec in model.networks if spec.name == name
    )
    return BuiltNetwork(model, spec, {each.precision: each for each in (spec, *spec.variants)})


def chosen(name: str, times_ms: dict[Variant, float], failing: Sequence[Variant] = ()) -> Variant:
    one = subject(name)
    assert set(one.variants) == set(times_ms)
    qualities = [
        quality(one.model.name, each, 0.5, passes=each not in failing, excess={name: 0.5})
        for each in times_ms
    ]
    timed = [figures(name, each, ms) for each, ms in times_ms.items()]
    choice = select_variants([one], timed, qualities)[name]
    assert choice.reference_ms == times_ms[REFERENCE_VARIANT]
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
    assert select_variants([subject("front")], [figures("front", FLOAT32, 1.0)], []) == {}
