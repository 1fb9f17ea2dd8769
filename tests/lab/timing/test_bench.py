from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from phiz.image.lazy import LazyImage
from phiz.image.synthetic import draw_crowd
from phiz.lab.accuracy.gates import AccuracyChange
from phiz.lab.accuracy.labels import LEVELS, LabelledImage
from phiz.lab.timing import bench as module
from phiz.lab.timing.bench import (
    ModelMeasurement,
    NetworkMeasurement,
    can_replace_reference,
    choose_variant,
    iterate_thread_counts,
    measure_model,
    measure_network,
)
from phiz.lab.timing.networks import LoadedNetwork, read_networks
from phiz.models import catalog
from phiz.models.specs import ModelSpec, NetworkSpec, Precision
from phiz.runtime.variants import REFERENCE_VARIANT, Variant, get_version

CATALOG = catalog.load_catalog()
FLOAT32, BF16 = Variant("openvino", "float32"), Variant("openvino", "bf16")
INT8 = Variant("onnxruntime", "int8")
GOOD = AccuracyChange(1000, 1000, dict.fromkeys(LEVELS, 0.0))
BAD = AccuracyChange(1000, 900, dict.fromkeys(LEVELS, 0.0))
UNGATED = AccuracyChange(1000, 1000, {})


@pytest.fixture
def front() -> ModelSpec:
    return CATALOG.get_model("front")


@pytest.fixture
def network(front: ModelSpec, models_folder: Path) -> LoadedNetwork:
    (only,) = read_networks([front], models_folder)
    return only


@pytest.fixture
def onet(int8_folder: Path) -> LoadedNetwork:
    networks = read_networks([CATALOG.get_model("mtcnn")], int8_folder)
    return next(network for network in networks if network.spec.name == "onet")


def figures(network: LoadedNetwork, excess: float, *times_ms: float) -> NetworkMeasurement:
    variants = (REFERENCE_VARIANT, FLOAT32, BF16)
    times = {(variant, 1): time for variant, time in zip(variants, times_ms, strict=True)}
    times[FLOAT32, 2] = 0.1  # whatever two threads do, a request has one
    return NetworkMeasurement(
        "front", network.spec, times, {REFERENCE_VARIANT: 0, FLOAT32: excess, BF16: 1e4}
    )


def models(change: AccuracyChange) -> dict[Variant, ModelMeasurement]:
    return {
        variant: ModelMeasurement(1.0, change) for variant in (REFERENCE_VARIANT, FLOAT32, BF16)
    }


@pytest.mark.parametrize(
    ("excess", "change", "times_ms", "expected"),
    [
        pytest.param(0.5, GOOD, (3, 2, 1), BF16, id="all pass"),
        pytest.param(0.5, BAD, (3, 2, 1), FLOAT32, id="bf16 loses faces"),
        pytest.param(0.5, UNGATED, (3, 2, 1), FLOAT32, id="bf16 not gated"),
        pytest.param(1.1, UNGATED, (3, 2, 1), REFERENCE_VARIANT, id="no parity"),
        pytest.param(float("nan"), UNGATED, (3, 2, 1), REFERENCE_VARIANT, id="no numbers"),
        pytest.param(0.5, GOOD, (1, 2, 3), REFERENCE_VARIANT, id="the reference is fastest"),
    ],
)
def test_never_is_chosen_what_fails_its_gate(
    network: LoadedNetwork,
    excess: float,
    change: AccuracyChange,
    times_ms: tuple[float, ...],
    expected: Variant,
) -> None:
    measured = figures(network, excess, *times_ms)
    choice = choose_variant(measured, models(change))
    assert choice.variant == expected
    assert choice.sha256 == network.spec.sha256
    assert choice.version == get_version(expected.runtime)
    assert choice.reference_ms == times_ms[0]
    assert choice.median_ms == measured.median_ms[expected, 1]


@pytest.mark.parametrize(
    ("change", "expected", "precision"),
    [
        pytest.param(GOOD, INT8, "int8", id="passes"),
        pytest.param(BAD, REFERENCE_VARIANT, "float32", id="loses faces"),
    ],
)
def test_8_bits_are_judged_by_faces_and_chosen_with_their_file(
    onet: LoadedNetwork, change: AccuracyChange, expected: Variant, precision: Precision
) -> None:
    times = {(REFERENCE_VARIANT, 1): 3.0, (INT8, 1): 2.0}
    measured = NetworkMeasurement("mtcnn", onet.spec, times, {REFERENCE_VARIANT: 0, INT8: 1e4})
    models = {variant: ModelMeasurement(1.0, change) for variant in (REFERENCE_VARIANT, INT8)}
    choice = choose_variant(measured, models)
    assert choice.variant == expected
    assert choice.sha256 == onet.spec.with_precision(precision).sha256


