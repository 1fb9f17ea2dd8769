from collections import Counter
from math import inf
from pathlib import Path

import pytest

from phiz.lab.study.networks import BuiltNetwork, find_networks
from phiz.lab.study.plan import Combination, Preset
from phiz.lab.study.timing import MIN_RUNS, RUNS_PER_TURN, interleave_runs, time_network
from phiz.models import catalog
from phiz.runtime.variants import Variant
from tests.lab.study.made import FLOAT32, INT8, OPENVINO

COMBINATIONS = [Combination("net", variant, 1, 1) for variant in (FLOAT32, INT8, OPENVINO)]


def test_interleaved_runs_are_all_done() -> None:
    runs = dict(zip(COMBINATIONS, (25, 5, 20), strict=True))
    found = list(interleave_runs(runs))
    counts: Counter[Combination] = Counter()
    for _, combination, count in found:
        assert 1 <= count <= RUNS_PER_TURN
        counts[combination] += count
    assert counts == runs


def test_interleaved_rounds_begin_with_another_combination() -> None:
    found = list(interleave_runs(dict.fromkeys(COMBINATIONS, 3 * RUNS_PER_TURN)))
    firsts = [
        next(combination for turn, combination, _ in found if turn == each) for each in range(3)
    ]
    assert firsts == COMBINATIONS


def find_network(name: str, folder: Path) -> BuiltNetwork:
    networks = find_networks(catalog.load_catalog().models, folder)
    return next(each for each in networks if each.spec.name == name)


@pytest.mark.parametrize(
    ("name", "variant"),
    [("front", FLOAT32), ("pnet", FLOAT32), ("rnet", OPENVINO), ("onet", INT8)],
)
def test_network_is_timed(name: str, variant: Variant, int8_folder: Path) -> None:
    combination = Combination(name, variant, 1, 1)
    preset = Preset(rounds=1, every=1, runs=7, plain_s=0.001, other_s=0.001, batches=(1,))
    network = find_network(name, int8_folder)
    (found,) = time_network(network, [combination], preset).values()
    assert len(found.run_us) in range(1, 8)
    assert all(time_us > 0 for time_us in found.run_us)
    assert found.processor_s > 0


def test_large_batches_take_longer_and_run_less(models_folder: Path) -> None:
    combinations = [Combination("front", FLOAT32, 1, batch) for batch in (1, 64)]
    preset = Preset(rounds=1, every=1, runs=30, plain_s=inf, other_s=0.001, batches=(1, 64))
    network = find_network("front", models_folder)
    one, many = time_network(network, combinations, preset).values()
    assert (len(one.run_us), len(many.run_us)) == (30, MIN_RUNS)
    assert min(many.run_us) > 4 * min(one.run_us)
