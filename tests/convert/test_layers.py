from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import TensorProto

from phiz.convert.conversion import convert_network
from phiz.convert.graph import Graph
from phiz.convert.layers import (
    Layer,
    add_channel_slice,
    add_conv,
    add_max_pool,
    add_pixel_conv,
    add_pooled_prelu,
    add_prelu,
    append_opposites,
    pad_channels,
    stack_layers,
)
from tests.conftest import NETWORKS

Array = NDArray[np.float32]

# Of each kind one: falling, flat, rising, the identity, and beyond it.
SLOPES = np.array([-1.25, -0.5, 0, 0.25, 1, 1.5], np.float32)
CHANNELS = len(SLOPES)


def answer(build: Callable[[Graph, str], str], x: Array, output: tuple[int | str, ...]) -> Array:
    """What a graph of one input gives."""
    graph = Graph("layers")
    given = graph.add_input("x", TensorProto.FLOAT, x.shape)
    graph.add_node("Identity", build(graph, given), output="y")
    graph.add_output("y", output)
    (y,) = ort.InferenceSession(graph.serialise()).run(None, {"x": x})
    assert isinstance(y, np.ndarray)
    return y


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def bent(x: Array) -> Array:
    """PReLU as the paper on it says (He et al. 2015, equation 1)."""
    bent: Array = np.where(x > 0, x, SLOPES[:, None, None] * x)
    return bent


def test_prelu_of_every_kind_of_slope() -> None:
    x = noise(2, CHANNELS, 3, 5)
    x[0, :, 0, 0] = 0
    found = answer(lambda graph, x: add_prelu(graph, x, SLOPES), x, x.shape)
    np.testing.assert_allclose(found, bent(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("side", [2, 3])
def test_prelu_after_the_pool_is_prelu_before_it(side: int) -> None:
    layer = noise(CHANNELS, 4, 1, 1), noise(CHANNELS)
    x = noise(2, 4, 11, 12)
    before = bent(np.einsum("mc,nchw->nmhw", layer[0][:, :, 0, 0], x) + layer[1][:, None, None])
    beyond = [(0, 0), (0, 0), (0, 2), (0, 2)]
    hanging = np.pad(before, beyond, constant_values=-np.inf)
    rows, columns = (-(-(size - side) // 2) + 1 for size in x.shape[2:])
    windows = sliding_window_view(hanging, (side, side), axis=(2, 3))[:, :, ::2, ::2]
    expected = windows[:, :, :rows, :columns].max(axis=(4, 5))

    def after(graph: Graph, x: str) -> str:
        pooled = add_max_pool(graph, add_conv(graph, x, append_opposites(layer, SLOPES)), side)
        return add_channel_slice(graph, add_pooled_prelu(graph, pooled, SLOPES), slice(0, CHANNELS))

    found = answer(after, x, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_opposites_follow_all_others() -> None:
    layer = noise(CHANNELS, 4, 3, 3), noise(CHANNELS)
    kernels, biases = append_opposites(layer, SLOPES)
    assert np.array_equal(kernels, np.concatenate([layer[0], -layer[0][:2]]))
    assert np.array_equal(biases, np.concatenate([layer[1], -layer[1][:2]]))


def test_pixels_are_convolved_where_they_lie() -> None:
    kernels, biases = layer = noise(4, 3, 2, 3), noise(4)  # (M, C, k, l)
    pixels = noise(2, 7, 9, 3)
    seen = sliding_window_view(pixels, (2, 3), axis=(1, 2))  # (N, h, w, C, k, l)
    expected = np.einsum("nhwckl,mckl->nmhw", seen, kernels) + biases[:, None, None]
    found = answer(lambda graph, x: add_pixel_conv(graph, x, layer), pixels, (2, 4, 6, 7))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("wanted", "shape"),
    [
        ({}, (3, 2, 1, 1)),
        ({"outputs": 5}, (5, 2, 1, 1)),
        ({"inputs": 4}, (3, 4, 1, 1)),
        ({"outputs": 8, "inputs": 8}, (8, 8, 1, 1)),
        ({"outputs": 1, "inputs": 1}, (3, 2, 1, 1)),
    ],
    ids=str,
)
def test_wider_channels_hold_zeros(wanted: dict[str, int], shape: tuple[int, ...]) -> None:
    layer: Layer = np.ones((3, 2, 1, 1), np.float32), np.ones(3, np.float32)
    kernels, biases = pad_channels(layer, **wanted)
    assert kernels.shape == shape
    assert biases.shape == shape[:1]
    assert np.array_equal(kernels[:3, :2], layer[0])
    assert np.array_equal(biases[:3], layer[1])
    assert (kernels.sum(), biases.sum()) == (6, 3)


def test_stacked_layers_give_their_outputs_in_order() -> None:
    one: Layer = np.ones((1, 2), np.float32), np.array([3], np.float32)
    two: Layer = np.zeros((2, 2), np.float32), np.array([4, 5], np.float32)
    matrix, bias = stack_layers(one, two)
    assert matrix.tolist() == [[1, 1], [0, 0], [0, 0]]
    assert bias.tolist() == [3, 4, 5]


@pytest.mark.parametrize("name", ["pnet", "rnet", "onet"])
def test_blocked_layout_lasts_between_convolutions(
    source_of: Callable[[str], bytes], name: str
) -> None:
    spec = next(spec for spec in NETWORKS if spec.name == name)
    graph = onnx.load_from_string(convert_network(spec, source_of(name))).graph
    kinds = [node.op_type for node in graph.node]
    first = kinds.index("Conv")
    last = len(kinds) - kinds[::-1].index("Conv")
    assert set(kinds[first:last]) == {"Add", "Conv", "MaxPool", "Relu"}
    # Every convolution of many inputs fills blocks of 8 at both ends; the last feeds no other.
    weights = {constant.name: constant.dims for constant in graph.initializer}
    kernels = [weights[node.input[1]] for node in graph.node if node.op_type == "Conv"]
    inner = [(outputs, inputs) for outputs, inputs, *_ in kernels[1:-1] if inputs > 1]
    assert [pair for pair in inner if pair[0] % 8 or pair[1] % 8] == []
    assert kernels[0][0] % 8 == 0
    assert len(inner) >= 2
