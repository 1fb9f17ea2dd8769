"""The three networks of MTCNN as ONNX graphs, from their PyTorch weights.

Architecture: Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded
Convolutional Networks", 2016, figure 2. Layers are named as in the weights: ``conv1`` to
``dense6``, and of the heads ``_1`` says face or not, ``_2`` the box, ``_3`` the landmarks.

Two things are folded into the weights, in float64 and rounded once: the normalisation of
the pixels into the first convolution (it pads nothing, so every output sees whole
windows), and the softmax of two classes into a sigmoid of their difference.
"""

import math

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from phiz.build.graph import Axis, Graph
from phiz.build.torch_pickle import Weights
from phiz.cards import Normalisation

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Weights, one row per output, and biases."""

# The weights give x1 to x5 and then y1 to y5; pairs are wanted.
LANDMARK_ROWS = [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]


def convert_pnet(weights: Weights, normalisation: Normalisation) -> bytes:
    """Return P-Net: pictures of any size to a grid of proposals.

    ``pixels`` (N, H, W, 3) to ``regressions`` (N, h, w, 4) and ``probabilities`` (N, h, w),
    where h is (H - 2) halved and rounded up, less 4.
    """
    graph = Graph("pnet")
    x = _pixels(graph, "height", "width")
    x = _conv(graph, x, normalise_first(_layer(weights, "conv1"), normalisation))
    x = _prelu(graph, x, weights["prelu1.weight"])
    x = _pool(graph, x, 2)
    for stage in "23":
        x = _conv(graph, x, _layer(weights, f"conv{stage}"))
        x = _prelu(graph, x, weights[f"prelu{stage}.weight"])

    box = _conv(graph, x, _layer(weights, "conv4_2"))  # (N, 4, h, w)
    graph.add("Transpose", box, output="regressions", perm=[0, 2, 3, 1])
    graph.output("regressions", ("batch", "rows", "columns", 4))

    face = _conv(graph, x, face_or_not(_layer(weights, "conv4_1")))  # (N, 1, h, w)
    face = graph.add("Sigmoid", face)
    channel = graph.constant(np.array([1], np.int64))
    graph.add("Squeeze", face, channel, output="probabilities")
    graph.output("probabilities", ("batch", "rows", "columns"))
    return graph.serialise()


def convert_rnet(weights: Weights, normalisation: Normalisation) -> bytes:
    """Return R-Net: crops of 24 pixels to better boxes.

    ``pixels`` (N, 24, 24, 3) to ``regressions`` (N, 4) and ``probabilities`` (N,).
    """
    graph = Graph("rnet")
    x = _pixels(graph, 24, 24)
    x = _conv(graph, x, normalise_first(_layer(weights, "conv1"), normalisation))
    x = _pool(graph, _prelu(graph, x, weights["prelu1.weight"]), 3)
    x = _conv(graph, x, _layer(weights, "conv2"))
    x = _pool(graph, _prelu(graph, x, weights["prelu2.weight"]), 3)
    x = _conv(graph, x, _layer(weights, "conv3"))
    x = _prelu(graph, x, weights["prelu3.weight"])  # (N, 64, 3, 3)
    x = _flat(graph, x, _layer(weights, "dense4"), side=3)
    x = graph.add("PRelu", x, graph.constant(weights["prelu4.weight"]))  # (N, 128)
    _box_and_face(graph, x, box=_layer(weights, "dense5_2"), face=_layer(weights, "dense5_1"))
    return graph.serialise()


def convert_onet(weights: Weights, normalisation: Normalisation) -> bytes:
    """Return O-Net: crops of 48 pixels to final boxes and landmarks.

    ``pixels`` (N, 48, 48, 3) to ``regressions`` (N, 4), ``landmarks`` (N, 5, 2) as x and y
    in parts of the box, and ``probabilities`` (N,).
    """
    graph = Graph("onet")
    x = _pixels(graph, 48, 48)
    x = _conv(graph, x, normalise_first(_layer(weights, "conv1"), normalisation))
    x = _pool(graph, _prelu(graph, x, weights["prelu1.weight"]), 3)
    x = _conv(graph, x, _layer(weights, "conv2"))
    x = _pool(graph, _prelu(graph, x, weights["prelu2.weight"]), 3)
    x = _conv(graph, x, _layer(weights, "conv3"))
    x = _pool(graph, _prelu(graph, x, weights["prelu3.weight"]), 2)
    x = _conv(graph, x, _layer(weights, "conv4"))
    x = _prelu(graph, x, weights["prelu4.weight"])  # (N, 128, 3, 3)
    x = _flat(graph, x, _layer(weights, "dense5"), side=3)
    x = graph.add("PRelu", x, graph.constant(weights["prelu5.weight"]))  # (N, 256)

    matrix, bias = _layer(weights, "dense6_3")
    points = _dense(graph, x, (matrix[LANDMARK_ROWS], bias[LANDMARK_ROWS]))  # (N, 10)
    pairs = graph.constant(np.array([0, 5, 2], np.int64))
    graph.add("Reshape", points, pairs, output="landmarks")
    graph.output("landmarks", ("batch", 5, 2))
    _box_and_face(graph, x, box=_layer(weights, "dense6_2"), face=_layer(weights, "dense6_1"))
    return graph.serialise()


def normalise_first(layer: Layer, normalisation: Normalisation) -> Layer:
    """Return a layer that takes raw pixels p as the given one takes scale * p + offset."""
    kernels, biases = layer
    scaled = kernels.astype(np.float64) * normalisation.scale
    # fsum is exact, so that the order in which a processor adds is of no consequence.
    shifted = [
        math.fsum([bias, *(normalisation.offset * kernel.astype(np.float64).ravel())])
        for kernel, bias in zip(kernels, biases, strict=True)
    ]
    return scaled.astype(np.float32), np.array(shifted, np.float32)


def face_or_not(layer: Layer) -> Layer:
    """Return the layer of one output whose sigmoid is the softmax's second class."""
    matrix, bias = (array.astype(np.float64) for array in layer)
    return (matrix[1:] - matrix[:1]).astype(np.float32), (bias[1:] - bias[:1]).astype(np.float32)


