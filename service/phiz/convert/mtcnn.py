"""The three networks of MTCNN as ONNX graphs, from their PyTorch weights.

Architecture: Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded
Convolutional Networks", 2016, figure 2. Layers are named as in the weights: ``conv1`` to
``dense6``, and of the heads ``_1`` says face or not, ``_2`` the box, ``_3`` the landmarks.
The heads of a network are one layer here, and what it gives is taken apart.

Two things are folded into the weights, in float64 and rounded once: the normalisation of
the pixels into the first convolution (it pads nothing, so every output sees whole
windows), and the difference of the two classes that the softmax needs, 1 / (1 + exp(other −
face)), into the head. That is spelled out, because onnxruntime's sigmoid is an approximation
that gives near 1 the same score to different faces, of which suppression then keeps another
than the original does. P-Net alone centres its pixels first, for the sake of accuracy.
"""

import math
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from phiz.convert.graph import Axis, Graph
from phiz.convert.layers import (
    Layer,
    add_opposites,
    conv,
    conv_pixels,
    dense,
    pool,
    prelu,
    prelu_pooled,
    select,
    stack,
    widen,
)
from phiz.convert.torch_pickle import Weights
from phiz.models.specs import Normalisation

# The weights give x1 to x5 and then y1 to y5; pairs are wanted.
LANDMARK_ROWS = [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]
# The heads' outputs: the box, face or not, the landmarks.
BOX, FACE, LANDMARKS = slice(0, 4), slice(4, 5), slice(5, 15)
# R-Net's first layer has 28 channels; with these many, blocks of 8 and of 16 are full.
RNET_CHANNELS = 32


def convert_pnet(weights: Weights, normalisation: Normalisation) -> bytes:
    """Return P-Net: pictures of any size to a grid of proposals.

    ``pixels`` (N, H, W, 3) to ``regressions`` (N, h, w, 4) and ``probabilities`` (N, h, w),
    where h is (H - 2) halved and rounded up, less 4.
    """
    graph = Graph("pnet")
    slopes = weights["prelu1.weight"]
    x, uncentred = _centred(graph, _pixels(graph, "height", "width"), normalisation)
    # 6 of the 10 slopes are negative: 16 channels, which fill a block.
    first = add_opposites(normalise_first(_layer(weights, "conv1"), uncentred), slopes)
    x = pool(graph, conv_pixels(graph, x, first), 2)
    x = prelu_pooled(graph, x, slopes)
    x = conv(graph, x, widen(_layer(weights, "conv2"), inputs=len(first[0])))
    x = prelu(graph, x, weights["prelu2.weight"])
    x = _conv_prelu(graph, x, weights, "3")
    x = conv(graph, x, _heads(weights, "conv4"))  # (N, 5, h, w)

    graph.add("Transpose", select(graph, x, BOX), output="regressions", perm=[0, 2, 3, 1])
    graph.output("regressions", ("batch", "rows", "columns", 4))
    _probabilities(graph, x, "rows", "columns")
    return graph.serialise()


def convert_rnet(weights: Weights, normalisation: Normalisation) -> bytes:
    """Return R-Net: crops of 24 pixels to better boxes.

    ``pixels`` (N, 24, 24, 3) to ``regressions`` (N, 4) and ``probabilities`` (N,).
    """
    graph = Graph("rnet")
    first = normalise_first(_layer(weights, "conv1"), normalisation)
    x = conv_pixels(graph, _pixels(graph, 24, 24), widen(first, outputs=RNET_CHANNELS))
    slopes = weights["prelu1.weight"]
    x = pool(graph, prelu(graph, x, np.pad(slopes, (0, RNET_CHANNELS - len(slopes)))), 3)
    x = conv(graph, x, widen(_layer(weights, "conv2"), inputs=RNET_CHANNELS))
    x = pool(graph, prelu(graph, x, weights["prelu2.weight"]), 3)
    x = _conv_prelu(graph, x, weights, "3")  # (N, 64, 3, 3)
    x = _flat_prelu(graph, x, weights, "4")  # (N, 128)
    x = dense(graph, x, _heads(weights, "dense5"))  # (N, 5)
    _regressions(graph, x)
    _probabilities(graph, x)
    return graph.serialise()


