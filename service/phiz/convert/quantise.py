"""A float graph with its middle in 8 bits: the same operators between rounded tensors.

A tensor that is to be in 8 bits is followed by a ``QuantizeLinear`` and a
``DequantizeLinear``, and weights by the latter; a runtime puts its 8-bit kernels in place of
what stands between two of them. Activations are uint8 with a zero point and weights int8
without one, a step for each output: the pair that x86 has an instruction for.

The last layers stay in float32, because the places of a box are more than 256; of a classifier
only the logits do. MTCNN's and the classifiers' first layers do too: 8 bits are slower where there
are few channels to add up and many pixels. A first layer that takes every other pixel, as bytes,
becomes one of blocks of 2 x 2 pixels with 12 channels, whose 8 bits are faster.

Formulas: ONNX operators ``QuantizeLinear`` and ``DequantizeLinear``.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from phiz.convert.graph import serialise_model
from phiz.errors import ConversionError
from phiz.models.specs import Architecture

Ranges: TypeAlias = Mapping[str, tuple[float, float]]
"""The least and the largest value of a tensor, by its name."""

LAYERS: Final = frozenset({"Conv", "Gemm"})
RECTIFIERS: Final = frozenset({"Clip", "Relu"})
QUANTISED_OPERATORS: Final = LAYERS | RECTIFIERS | {"Add", "Concat", "GlobalAveragePool"}
# Their outputs keep the steps of their inputs; otherwise a runtime computes them in float32.
RANGE_PRESERVING: Final = frozenset({"DepthToSpace", "Flatten", "MaxPool", "Resize"})
ACTIVATION_LEVELS: Final = 255
WEIGHT_LEVELS: Final = 127  # to either side of 0
FOLDED_ATTRIBUTES: Final = {
    "group": 1,
    "kernel_shape": [3, 3],
    "pads": [1, 1, 1, 1],
    "strides": [2, 2],
}
"""Of a first layer that can be one of blocks of 2 x 2 pixels."""
INT32_RANGE: Final = (-(2**31), 2**31 - 1)

# The operator of the first tensor in 8 bits, and how many of its kind come before.
FIRST_QUANTISED: Final[Mapping[Architecture, tuple[str, int]]] = {
    "blazeface": ("Add", 0),  # the normalised image
    "pnet": ("Add", 1),
    "rnet": ("MaxPool", 0),
    "onet": ("MaxPool", 0),
    "yunet": ("Relu", 0),
    "centerface": ("Relu", 0),
    "mobilenet": ("Clip", 1),  # after the first depthwise layer
    "efficientnet": ("Clip", 1),
}


def find_quantised_tensors(graph: bytes, architecture: Architecture) -> list[str]:
    """Return the tensors of a float graph whose ranges are needed, in the graph's order.

    Args:
        graph: As the conversion gives it.
        architecture: Of the network.
    """
    nodes = onnx.load_from_string(graph).graph.node
    kind, before = FIRST_QUANTISED[architecture]
    first = [node.output[0] for node in nodes if node.op_type == kind][before]
    after = {first}
    for node in nodes:
        if after & {*node.input}:
            after |= {*node.output}
    leading: set[str] = set()  # to a further layer
    for node in reversed(nodes):
        if node.op_type in LAYERS or leading & {*node.output}:
            leading |= {*node.input}
    kinds = {node.output[0]: node.op_type for node in nodes}
    return [
        name
        for name, kind in kinds.items()
        if name == first
        or (
            kind in QUANTISED_OPERATORS
            and name in after & leading
            and _find_rectified(name, nodes) == name
        )
    ]


def quantise_graph(graph: bytes, ranges: Ranges, *, last: bool = False) -> bytes:
    """Return a float graph with these tensors, and the layers between them, in 8 bits.

    A first layer of bytes that takes every other pixel is in 8 bits too.

    Args:
        graph: As the conversion gives it.
        ranges: Of ``find_quantised_tensors``.
        last: Whether the weights of the layers that give an output are to be in 8 bits too.

    Raises:
        ConversionError: The graph has no such tensor, or is not valid with it in 8 bits.
    """
    model = onnx.load_from_string(graph)
    byte_ranges = _fold_pixel_blocks(model.graph)
    tensors = {node.output[0] for node in model.graph.node}
    if unknown := sorted(ranges.keys() - tensors):
        raise ConversionError(f"{model.graph.name} has no tensor {', '.join(unknown)}")
    _GraphQuantiser(
        model.graph, _propagate_ranges({**ranges, **byte_ranges}, model.graph.node), last=last
    ).replace_nodes()
    return serialise_model(model)


def compute_scale_and_zero_point(low: float, high: float) -> tuple[np.float32, np.uint8]:
    """Return the step of a uint8 that covers a range and 0, and which uint8 stands for 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return np.float32(1), np.uint8(0)
    step = np.float32((high - low) / ACTIVATION_LEVELS)
    return step, np.uint8(np.rint(-low / np.float64(step)))


