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
from phiz.convert.layers import Layer, dense
from phiz.errors import ConversionError
from phiz.models.specs import CLASSES, Normalisation

SIX: Final = 6.0  # where ReLU6 ends (Howard et al. 2017, MobileNets)
UINT8_MAX: Final = 255


def add_picture(graph: Graph, size: int, normalisation: Normalisation) -> str:
    """Add the input, and return the picture (N, 3, S, S) as the network wants it.

    The normalisation is one node: 0 must be a whole number of a pixel, in each channel.

    Raises:
        ConversionError: No whole number becomes 0.
    """
    step, zero = _step_and_zero(normalisation)
    image = graph.input("image", TensorProto.UINT8, ("batch", size, size, 3))
    x = graph.add("Transpose", image, perm=[0, 3, 1, 2])
    # With a number for each channel, these are along axis 1, the operator's default.
    return graph.add("DequantizeLinear", x, graph.constant(step), graph.constant(zero))


def add_convolution(graph: Graph, x: str, layer: Convolution, *, clipped: bool = True) -> str:
    """Add a convolution, with a ReLU6 after it unless it is not to be clipped."""
    x = graph.add(
        "Conv",
        x,
        graph.constant(layer.kernels),
        graph.constant(layer.biases),
        kernel_shape=layer.kernels.shape[2:],
        group=layer.outputs if layer.is_depthwise else 1,
        strides=layer.steps.strides,
        pads=layer.steps.pads,
    )
    if not clipped:
        return x
    bounds = [graph.constant(np.array(bound, np.float32)) for bound in (0, SIX)]
    return graph.add("Clip", x, *bounds)


def add_mean(graph: Graph, x: str) -> str:
    """Add the mean of each channel, (N, C, H, W) to (N, C)."""
    return graph.add("Flatten", graph.add("GlobalAveragePool", x))


def add_classes(graph: Graph, x: str, layer: Layer) -> str:
    """Add the dense layer (N, C) to the logits, which are the output.

    Raises:
        ConversionError: They are not as many as there are classes.
    """
    matrix, biases = layer
    if len(biases) != CLASSES:
        raise ConversionError(f"the last layer has {len(biases)} outputs, not {CLASSES}")
    graph.output("logits", ("batch", CLASSES))
    return dense(graph, x, (matrix, biases), output="logits")


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