def convert_onet(weights: Weights, normalisation: Normalisation) -> bytes:
    """Return O-Net: crops of 48 pixels to final boxes and landmarks.

    ``pixels`` (N, 48, 48, 3) to ``regressions`` (N, 4), ``landmarks`` (N, 5, 2) as x and y
    in parts of the box, and ``probabilities`` (N,).
    """
    graph = Graph("onet")
    first = normalise_first(_layer(weights, "conv1"), normalisation)
    x = conv_pixels(graph, _pixels(graph, 48, 48), first)
    x = pool(graph, prelu(graph, x, weights["prelu1.weight"]), 3)
    x = pool(graph, _conv_prelu(graph, x, weights, "2"), 3)
    x = pool(graph, _conv_prelu(graph, x, weights, "3"), 2)
    x = _conv_prelu(graph, x, weights, "4")  # (N, 128, 3, 3)
    x = _flat_prelu(graph, x, weights, "5")  # (N, 256)
    matrix, bias = _layer(weights, "dense6_3")
    points = matrix[LANDMARK_ROWS], bias[LANDMARK_ROWS]
    x = dense(graph, x, stack(_heads(weights, "dense6"), points))  # (N, 15)
    _regressions(graph, x)
    pairs = graph.constant(np.array([0, 5, 2], np.int64))
    graph.add("Reshape", select(graph, x, LANDMARKS), pairs, output="landmarks")
    graph.output("landmarks", ("batch", 5, 2))
    _probabilities(graph, x)
    return graph.serialise()


def normalise_first(layer: Layer, normalisation: Normalisation) -> Layer:
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


def face_or_not(layer: Layer) -> Layer:
    """Return the layer of one output x for which 1 / (1 + exp(x)) is the softmax's second class."""
    matrix, bias = (array.astype(np.float64) for array in layer)
    return (matrix[:1] - matrix[1:]).astype(np.float32), (bias[:1] - bias[1:]).astype(np.float32)


def _layer(weights: Weights, name: str) -> Layer:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def _heads(weights: Weights, name: str) -> Layer:
    """Return the layer that gives the box and then face or not."""
    return stack(_layer(weights, f"{name}_2"), face_or_not(_layer(weights, f"{name}_1")))


def _pixels(graph: Graph, height: Axis, width: Axis) -> str:
    return graph.input("pixels", TensorProto.FLOAT, ("batch", height, width, 3))


def _centred(graph: Graph, x: str, normalisation: Normalisation) -> tuple[str, Normalisation]:
    """Add the normalisation's offset to the pixels, and return what is left of it.

    Sums of numbers of both signs stay small and lose less to rounding, which is what P-Net,
    of whose many cells the worst one counts, needs to agree with its original.
    """
    scale, offset = normalisation.to_numbers()
    shift = graph.constant(np.array([offset / scale], np.float32))
    return graph.add("Add", x, shift), replace(normalisation, offset=0.0)


def _conv_prelu(graph: Graph, x: str, weights: Weights, number: str) -> str:
    x = conv(graph, x, _layer(weights, f"conv{number}"))
    return prelu(graph, x, weights[f"prelu{number}.weight"])


def _flat_prelu(graph: Graph, x: str, weights: Weights, number: str) -> str:
    """Flatten (N, C, 3, 3) and add the dense layer and the PReLU after it.

    Its weights were made for columns first, then rows, then channels; they are put in the
    order of the array, which saves a transposition of every crop.
    """
    matrix, bias = _layer(weights, f"dense{number}")
    columns_first = matrix.reshape(len(matrix), 3, 3, -1)  # (M, w, h, C)
    reordered = columns_first.transpose(0, 3, 2, 1).reshape(len(matrix), -1)  # (M, C * h * w)
    x = dense(graph, graph.add("Flatten", x), (reordered, bias))
    return graph.add("PRelu", x, graph.constant(weights[f"prelu{number}.weight"]))


def _regressions(graph: Graph, x: str) -> None:
    select(graph, x, BOX, output="regressions")
    graph.output("regressions", ("batch", 4))


def _probabilities(graph: Graph, x: str, *grid: Axis) -> None:
    last = graph.constant(np.array([1], np.int64))
    # Not clipped: where exp(x) overflows to infinity, its reciprocal is 0, as it should be.
    odds = graph.add("Exp", graph.add("Squeeze", select(graph, x, FACE), last))
    one = graph.constant(np.array([1], np.float32))
    graph.add("Reciprocal", graph.add("Add", odds, one), output="probabilities")
    graph.output("probabilities", ("batch", *grid))
