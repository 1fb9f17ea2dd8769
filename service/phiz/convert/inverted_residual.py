"""Networks of inverted residuals as ONNX graphs, from PyTorch weights.

A stem, blocks that expand, filter each channel by itself, project and add, a head, and one dense
layer on the means: Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and
Linear Bottlenecks, 2018 (arXiv:1801.04381). Batch normalisation is folded into the convolution
before it. A specification holds what a file of weights does not: names, strides and padding.

Graphs begin with ``image`` (N, S, S, 3), uint8, RGB. Later arrays are (N, C, H, W). All depthwise
layers of these networks have whole blocks of channels (see ``phiz.convert.convolution``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from phiz.convert.convolution import Convolution, SlidingWindow, add_convolution
from phiz.convert.graph import Graph
from phiz.convert.layers import add_dense
from phiz.convert.torch_pickle import StateDict
from phiz.errors import ConversionError
from phiz.models.specs import CLASS_COUNT, Normalisation

HALVING: Final = 2
RELU6_MAX: Final = 6.0  # where ReLU6 ends (Howard et al. 2017, MobileNets)
UINT8_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One convolution and the batch normalisation after it, by their names in the file."""

    convolution: str
    norm: str
    stride: int = 1


Block: TypeAlias = tuple[LayerSpec, ...]
"""The layers of an inverted residual: expansion (but for the first), depthwise, projection."""


@dataclass(frozen=True, slots=True)
class ArchitectureSpec:
    """One network.

    Attributes:
        stem: Before all blocks.
        blocks: In the order in which they run.
        head: After all blocks.
        logits: Name of the dense layer.
        input_size: Side of the image that the network was trained with, pixels.
        epsilon: Of its batch normalisation.
        compute_pads: Takes side and stride of a kernel; returns the padding before and after an
            axis.
    """

    stem: LayerSpec
    blocks: tuple[Block, ...]
    head: LayerSpec
    logits: str
    input_size: int
    epsilon: float
    compute_pads: Callable[[int, int], tuple[int, int]]


def convert_classifier(
    weights: StateDict, spec: ArchitectureSpec, name: str, normalisation: Normalisation
) -> bytes:
    """Return the graph ``image`` to ``logits`` (N, 1000), in the order of ImageNet's classes.

    Raises:
        ConversionError: A weight is missing, or there are not as many logits as classes.
    """
    conversion = _ClassifierConversion(Graph(name), weights, spec, name)
    graph = conversion.graph
    _, x = conversion.add_features(add_image_input(graph, spec.input_size, normalisation))
    matrix, biases = (conversion.get_weight(f"{spec.logits}.{part}") for part in ("weight", "bias"))
    if len(biases) != CLASS_COUNT:
        raise ConversionError(f"the last layer has {len(biases)} outputs, not {CLASS_COUNT}")
    means = graph.add_node("Flatten", graph.add_node("GlobalAveragePool", x))  # (N, C)
    graph.add_output("logits", ("batch", CLASS_COUNT))
    add_dense(graph, means, (matrix, biases), output="logits")
    return graph.serialise()


