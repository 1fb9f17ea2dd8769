"""EfficientNet-Lite0 as an ONNX graph, from PyTorch weights.

Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019
(arXiv:1905.11946), without squeeze-and-excitation and with ReLU6, as
``models/official/efficientnet/lite`` in tensorflow/tpu has it. Batch normalisation is folded
into the convolution before it.
"""

from typing import Final

import numpy as np

from phiz.build.classifier import add_classes, add_convolution, add_mean, add_picture
from phiz.build.convolution import Convolution, Steps, same_pads
from phiz.build.graph import Graph
from phiz.build.torch_pickle import Weights
from phiz.cards import Normalisation
from phiz.errors import ConversionError

# The side halves down to 7, so that SAME pads every layer as it would one of this side.
SIZE: Final = 224
# By stage: how many blocks, and the stride of the first (paper, table 1); all else is in the
# shapes of the weights.
STAGES: Final = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
STRIDES: Final = tuple(
    stride if block == 0 else 1 for blocks, stride in STAGES for block in range(blocks)
)
STEM_STRIDE: Final = 2
EPSILON: Final = 1e-3  # that batch normalisation was trained with


def convert_efficientnet(weights: Weights, name: str, normalisation: Normalisation) -> bytes:
    """Return the graph ``image`` (N, 224, 224, 3) to ``logits`` (N, 1000).

    Raises:
        ConversionError: A weight is missing.
    """
    graph = Graph(name)
    x = add_picture(graph, SIZE, normalisation)
    try:
        x = add_convolution(graph, x, _layer(weights, "_conv_stem", "_bn0", STEM_STRIDE))
        for number, stride in enumerate(STRIDES):
            x = _add_block(graph, x, weights, f"_blocks.{number}.", stride)
        x = add_convolution(graph, x, _layer(weights, "_conv_head", "_bn1"))
        last = weights["_fc.weight"], weights["_fc.bias"]
    except KeyError as error:
        raise ConversionError(f"{name}: the file has no weights {error}") from error
    add_classes(graph, add_mean(graph, x), last)
    return graph.serialise()


def _add_block(graph: Graph, x: str, weights: Weights, name: str, stride: int) -> str:
    """Add an inverted residual: expand, filter each channel by itself, project, add."""
    layers = [
        _layer(weights, f"{name}_depthwise_conv", f"{name}_bn1", stride),
        _layer(weights, f"{name}_project_conv", f"{name}_bn2"),
    ]
    if f"{name}_expand_conv.weight" in weights:
        layers.insert(0, _layer(weights, f"{name}_expand_conv", f"{name}_bn0"))
    first, last = layers[0], layers[-1]
    y = x
    for layer in layers:
        y = add_convolution(graph, y, layer, clipped=layer is not last)
    return graph.add("Add", x, y) if stride == 1 and first.inputs == last.outputs else y


def _layer(weights: Weights, name: str, norm: str, stride: int = 1) -> Convolution:
    """Return a convolution with its batch normalisation folded in.

    Formula: Ioffe, Szegedy: Batch Normalization, 2015 (arXiv:1502.03167), algorithm 2.
    """
    kernels = weights[f"{name}.weight"].astype(np.float64)  # (M, C, k, k)
    gamma, beta, mean, variance = (
        weights[f"{norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )  # (M,) each
    factors = gamma / np.sqrt(variance + EPSILON)  # (M,)
    before, after = same_pads(SIZE, kernels.shape[-1], stride)
    return Convolution(
        kernels=(kernels * factors[:, None, None, None]).astype(np.float32),
        biases=(beta - mean * factors).astype(np.float32),
        steps=Steps((stride, stride), (before, before, after, after)),
        is_depthwise=name.endswith("_depthwise_conv"),
    )