def _layer(weights: Weights, name: str) -> Layer:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def _pixels(graph: Graph, height: Axis, width: Axis) -> str:
    pixels = graph.input("pixels", TensorProto.FLOAT, ("batch", height, width, 3))
    return graph.add("Transpose", pixels, perm=[0, 3, 1, 2])


def _conv(graph: Graph, x: str, layer: Layer) -> str:
    kernels, biases = layer  # (M, C, k, k), (M,)
    return graph.add(
        "Conv",
        x,
        graph.constant(kernels),
        graph.constant(biases),
        kernel_shape=kernels.shape[2:],
    )


def _prelu(graph: Graph, x: str, slopes: NDArray[np.float32]) -> str:
    # Some slopes exceed 1, so that max(x, slope * x) would be another function.
    return graph.add("PRelu", x, graph.constant(slopes.reshape(-1, 1, 1)))


def _pool(graph: Graph, x: str, side: int) -> str:
    return graph.add("MaxPool", x, kernel_shape=[side, side], strides=[2, 2], ceil_mode=1)


def _flat(graph: Graph, x: str, layer: Layer, side: int) -> str:
    """Flatten (N, C, side, side) and add the dense layer after it.

    Its weights were made for columns first, then rows, then channels; they are put in the
    order of the array, which saves a transposition of every crop.
    """
    matrix, bias = layer
    columns_first = matrix.reshape(len(matrix), side, side, -1)  # (M, w, h, C)
    reordered = columns_first.transpose(0, 3, 2, 1).reshape(len(matrix), -1)  # (M, C * h * w)
    return _dense(graph, graph.add("Flatten", x), (reordered, bias))


def _dense(graph: Graph, x: str, layer: Layer, output: str = "") -> str:
    matrix, bias = layer
    constants = graph.constant(matrix), graph.constant(bias)
    return graph.add("Gemm", x, *constants, output=output, transB=1)


def _box_and_face(graph: Graph, x: str, box: Layer, face: Layer) -> None:
    _dense(graph, x, box, output="regressions")
    graph.output("regressions", ("batch", 4))
    probability = graph.add("Sigmoid", _dense(graph, x, face_or_not(face)))  # (N, 1)
    last = graph.constant(np.array([1], np.int64))
    graph.add("Squeeze", probability, last, output="probabilities")
    graph.output("probabilities", ("batch",))