def convert_features(
    weights: StateDict, spec: ArchitectureSpec, name: str, normalisation: Normalisation, size: int
) -> bytes:
    """Return the graph ``image`` to the features that an SSD on MobileNetV2 reads.

    SSDLite takes the expansion of the last block that halves the sides, and the last layer
    (Sandler et al. 2018, section 6.2): ``stride16`` (N, 576, S/16, S/16) and ``stride32``
    (N, 1280, S/32, S/32).

    Args:
        weights: All of MobileNetV2.
        spec: MobileNetV2's, whose padding does not depend on the size of the image.
        name: Of the graph.
        normalisation: Of a pixel.
        size: Side of the image, pixels, a multiple of 32.

    Raises:
        ConversionError: A weight is missing.
    """
    conversion = _ClassifierConversion(Graph(name), weights, spec, name)
    graph = conversion.graph
    expanded, last = conversion.add_features(add_image_input(graph, size, normalisation))
    for output, value, channels, stride in (
        ("stride16", expanded, 576, 16),
        ("stride32", last, 1280, 32),
    ):
        graph.add_output(output, ("batch", channels, size // stride, size // stride))
        graph.add_node("Identity", value, output=output)
    return graph.serialise()


def add_image_input(graph: Graph, size: int, normalisation: Normalisation) -> str:
    """Add the input, and return the normalised image (N, 3, S, S).

    The normalisation is one node: 0 must be a whole number of a pixel, in each channel.

    Raises:
        ConversionError: No whole number becomes 0.
    """
    scale, offset = np.broadcast_arrays(normalisation.scale, normalisation.offset)  # () or (3,)
    exact = (0 - offset) / scale
    zero = np.rint(exact).clip(0, UINT8_MAX)
    if not np.allclose(exact, zero, rtol=0, atol=1e-4):
        pixels = ", ".join(f"{pixel:g}" for pixel in np.atleast_1d(exact))
        raise ConversionError(
            f"the normalisation makes 0 of a pixel of {pixels}; "
            f"it must be a whole number from 0 to {UINT8_MAX}"
        )
    image = graph.add_input("image", TensorProto.UINT8, ("batch", size, size, 3))
    x = graph.add_node("Transpose", image, perm=[0, 3, 1, 2])
    # With a number for each channel, these are along axis 1, the operator's default.
    constants = map(graph.add_constant, (scale.astype(np.float32), zero.astype(np.uint8)))
    return graph.add_node("DequantizeLinear", x, *constants)


@dataclass(frozen=True, slots=True)
class _ClassifierConversion:
    """The graph that is growing, and what it is made from."""

    graph: Graph
    weights: StateDict
    spec: ArchitectureSpec
    name: str

    def get_weight(self, name: str) -> NDArray[np.float32]:
        """Return an array of the file.

        Raises:
            ConversionError: It is missing.
        """
        if name not in self.weights:
            raise ConversionError(f"{self.name}: the file has no weights {name!r}")
        return self.weights[name]

    def add_features(self, x: str) -> tuple[str, str]:
        """Add stem, blocks and head; return the last expansion before a halving, and the head."""
        x = self._add_relu6_convolution(x, self._fold_norm(self.spec.stem))
        before_halving = x
        for block in self.spec.blocks:
            expanded, x = self._add_block(x, block)
            if block[-2].stride == HALVING:
                before_halving = expanded
        return before_halving, self._add_relu6_convolution(x, self._fold_norm(self.spec.head))

    def _add_block(self, x: str, block: Block) -> tuple[str, str]:
        """Add an inverted residual; return its expansion and its output."""
        layers = [self._fold_norm(layer) for layer in block]
        *expansion, depthwise, projection = layers
        expanded = x
        for layer in expansion:
            expanded = self._add_relu6_convolution(x, layer)
        y = self._add_relu6_convolution(expanded, depthwise)
        y = add_convolution(self.graph, y, projection)
        is_residual = block[-2].stride == 1 and layers[0].inputs == projection.outputs
        return expanded, self.graph.add_node("Add", x, y) if is_residual else y

    def _add_relu6_convolution(self, x: str, layer: Convolution) -> str:
        x = add_convolution(self.graph, x, layer)
        bounds = [self.graph.add_constant(np.array(end, np.float32)) for end in (0, RELU6_MAX)]
        return self.graph.add_node("Clip", x, *bounds)

    def _fold_norm(self, layer: LayerSpec) -> Convolution:
        """Return a convolution with its batch normalisation folded in.

        Formula: Ioffe, Szegedy: Batch Normalization, 2015 (arXiv:1502.03167), algorithm 2.
        """
        kernels = self.get_weight(f"{layer.convolution}.weight").astype(np.float64)  # (M, C, k, k)
        gamma, beta, mean, variance = (
            self.get_weight(f"{layer.norm}.{part}").astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )  # (M,) each
        factors = gamma / np.sqrt(variance + self.spec.epsilon)  # (M,)
        before, after = self.spec.compute_pads(kernels.shape[-1], layer.stride)
        return Convolution(
            kernels=(kernels * factors[:, None, None, None]).astype(np.float32),
            biases=(beta - mean * factors).astype(np.float32),
            window=SlidingWindow((layer.stride, layer.stride), (before, before, after, after)),
            is_depthwise=kernels.shape[1] == 1,
        )