def test_8_bits_are_measured_with_their_file(onet: LoadedNetwork) -> None:
    measured = measure_network(onet, [(REFERENCE_VARIANT, 1), (INT8, 1)], 1, [draw_crowd(320, 240)])
    assert measured.excess[REFERENCE_VARIANT] == 0
    assert measured.excess[INT8] > 100  # in units of 2.2e-6
    assert measured.median_ms[INT8, 1] > 0


def test_a_model_in_8_bits_is_held_against_the_reference(int8_folder: Path) -> None:
    images = [(LazyImage.from_array(draw_crowd(640, 480)), None)]
    measured = measure_model(CATALOG, int8_folder, "mtcnn", [REFERENCE_VARIANT, INT8], images)
    faces = measured[REFERENCE_VARIANT].change.faces
    assert measured[INT8].change.faces == faces
    assert 0.8 * faces <= measured[INT8].change.kept <= faces


def test_float32_is_judged_by_parity_alone(network: LoadedNetwork) -> None:
    assert can_replace_reference(figures(network, 1.0, 1, 1, 1), FLOAT32, models(BAD))


@dataclass(frozen=True, slots=True)
class Made:
    """A runtime, and its sessions, whose regressions are all of one length."""

    length_px: float

    def open(self, _card: NetworkSpec, _graph: bytes) -> "Made":
        return self

    def run(self, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        regressions = np.full((len(inputs), 1, 16), self.length_px)
        return {"regressions": regressions, "logits": np.zeros((len(inputs), 1))}


def test_a_network_is_measured_in_every_way(
    network: LoadedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths_px = {REFERENCE_VARIANT: 0.0, FLOAT32: 1e-4, BF16: -1.0}
    monkeypatch.setattr(module, "open_runtime", lambda variant, _: Made(lengths_px[variant]))
    ways = [
        (variant, threads) for variant in (REFERENCE_VARIANT, FLOAT32, BF16) for threads in (1, 2)
    ]
    measured = measure_network(network, ways, 2, [draw_crowd(320, 240)])
    assert list(measured.median_ms) == ways
    assert all(time_ms > 0 for time_ms in measured.median_ms.values())
    # In units of 2e-4 pixels.
    assert measured.excess == {
        REFERENCE_VARIANT: 0,
        FLOAT32: pytest.approx(0.5),
        BF16: pytest.approx(5000),
    }


def test_a_damaged_network_has_no_parity(
    network: LoadedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Off:
        def __init__(self, session: object) -> None:
            self.session = session

        def run(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
            outputs = self.session.run(inputs)  # type: ignore[attr-defined]
            return {name: array + np.float32(0.01) for name, array in outputs.items()}

    from phiz.runtime import openvino  # noqa: PLC0415  the module, to change it

    real = openvino.OpenVinoRuntime.open
    monkeypatch.setattr(openvino.OpenVinoRuntime, "open", lambda *given: Off(real(*given)))
    measured = measure_network(
        network, [(REFERENCE_VARIANT, 1), (FLOAT32, 1)], 1, [draw_crowd(320, 240)]
    )
    assert measured.excess[FLOAT32] > 1


def test_a_model_is_held_against_the_reference(models_folder: Path) -> None:
    crowd = draw_crowd(640, 480)
    reference = measure_model(
        CATALOG, models_folder, "back", [REFERENCE_VARIANT], [(LazyImage.from_array(crowd), None)]
    )
    assert reference[REFERENCE_VARIANT].change.faces > 10
    boxes = np.array([[0, 0, 10, 10]], np.float32)
    counted = {level: np.ones(1, bool) for level in LEVELS}
    label = LabelledImage(Path("unread"), boxes, counted, np.full((1, 5, 2), np.nan, np.float32))

    def pictures() -> Iterator[tuple[LazyImage, LabelledImage | None]]:
        yield LazyImage.from_array(crowd), label

    measured = measure_model(
        CATALOG, models_folder, "back", [REFERENCE_VARIANT, FLOAT32], pictures()
    )
    for each in measured.values():
        assert each.change.kept == each.change.faces == reference[REFERENCE_VARIANT].change.faces
        assert each.change.precision_loss == dict.fromkeys(LEVELS, 0.0)
        assert each.median_ms > 0


@pytest.mark.parametrize(
    ("available", "expected"), [(1, [1]), (2, [1, 2]), (3, [1, 2]), (8, [1, 2, 4, 8])]
)
def test_threads_double(available: int, expected: list[int]) -> None:
    assert list(iterate_thread_counts(available)) == expected
