"""Layers of a convolutional network as ONNX nodes, in the precisions that onnxruntime runs fastest.

On processors with wide vectors its convolutions keep channels in blocks of 8 or 16, the
block innermost. Max-pools, and the Relu and Add that are fused into a convolution, leave
that layout alone; a Transpose, a PRelu, or channels that do not fill their blocks make it
put everything into another order and back. None of the precisions here does. In algebra all are
exact; they differ only in rounding.

Arrays are (N, C, H, W) but for the pixels, (N, H, W, C).
"""

import numpy as np
from numpy.typing import NDArray

from phiz.convert.graph import Graph

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Weights, one row per output, and biases."""

Slopes = NDArray[np.float32]
"""(C,), what PReLU multiplies a negative value of each channel with; of either sign."""


def add_conv(graph: Graph, x: str, layer: Layer, column_step: int = 1) -> str:
    """Add a convolution without padding, of every row and every so many columns."""
    kernels, biases = layer  # (M, C, k, k), (M,)
    constants = graph.add_constant(kernels), graph.add_constant(biases)
    strides = [1, column_step]
    return graph.add_node("Conv", x, *constants, kernel_shape=kernels.shape[2:], strides=strides)


def add_pixel_conv(graph: Graph, pixels: str, layer: Layer) -> str:
    """Add a convolution of pixels (N, H, W, C), which are not transposed for it.

    A row of them is taken as W * C numbers of one channel: the kernels are C times as wide,
    and go on by C at a time.
    """
    kernels, biases = layer
    count, channels, height, width = kernels.shape
    wide = kernels.transpose(0, 2, 3, 1).reshape(count, 1, height, width * channels)
    rows = graph.add_node("Reshape", pixels, _add_indices(graph, 0, 0, -1))  # (N, H, W * C)
    plane = graph.add_node("Unsqueeze", rows, _add_indices(graph, 1))  # (N, 1, H, W * C)
    return add_conv(graph, plane, (wide, biases), column_step=channels)


def add_max_pool(graph: Graph, x: str, side: int) -> str:
    """Add a max-pool by two; its last window may hang over the edge."""
    return graph.add_node("MaxPool", x, kernel_shape=[side, side], strides=[2, 2], ceil_mode=1)


def add_dense(graph: Graph, x: str, layer: Layer, output: str = "") -> str:
    """Add a dense layer to (N, C)."""
    matrix, bias = layer
    constants = graph.add_constant(matrix), graph.add_constant(bias)
    return graph.add_node("Gemm", x, *constants, output=output, transB=1)


def add_prelu(graph: Graph, x: str, slopes: Slopes) -> str:
    """Add PReLU as ``x + (1 - slope) * relu(-x)``: two convolutions of single channels."""
    negative = graph.add_node("Relu", _add_channel_scale(graph, x, np.full_like(slopes, -1)))
    return graph.add_node("Add", x, _add_channel_scale(graph, negative, 1 - slopes))


def append_opposites(layer: Layer, slopes: Slopes) -> Layer:
    """Return the convolution after which a max-pool may come before PReLU.

    PReLU with a slope of at least 0 rises with x, so the largest x has the largest PReLU. With a
    negative slope it is ``max(x, slope * x)``, whose largest comes of the largest x or of the
    largest -x. These follow as channels of their own after all others.
    """
    kernels, biases = layer
    falling = slopes < 0
    return np.concatenate([kernels, -kernels[falling]]), np.concatenate([biases, -biases[falling]])


def add_pooled_prelu(graph: Graph, x: str, slopes: Slopes) -> str:
    """Add PReLU to the pooled channels of ``append_opposites``; the opposites stay as they are.

    A channel becomes ``x + (1 - slope) * relu(-x)`` or, where its slope is negative,
    ``x + relu(-slope * opposite - x)``, which is the larger of the two.
    """
    falling = np.flatnonzero(slopes < 0)
    count, opposites = len(slopes), len(falling)
    differences = np.zeros((count + opposites, count + opposites, 1, 1), np.float32)
    differences[np.arange(count), np.arange(count)] = -1
    differences[falling, count + np.arange(opposites), 0, 0] = -slopes[falling]
    factors = np.zeros(count + opposites, np.float32)
    factors[:count] = np.where(slopes < 0, np.float32(1), 1 - slopes)
    positive = graph.add_node("Relu", add_conv(graph, x, (differences, np.zeros_like(factors))))
    return graph.add_node("Add", x, _add_channel_scale(graph, positive, factors))


def pad_channels(layer: Layer, outputs: int = 0, inputs: int = 0) -> Layer:
    """Return a convolution with channels of zeros after its own, up to so many."""
    kernels, biases = layer
    count, channels, *_ = kernels.shape
    more, more_inputs = max(outputs - count, 0), max(inputs - channels, 0)
    wide = np.pad(kernels, [(0, more), (0, more_inputs), (0, 0), (0, 0)])
    return wide, np.pad(biases, (0, more))


def stack_layers(*layers: Layer) -> Layer:
    """Return one layer that gives the outputs of several, in their order."""
    matrices, biases = zip(*layers, strict=True)
    return np.concatenate(matrices), np.concatenate(biases)


def add_channel_slice(graph: Graph, x: str, channels: slice, output: str = "") -> str:
    """Add the selection of channels from ``start`` to ``stop``."""
    bounds = [_add_indices(graph, number) for number in (channels.start, channels.stop, 1)]
    return graph.add_node("Slice", x, *bounds, output=output)  # start, stop, axis


def _add_channel_scale(graph: Graph, x: str, factors: NDArray[np.float32]) -> str:
    """Multiply every channel with its factor."""
    kernels = graph.add_constant(factors.reshape(-1, 1, 1, 1))
    return graph.add_node("Conv", x, kernels, kernel_shape=[1, 1], group=len(factors))


def _add_indices(graph: Graph, *numbers: int) -> str:
    return graph.add_constant(np.array(numbers, np.int64))
