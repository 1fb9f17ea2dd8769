"""What the graphs of all classifiers have in common: the picture, the layers, the classes.

A graph goes from ``image`` (N, S, S, 3), uint8, RGB, to ``logits`` (N, 1000), in the order of
ImageNet's classes. Between them arrays are (N, C, H, W). All depthwise layers of these networks
have whole blocks of channels (see ``phiz.convert.channels``) by themselves.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from phiz.convert.convolution import Convolution
from phiz.convert.graph import Graph
from phiz.convert.layers import Layer, add_dense
from phiz.errors import ConversionError
from phiz.models.specs import CLASS_COUNT, Normalisation

RELU6_MAX: Final = 6.0  # where ReLU6 ends (Howard et al. 2017, MobileNets)
UINT8_MAX: Final = 255


def add_image_input(graph: Graph, size: int, normalisation: Normalisation) -> str:
    """Add the input, and return the picture (N, 3, S, S) as the network wants it.

    The normalisation is one node: 0 must be a whole number of a pixel, in each channel.

    Raises:
        ConversionError: No whole number becomes 0.
    """
    step, zero = _step_and_zero(normalisation)
    image = graph.add_input("image", TensorProto.UINT8, ("batch", size, size, 3))
    x = graph.add_node("Transpose", image, perm=[0, 3, 1, 2])
    # With a number for each channel, these are along axis 1, the operator's default.
    return graph.add_node("DequantizeLinear", x, graph.add_constant(step), graph.add_constant(zero))


def add_convolution(graph: Graph, x: str, layer: Convolution, *, has_relu6: bool = True) -> str:
    """Add a convolution, with a ReLU6 after it unless it is not to be clipped."""
    x = graph.add_node(
        "Conv",
        x,
        graph.add_constant(layer.kernels),
        graph.add_constant(layer.biases),
        kernel_shape=layer.kernels.shape[2:],
        group=layer.outputs if layer.is_depthwise else 1,
        strides=layer.window.strides,
        pads=layer.window.pads,
    )
    if not has_relu6:
        return x
    bounds = [graph.add_constant(np.array(bound, np.float32)) for bound in (0, RELU6_MAX)]
    return graph.add_node("Clip", x, *bounds)


def add_mean(graph: Graph, x: str) -> str:
    """Add the mean of each channel, (N, C, H, W) to (N, C)."""
    return graph.add_node("Flatten", graph.add_node("GlobalAveragePool", x))


def add_logits(graph: Graph, x: str, layer: Layer) -> str:
    """Add the dense layer (N, C) to the logits, which are the output.

    Raises:
        ConversionError: They are not as many as there are classes.
    """
    matrix, biases = layer
    if len(biases) != CLASS_COUNT:
        raise ConversionError(f"the last layer has {len(biases)} outputs, not {CLASS_COUNT}")
    graph.add_output("logits", ("batch", CLASS_COUNT))
    return add_dense(graph, x, (matrix, biases), output="logits")


def _step_and_zero(normalisation: Normalisation) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the scale, and the pixel that becomes 0: one number each, or (3,)."""
    scale, offset = np.broadcast_arrays(normalisation.scale, normalisation.offset)
    exact = (0 - offset) / scale
    zero = np.rint(exact).clip(0, UINT8_MAX)
    if not np.allclose(exact, zero, rtol=0, atol=1e-4):
        pixels = ", ".join(f"{pixel:g}" for pixel in np.atleast_1d(exact))
        raise ConversionError(
            f"the normalisation makes 0 of a pixel of {pixels}; "
            f"it must be a whole number from 0 to {UINT8_MAX}"
        )
    return scale.astype(np.float32), zero.astype(np.uint8)
