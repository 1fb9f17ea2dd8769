from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from phiz.convert.graph import Graph
from phiz.convert.size import NetworkSize, measure_size


def graph(kernels: np.ndarray, side: int | str = 4) -> bytes:
    made = Graph("made")
    image = made.add_input("image", TensorProto.FLOAT, ("batch", kernels.shape[1], side, side))
    constants = made.add_constant(kernels), made.add_constant(np.ones(len(kernels), np.float32))
    x = made.add_node("Conv", image, *constants, kernel_shape=kernels.shape[2:])
    made.add_output("y", ("batch", len(kernels)))
    made.add_node("Flatten", made.add_node("GlobalAveragePool", x), output="y")
    return made.serialise()


def test_every_place_of_the_answer_costs_a_kernel() -> None:
    # 2 × 2 places, 5 kernels of 3 × 3 × 3 each, and 5 biases
    size = measure_size(graph(np.ones((5, 3, 3, 3), np.float32)))
    assert size == NetworkSize(macs=4 * 5 * 27, parameters=5 * 27 + 5)


def test_channels_of_zeros_cost_nothing() -> None:
    kernels = np.ones((5, 3, 3, 3), np.float32)
    kernels[4] = kernels[:, 2] = 0
    kernels[0, 0, 0, 0] = 0  # but a single 0 does
    assert measure_size(graph(kernels)) == NetworkSize(macs=4 * 4 * 18, parameters=4 * 18 + 5)


def test_network_of_any_size_has_no_cost_of_a_picture() -> None:
    assert measure_size(graph(np.ones((5, 3, 3, 3), np.float32), side="side")) is None


@pytest.mark.parametrize(
    ("name", "millions"), [("front", 30.8), ("back", 188.75), ("full", 105.7), ("onet", 13.1)]
)
def test_face_models_are_as_large_as_they_were_published(
    name: str, millions: float, models_folder: Path
) -> None:
    size = measure_size((models_folder / f"{name}.onnx").read_bytes())
    assert size is not None
    assert size.macs / 1e6 == pytest.approx(millions, abs=0.05)
