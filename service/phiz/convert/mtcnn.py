"""The three networks of MTCNN as ONNX graphs, from their PyTorch weights.

Architecture: Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded
Convolutional Networks", 2016, figure 2. Layers are named as in the weights: ``conv1`` to
``dense6``, and of the heads ``_1`` says face or not, ``_2`` the box, ``_3`` the landmarks.
The heads of a network are one layer here, and what it gives is taken apart.

Two things are folded into the weights, in float64 and rounded once: the normalisation of
the pixels into the first convolution (it pads nothing, so every output sees whole
windows), and the difference of the two classes that the softmax needs, 1 / (1 + exp(other −
face)), into the head. The formula is spelled out, because onnxruntime's sigmoid is an
approximation. Near 1 it gives different faces the same score, and suppression then keeps another
one than the original. P-Net alone centres its pixels first, for the sake of accuracy.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from onnx import TensorProto

from phiz.convert.graph import Axis, Graph
from phiz.convert.layers import (
    Layer,
    Slopes,
    add_channel_slice,
    add_conv,
    add_dense,
    add_max_pool,
    add_pixel_conv,
    add_pooled_prelu,
    add_prelu,
    append_opposites,
    pad_channels,
    stack_layers,
)
from phiz.convert.torch_pickle import StateDict
from phiz.models.specs import Normalisation

# The weights give x1 to x5 and then y1 to y5; pairs are wanted.
LANDMARK_ROWS = [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]
# The heads' outputs: the box, face or not, the landmarks.
BOX_CHANNELS, FACE_CHANNELS, LANDMARK_CHANNELS = slice(0, 4), slice(4, 5), slice(5, 15)
# R-Net's first layer has 28 channels; with these many, blocks of 8 and of 16 are full.
RNET_CHANNELS = 32


def convert_pnet(weights: StateDict, normalisation: Normalisation) -> bytes:
    """Return P-Net: images of any size to a grid of proposals.

    ``pixels`` (N, H, W, 3) to ``regressions`` (N, h, w, 4) and ``probabilities`` (N, h, w),
    where h is (H - 2) halved and rounded up, less 4.
    """
    network = _MtcnnConversion(Graph("pnet"), weights)
    graph, slopes = network.graph, network.get_slopes(1)
    x, uncentred = network.add_centred_input("height", "width", normalisation)
    # 6 of the 10 slopes are negative: 16 channels, which fill a block.
    first = append_opposites(fold_normalisation(network.get_layer("conv1"), uncentred), slopes)
    x = add_max_pool(graph, add_pixel_conv(graph, x, first), 2)
    x = add_pooled_prelu(graph, x, slopes)
    x = add_conv(graph, x, pad_channels(network.get_layer("conv2"), inputs=len(first[0])))
    x = add_prelu(graph, x, network.get_slopes(2))
    x = network.add_conv_prelu(x, 3)
    x = add_conv(graph, x, network.stack_heads("conv4"))  # (N, 5, h, w)
    boxes = add_channel_slice(graph, x, BOX_CHANNELS)
    graph.add_node("Transpose", boxes, output="regressions", perm=[0, 2, 3, 1])
    graph.add_output("regressions", ("batch", "rows", "columns", 4))
    network.add_probabilities(x, "rows", "columns")
    return graph.serialise()


def convert_rnet(weights: StateDict, normalisation: Normalisation) -> bytes:
    """Return R-Net: crops of 24 pixels to better boxes.

    ``pixels`` (N, 24, 24, 3) to ``regressions`` (N, 4) and ``probabilities`` (N,).
    """
    network = _MtcnnConversion(Graph("rnet"), weights)
    graph, slopes = network.graph, network.get_slopes(1)
    first = fold_normalisation(network.get_layer("conv1"), normalisation)
    x = network.add_input(24, 24)
    x = add_pixel_conv(graph, x, pad_channels(first, outputs=RNET_CHANNELS))
    x = add_prelu(graph, x, np.pad(slopes, (0, RNET_CHANNELS - len(slopes))))
    x = add_max_pool(graph, x, 3)
    x = add_conv(graph, x, pad_channels(network.get_layer("conv2"), inputs=RNET_CHANNELS))
    x = add_max_pool(graph, add_prelu(graph, x, network.get_slopes(2)), 3)
    x = network.add_conv_prelu(x, 3)  # (N, 64, 3, 3)
    x = network.add_dense_prelu(x, 4)  # (N, 128)
    x = add_dense(graph, x, network.stack_heads("dense5"))  # (N, 5)
    network.add_regressions(x)
    network.add_probabilities(x)
    return graph.serialise()


def convert_onet(weights: StateDict, normalisation: Normalisation) -> bytes:
    """Return O-Net: crops of 48 pixels to final boxes and landmarks.

    ``pixels`` (N, 48, 48, 3) to ``regressions`` (N, 4), ``landmarks`` (N, 5, 2) as x and y
    in parts of the box, and ``probabilities`` (N,).
    """
    network = _MtcnnConversion(Graph("onet"), weights)
    graph = network.graph
    first = fold_normalisation(network.get_layer("conv1"), normalisation)
    x = add_pixel_conv(graph, network.add_input(48, 48), first)
    x = add_max_pool(graph, add_prelu(graph, x, network.get_slopes(1)), 3)
    x = add_max_pool(graph, network.add_conv_prelu(x, 2), 3)
    x = add_max_pool(graph, network.add_conv_prelu(x, 3), 2)
    x = network.add_conv_prelu(x, 4)  # (N, 128, 3, 3)
    x = network.add_dense_prelu(x, 5)  # (N, 256)
    matrix, bias = network.get_layer("dense6_3")
    points = matrix[LANDMARK_ROWS], bias[LANDMARK_ROWS]
    x = add_dense(graph, x, stack_layers(network.stack_heads("dense6"), points))  # (N, 15)
    network.add_regressions(x)
    pairs = graph.add_constant(np.array([0, 5, 2], np.int64))
    landmarks = add_channel_slice(graph, x, LANDMARK_CHANNELS)
    graph.add_node("Reshape", landmarks, pairs, output="landmarks")
    graph.add_output("landmarks", ("batch", 5, 2))
    network.add_probabilities(x)
    return graph.serialise()


def fold_normalisation(layer: Layer, normalisation: Normalisation) -> Layer:
    """Return a layer that takes raw pixels p as the given one takes scale * p + offset."""
    kernels, biases = layer
    scale, offset = normalisation.to_numbers()
    scaled = kernels.astype(np.float64) * scale
    # fsum is exact, so that the order in which a processor adds is of no consequence.
    shifted = [
        math.fsum([bias, *(offset * kernel.astype(np.float64).ravel())])
        for kernel, bias in zip(kernels, biases, strict=True)
    ]
    return scaled.astype(np.float32), np.array(shifted, np.float32)


def fold_softmax(layer: Layer) -> Layer:
    """Return the layer of one output x for which 1 / (1 + exp(x)) is the softmax's second class."""
    matrix, bias = (array.astype(np.float64) for array in layer)
    return (matrix[:1] - matrix[1:]).astype(np.float32), (bias[:1] - bias[1:]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _MtcnnConversion:
    """The growing graph and its weights."""

    graph: Graph
    weights: StateDict

    def get_layer(self, name: str) -> Layer:
        return self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]

    def get_slopes(self, number: int) -> Slopes:
        return self.weights[f"prelu{number}.weight"]

    def stack_heads(self, name: str) -> Layer:
        """Return the layer that gives the box and then face or not."""
        return stack_layers(self.get_layer(f"{name}_2"), fold_softmax(self.get_layer(f"{name}_1")))

    def add_input(self, height: Axis, width: Axis) -> str:
        return self.graph.add_input("pixels", TensorProto.FLOAT, ("batch", height, width, 3))

    def add_centred_input(
        self, height: Axis, width: Axis, normalisation: Normalisation
    ) -> tuple[str, Normalisation]:
        """Add the input and the normalisation's offset; return the rest of the normalisation.

        Sums of numbers of both signs stay small and lose less to rounding. P-Net, of whose many
        cells the worst one counts, needs this to agree with its original.
        """
        x = self.add_input(height, width)
        scale, offset = normalisation.to_numbers()
        shift = self.graph.add_constant(np.array([offset / scale], np.float32))
        return self.graph.add_node("Add", x, shift), replace(normalisation, offset=0.0)

    def add_conv_prelu(self, x: str, number: int) -> str:
        x = add_conv(self.graph, x, self.get_layer(f"conv{number}"))
        return add_prelu(self.graph, x, self.get_slopes(number))

    def add_dense_prelu(self, x: str, number: int) -> str:
        """Flatten (N, C, 3, 3) and add the dense layer and the PReLU after it.

        Its weights were made for columns first, then rows, then channels; they are put in the
        order of the array, which saves a transposition of every crop.
        """
        matrix, bias = self.get_layer(f"dense{number}")
        columns_first = matrix.reshape(len(matrix), 3, 3, -1)  # (M, w, h, C)
        reordered = columns_first.transpose(0, 3, 2, 1).reshape(len(matrix), -1)  # (M, C * h * w)
        x = add_dense(self.graph, self.graph.add_node("Flatten", x), (reordered, bias))
        return self.graph.add_node("PRelu", x, self.graph.add_constant(self.get_slopes(number)))

    def add_regressions(self, x: str) -> None:
        add_channel_slice(self.graph, x, BOX_CHANNELS, output="regressions")
        self.graph.add_output("regressions", ("batch", 4))

    def add_probabilities(self, x: str, *grid: Axis) -> None:
        graph = self.graph
        last = graph.add_constant(np.array([1], np.int64))
        difference = graph.add_node("Squeeze", add_channel_slice(graph, x, FACE_CHANNELS), last)
        # Not clipped: where exp(x) overflows to infinity, its reciprocal is 0, as it should be.
        odds = graph.add_node("Exp", difference)
        one = graph.add_constant(np.array([1], np.float32))
        graph.add_node("Reciprocal", graph.add_node("Add", odds, one), output="probabilities")
        graph.add_output("probabilities", ("batch", *grid))
