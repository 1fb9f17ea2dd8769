"""A convolution as numbers, equivalent forms of it, and the number of its channels.

Kernels are (M, C, h, w): outputs, inputs, rows, columns. A depthwise convolution has one
input for each output, (M, 1, h, w).
"""

from dataclasses import dataclass, replace
from itertools import permutations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phiz.convert.graph import Graph
from phiz.convert.tflite_file import Operator, TfliteNetwork
from phiz.errors import ConversionError

PADDING_SAME: Final = 0  # tflite Padding; the other is VALID
# onnxruntime computes convolutions on channels in blocks as long as a vector register: 16 float32
# of AVX-512, 8 of AVX2. A depthwise convolution whose channels do not fill whole blocks falls back
# to rows and columns, and everything is reordered before and after it.
BLOCK_CHANNELS: Final = 16


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """The steps of a window over an image.

    Attributes:
        strides: Rows, columns.
        pads: Rows above, columns left, rows below, columns right of the image.
    """

    strides: tuple[int, int]
    pads: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Convolution:
    """One layer.

    Attributes:
        kernels: (M, C, h, w), or (M, 1, h, w) if depthwise.
        biases: (M,).
        window: Of the kernels' window.
        is_depthwise: Whether every output sees only the input of its own number.
    """

    kernels: NDArray[np.float32]
    biases: NDArray[np.float32]
    window: SlidingWindow
    is_depthwise: bool

    @property
    def outputs(self) -> int:
        """The number of output channels."""
        return len(self.biases)

    @property
    def inputs(self) -> int:
        """The number of input channels."""
        return self.outputs if self.is_depthwise else self.kernels.shape[1]


def read_convolution(network: TfliteNetwork, operator: Operator) -> Convolution:
    """Return the layer that an operator stands for.

    Raises:
        ConversionError: It is dilated, or depthwise with more outputs than inputs.
    """
    options = operator.options
    if options["DilationHFactor"] != 1 or options["DilationWFactor"] != 1:
        raise ConversionError(f"a dilated {operator.kind} is not supported")
    if options.get("DepthMultiplier", 1) != 1:
        raise ConversionError(
            "a depthwise convolution with more outputs than inputs is not supported"
        )
    _, kernels, biases = operator.inputs
    is_depthwise = operator.kind == "DEPTHWISE_CONV_2D"
    axes = (3, 0, 1, 2) if is_depthwise else (0, 3, 1, 2)  # from (1, h, w, M) or (M, h, w, C)
    channels_first = network.get_constant(kernels).transpose(axes).astype(np.float32)
    _, _, rows, columns = channels_first.shape
    return Convolution(
        kernels=channels_first,  # (M, 1, h, w) or (M, C, h, w)
        biases=network.get_constant(biases).astype(np.float32),
        window=read_window(network, operator, (rows, columns)),
        is_depthwise=is_depthwise,
    )


def read_window(
    network: TfliteNetwork, operator: Operator, window_hw: tuple[int, int]
) -> SlidingWindow:
    """Return how an operator's window goes over its first input."""
    _, *size_hw, _ = network.shapes[operator.inputs[0]]
    strides = operator.options["StrideH"], operator.options["StrideW"]
    if operator.options["Padding"] != PADDING_SAME:
        return SlidingWindow(strides, (0, 0, 0, 0))
    axes = zip(size_hw, window_hw, strides, strict=True)
    (top, bottom), (left, right) = [compute_same_pads(*axis) for axis in axes]
    return SlidingWindow(strides, (top, left, bottom, right))


def compute_same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return how much SAME pads before and after an axis; the odd one goes after.

    Formula: TensorFlow's notes on convolution, "Padding".
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def add_convolution(graph: Graph, x: str, layer: Convolution) -> str:
    """Add a layer to a graph and return its output."""
    return graph.add_node(
        "Conv",
        x,
        graph.add_constant(layer.kernels),
        graph.add_constant(layer.biases),
        kernel_shape=layer.kernels.shape[2:],
        group=layer.outputs if layer.is_depthwise else 1,
        strides=layer.window.strides,
        pads=layer.window.pads,
    )


def pad_channels(layer: Convolution, outputs: int, inputs: int) -> Convolution:
    """Return the layer with further channels: those that come in count nothing, those out are 0.

    A depthwise layer has as many inputs as outputs, so ``inputs`` says nothing there.
    """
    more_outputs = outputs - layer.outputs
    more_inputs = 0 if layer.is_depthwise else inputs - layer.kernels.shape[1]
    beyond = ((0, more_outputs), (0, more_inputs), (0, 0), (0, 0))
    return replace(
        layer,
        kernels=np.pad(layer.kernels, beyond),  # (outputs, inputs, h, w)
        biases=np.pad(layer.biases, (0, more_outputs)),  # (outputs,)
    )


def split_outputs(layer: Convolution, outputs: int) -> tuple[Convolution, ...]:
    """Return a layer of the first so many outputs and one of the others, if there are any."""
    if outputs >= layer.outputs:
        return (layer,)
    return tuple(
        replace(layer, kernels=layer.kernels[part], biases=layer.biases[part])
        for part in (slice(outputs), slice(outputs, None))
    )


def round_up_channels(channels: int) -> int:
    """Return the least number of channels that holds these and fills whole blocks."""
    return -(-channels // BLOCK_CHANNELS) * BLOCK_CHANNELS


def count_channels(network: TfliteNetwork, tensor: int) -> int:
    """Return how many channels a tensor gets; image and heads keep their number."""
    channels = network.shapes[tensor][-1]
    becomes_head = any(
        operator.kind == "RESHAPE" and tensor in operator.inputs for operator in network.operators
    )
    return channels if becomes_head or tensor in network.inputs else round_up_channels(channels)


def find_split_points(network: TfliteNetwork) -> dict[int, int]:
    """Return, by tensors that are added to a PAD, how many channels there were before it."""
    before = {
        operator.outputs[0]: count_channels(network, operator.inputs[0])
        for operator in network.operators
        if operator.kind == "PAD"
    }
    return {
        other: before[tensor]
        for operator in network.operators
        if operator.kind == "ADD"
        for tensor, other in permutations(operator.inputs)
        if tensor in before
    }