def quantise_weights(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return weights (M, …) as int8, and the step (M,) of each output's."""
    rows = weights.reshape(len(weights), -1).astype(np.float64)  # (M, K)
    largest = np.abs(rows).max(axis=1)  # (M,)
    # Channels that only fill a block are all zeros, and so would be their steps.
    steps = np.where(largest == 0, 1, largest / WEIGHT_LEVELS).astype(np.float32)  # (M,)
    rounded = np.rint(rows / steps[:, None]).clip(-WEIGHT_LEVELS, WEIGHT_LEVELS)  # (M, K)
    return rounded.astype(np.int8).reshape(weights.shape), steps


def _fold_pixel_blocks(graph: onnx.GraphProto) -> Ranges:
    """Replace a first layer of every other pixel by one of blocks of 2 x 2 pixels.

    It must be a convolution of 3 x 3 bytes with a margin of 1. The same sums are a convolution of
    2 x 2 blocks, with zeros for the pixels that it does not see.

    Returns:
        The range of the bytes, which are exact in 8 bits; empty without such a layer.
    """
    casts = [place for place, node in enumerate(graph.node) if node.op_type == "Cast"]
    if len(casts) != 1:
        return {}
    cast = graph.node[casts[0]]
    layers = [node for node in graph.node if cast.output[0] in node.input]
    if len(layers) != 1 or layers[0].op_type != "Conv":
        return {}
    layer = layers[0]
    attributes = {each.name: helper.get_attribute_value(each) for each in layer.attribute}
    if {"group": 1, **attributes} != FOLDED_ATTRIBUTES:
        return {}
    weights = next(array for array in graph.initializer if array.name == layer.input[1])
    weights.CopyFrom(
        numpy_helper.from_array(fold_kernels(numpy_helper.to_array(weights)), weights.name)
    )
    blocks = helper.make_node("SpaceToDepth", [cast.input[0]], [f"{cast.input[0]}.blocks"])
    blocks.attribute.append(helper.make_attribute("blocksize", 2))
    cast.input[0] = blocks.output[0]
    del layer.attribute[:]
    # A layer begins one block before the first. The last row of blocks is its last.
    for name, value in {"kernel_shape": [2, 2], "pads": [1, 1, 0, 0]}.items():
        layer.attribute.append(helper.make_attribute(name, value))
    graph.node.insert(casts[0], blocks)
    return {cast.output[0]: (0.0, float(ACTIVATION_LEVELS))}


def fold_kernels(kernels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return kernels (M, C, 3, 3) of every other pixel as kernels (M, 4C, 2, 2) of blocks.

    The channels of a block are those of its pixels in turn, as ``SpaceToDepth`` writes them.
    """
    outputs, channels, _, _ = kernels.shape
    # The margin is one pixel, so the first row and column of the first block are not seen.
    padded = np.pad(kernels, ((0, 0), (0, 0), (1, 0), (1, 0)))  # (M, C, 4, 4)
    blocks = padded.reshape(outputs, channels, 2, 2, 2, 2)  # block, pixel along y, then along x
    return blocks.transpose(0, 3, 5, 1, 2, 4).reshape(outputs, 4 * channels, 2, 2)


def keep_channel_sums(
    rounded: NDArray[np.int8], kernels: NDArray[np.float32], steps: NDArray[np.float32]
) -> NDArray[np.int8]:
    """Return rounded kernels (M, 12, 2, 2) of blocks whose sums over a colour are the nearest.

    Pixels are far from 0 on average, and neighbours alike. Errors that add up would shift the
    output, so as many weights as needed are rounded the other way, those first that are nearest to
    it.

    Args:
        rounded: The kernels in steps, each rounded to the nearest.
        kernels: The kernels of ``fold_kernels``.
        steps: (M,).
    """
    shape = len(kernels), 4, -1, 4  # outputs, pixels of a block, colours, blocks
    exact = kernels.astype(np.float64) / steps[:, None, None, None]
    by_colour = (exact - rounded).reshape(shape).swapaxes(1, 2)  # (M, C, 4, 4)
    errors = by_colour.reshape(*by_colour.shape[:2], -1)  # (M, C, 16)
    excess = np.rint(errors.sum(axis=2, keepdims=True))  # (M, C, 1)
    ranks = (-errors * np.sign(excess)).argsort(axis=2, kind="stable").argsort(axis=2)
    moved = np.where(ranks < np.abs(excess), np.sign(excess), 0)  # (M, C, 16)
    moves = moved.reshape(by_colour.shape).swapaxes(1, 2).reshape(rounded.shape)
    return (rounded + moves).astype(np.int8)


class _GraphQuantiser:
    """The nodes and constants that take the place of a float graph's."""

    def __init__(self, graph: onnx.GraphProto, ranges: Ranges, *, last: bool) -> None:
        self._graph = graph
        self._ranges = ranges
        self._last = {output.name for output in graph.output} if last else set()
        self._floats = {array.name: numpy_helper.to_array(array) for array in graph.initializer}
        self._producers = {node.output[0]: node for node in graph.node}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def replace_nodes(self) -> None:
        """Replace the nodes and constants of the graph."""
        for node in self._graph.node:
            self._add_node(node)
        used = {name for node in self._nodes for name in node.input}
        kept = [array for array in self._graph.initializer if array.name in used]
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend([*kept, *self._constants])

    def _add_node(self, node: onnx.NodeProto) -> None:
        """Add a node of the float graph, between rounded tensors where they are to be."""
        image, output = node.input[0], node.output[0]
        if node.op_type == "Cast" and output in self._ranges:  # of bytes
            step, zero = compute_scale_and_zero_point(*self._ranges[output])
            constants = (
                self._add_constant(f"{output}.step", step),
                self._add_constant(f"{output}.zero", zero),
            )
            self._append_node("DequantizeLinear", [image, *constants], _name_dequantised(output))
            return
        inputs = [_name_dequantised(name) if name in self._ranges else name for name in node.input]
        if image in self._ranges and self._is_quantised(node):
            step, _ = compute_scale_and_zero_point(*self._ranges[image])
            has_pixels = self._producers[image].op_type == "Cast"
            inputs[1:] = self._quantise_layer(step, *node.input[1:], has_pixels=has_pixels)
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[:] = inputs
        self._nodes.append(copy)
        if output in self._ranges:
            self._quantise_tensor(output)

    def _is_quantised(self, layer: onnx.NodeProto) -> bool:
        result = _find_rectified(layer.output[0], self._graph.node)
        return layer.op_type in LAYERS and (result in self._ranges or result in self._last)

    def _quantise_tensor(self, name: str) -> None:
        step, zero = compute_scale_and_zero_point(*self._ranges[name])
        node = self._producers[name]
        before, written = name, zero
        if node.op_type == "MaxPool" and node.input[0] not in self._ranges:
            # onnxruntime would round before the pool, which is then far slower than in float32
            # and takes the layer before it out of its layout. It does not look past an Add, of
            # what makes the least value 0.
            before, written = f"{name}.raised", np.uint8(0)
            self._append_node("Add", [name, self._add_constant(f"{name}.low", step * zero)], before)
        steps = self._add_constant(f"{name}.step", step)
        rounded = f"{name}.rounded"
        self._append_node(
            "QuantizeLinear",
            [before, steps, self._add_constant(f"{name}.written", written)],
            rounded,
        )
        zeros = self._add_constant(f"{name}.zero", zero)
        self._append_node("DequantizeLinear", [rounded, steps, zeros], _name_dequantised(name))

    def _quantise_layer(
        self, image_step: np.float32, weights: str, bias: str = "", *, has_pixels: bool
    ) -> list[str]:
        rounded, steps = quantise_weights(self._floats[weights])
        if has_pixels:
            rounded = keep_channel_sums(rounded, self._floats[weights], steps)
        layer = [self._add_dequantised_constant(weights, rounded, steps)]
        if bias:
            # Products of rounded numbers are counted in products of their steps.
            products = (steps.astype(np.float64) * np.float64(image_step)).astype(np.float32)
            sums = np.rint(self._floats[bias].astype(np.float64) / products)
            layer.append(
                self._add_dequantised_constant(
                    bias, sums.clip(*INT32_RANGE).astype(np.int32), products
                )
            )
        return layer

    def _add_dequantised_constant(
        self, name: str, rounded: NDArray[np.signedinteger], steps: NDArray[np.float32]
    ) -> str:
        inputs = [
            self._add_constant(f"{name}.rounded", rounded),
            self._add_constant(f"{name}.step", steps),
            self._add_constant(f"{name}.zero", np.zeros(len(steps), rounded.dtype)),
        ]
        self._append_node("DequantizeLinear", inputs, _name_dequantised(name), axis=0)
        return _name_dequantised(name)

    def _add_constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _append_node(
        self, operator: str, inputs: Sequence[str], output: str, axis: int | None = None
    ) -> None:
        # helper leaves out an attribute that is None.
        self._nodes.append(helper.make_node(operator, inputs, [output], output, axis=axis))


def _name_dequantised(name: str) -> str:
    return f"{name}.restored"


def _find_rectified(name: str, nodes: Collection[onnx.NodeProto]) -> str:
    """Return what a Relu or Clip makes of a tensor if nothing else uses it, or else the tensor.

    A uint8 is clipped to its range by itself: with it they cost nothing.
    """
    users = [node for node in nodes if name in node.input]
    if len(users) != 1 or users[0].op_type not in RECTIFIERS:
        return name
    return str(users[0].output[0])


def _propagate_ranges(ranges: Ranges, nodes: Collection[onnx.NodeProto]) -> Ranges:
    """Return the ranges with those of what only moves or chooses values."""
    all_ranges = dict(ranges)
    for node in nodes:
        if node.op_type in RANGE_PRESERVING and node.input[0] in all_ranges:
            all_ranges.setdefault(node.output[0], all_ranges[node.input[0]])
    return all_ranges
