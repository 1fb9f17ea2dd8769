"""Networks of inverted residuals as ONNX graphs, from PyTorch weights.

A stem, blocks that expand, filter each channel by itself, project and add, a head, and one dense
layer on the means: Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and
Linear Bottlenecks, 2018 (arXiv:1801.04381). Batch normalisation is folded into the convolution
before it. A specification holds what a file of weights does not: names, strides and padding.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phiz.convert.classifier import add_convolution, add_image_input, add_logits, add_mean
from phiz.convert.convolution import Convolution, SlidingWindow
from phiz.convert.graph import Graph
from phiz.convert.torch_pickle import StateDict
from phiz.errors import ConversionError
from phiz.models.specs import Normalisation

HALVING: Final = 2


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One convolution and the batch normalisation after it, by their names in the file."""

    convolution: str
    norm: str
    stride: int = 1


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """One inverted residual; the first of a network does not expand."""

    expand: LayerSpec | None
    depthwise: LayerSpec
    project: LayerSpec


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
    blocks: tuple[BlockSpec, ...]
    head: LayerSpec
    logits: str
    input_size: int
    epsilon: float
    compute_pads: Callable[[int, int], tuple[int, int]]


def list_strides(stages: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Return the stride of each block, from the blocks of each stage and its first stride."""
    return tuple(
        stride if block == 0 else 1 for blocks, stride in stages for block in range(blocks)
    )


def convert_classifier(
    weights: StateDict, spec: ArchitectureSpec, name: str, normalisation: Normalisation
) -> bytes:
    """Return the graph ``image`` (N, S, S, 3) to ``logits`` (N, 1000).

    Raises:
        ConversionError: A weight is missing.
    """
    conversion = _ClassifierConversion(Graph(name), weights, spec, name)
    graph = conversion.graph
    _, x = conversion.add_features(add_image_input(graph, spec.input_size, normalisation))
    matrix, biases = (conversion.get_weight(f"{spec.logits}.{part}") for part in ("weight", "bias"))
    add_logits(graph, add_mean(graph, x), (matrix, biases))
    return graph.serialise()


def convert_features(
    weights: StateDict, spec: ArchitectureSpec, name: str, normalisation: Normalisation, size: int
) -> bytes:
    """Return the graph ``image`` (N, S, S, 3) to the features that an SSD on MobileNetV2 reads.

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
        x = add_convolution(self.graph, x, self._fold_norm(self.spec.stem))
        before_halving = x
        for block in self.spec.blocks:
            expanded, x = self._add_block(x, block)
            if block.depthwise.stride == HALVING:
                before_halving = expanded
        return before_halving, add_convolution(self.graph, x, self._fold_norm(self.spec.head))

    def _add_block(self, x: str, block: BlockSpec) -> tuple[str, str]:
        """Add an inverted residual; return its expansion and its output."""
        depthwise, project = self._fold_norm(block.depthwise), self._fold_norm(block.project)
        expanded, inputs = x, depthwise.inputs
        if block.expand is not None:
            expand = self._fold_norm(block.expand)
            expanded, inputs = add_convolution(self.graph, x, expand), expand.inputs
        y = add_convolution(self.graph, expanded, depthwise)
        y = add_convolution(self.graph, y, project, has_relu6=False)
        is_residual = block.depthwise.stride == 1 and inputs == project.outputs
        return expanded, self.graph.add_node("Add", x, y) if is_residual else y

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
