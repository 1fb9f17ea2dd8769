from collections.abc import Sequence
from math import nan
from pathlib import Path

import pytest

from phiz.lab.study.networks import BuiltNetwork
from phiz.lab.study.selection import select_variants
from phiz.models import catalog
from phiz.runtime.variants import REFERENCE_VARIANT, Variant, get_version
from tests.lab.study.made import BF16, FLOAT32, INT8, OPENVINO, figures, quality

EIGHT_BITS = Variant("openvino", "int8")


def find_network(name: str) -> BuiltNetwork:
    known = catalog.load_catalog()
    model, spec = next(
        (model, spec) for model in known.models for spec in model.networks if spec.name == name
    )
    return BuiltNetwork(
        model, spec, {each.precision: each for each in (spec, *spec.variants)}, Path()
    )


def choose(
    name: str,
    times_ms: dict[Variant, float],
    failing: Sequence[Variant] = (),
    excess: float = 0.5,
) -> Variant:
    one = find_network(name)
    assert set(one.variants) == set(times_ms)
    qualities = [
        quality(one.model.name, each, 0.5, passes=each not in failing, excess={name: excess})
        for each in times_ms
    ]
    timed = [figures(name, each, ms) for each, ms in times_ms.items()]
    # Several threads and batches decide nothing.
    timed += [figures(name, OPENVINO, 0.1, threads=2), figures(name, OPENVINO, 0.1, batch=4)]
    choice = select_variants([one], timed, qualities)[name]
    assert choice.reference_ms == times_ms[REFERENCE_VARIANT]
    assert choice.median_ms == times_ms[choice.variant]
    assert choice.sha256 == one.spec.with_precision(choice.variant.network_precision).sha256
    assert choice.version == get_version(choice.variant.runtime)
    return choice.variant


@pytest.mark.parametrize(
    ("rounded_ms", "failing", "expected"),
    [(2.0, [], INT8), (2.0, [INT8], FLOAT32), (3.9, [], FLOAT32)],
    ids=["faster", "loses its gate", "not worth it"],
)
def test_classifier_runs_in_8_bits_if_that_is_faster(
    rounded_ms: float, failing: Sequence[Variant], expected: Variant
) -> None:
    # OpenVINO is faster than either, and classifiers do not run in it.
    times_ms = {FLOAT32: 4.0, OPENVINO: 1.0, BF16: 1.0, INT8: rounded_ms, EIGHT_BITS: 1.0}
    assert choose("efficientnet", times_ms, failing) == expected


def test_face_model_runs_in_an_offered_variant_that_passes() -> None:
    times_ms = {FLOAT32: 4.0, OPENVINO: 3.0, BF16: 2.0, INT8: 1.0, EIGHT_BITS: 1.0}
    assert choose("front", times_ms) == BF16  # 8 bits of it are not offered
    assert choose("front", times_ms, [BF16]) == OPENVINO
    assert choose("onet", times_ms) == INT8


@pytest.mark.parametrize(
    ("excess", "expected"),
    [(1.0, OPENVINO), (1.1, FLOAT32), (nan, FLOAT32)],
    ids=["parity", "no parity", "no numbers"],
)
def test_float32_is_judged_by_numbers_alone(excess: float, expected: Variant) -> None:
    times_ms = {FLOAT32: 4.0, OPENVINO: 3.0, BF16: 2.0, INT8: 1.0, EIGHT_BITS: 1.0}
    assert choose("front", times_ms, list(times_ms), excess) == expected


def test_network_without_quality_has_no_choice() -> None:
    assert select_variants([find_network("front")], [figures("front", FLOAT32, 1.0)], []) == {}
