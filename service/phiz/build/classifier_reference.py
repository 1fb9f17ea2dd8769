"""The classifiers a second time, slowly and in float64, to hold the converted ones against.

Batch normalisation is not folded, every padding is computed from its own picture, and
convolutions are sums over the places of their window. Arrays are (N, C, H, W) but for images.
"""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.build.reference import Outputs
from phiz.build.tflite_file import Operator, TfliteNetwork
from phiz.build.torch_pickle import Weights

Array: TypeAlias = NDArray[np.float64]

# EfficientNet-Lite0's blocks by stage (paper, table 1): count, kernel, stride, outputs.
BLOCKS: Final = (
    *((1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80)),
    *((3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320)),
)
RELU6: Final = 3  # tflite ActivationFunctionType


def run_efficientnet(weights: Weights, images: NDArray[np.uint8]) -> Outputs:
    """Return the ``logits`` (N, 1000) of images (N, 224, 224, 3)."""
    x = (images.astype(np.float64).transpose(0, 3, 1, 2) - 127) / 128
    x = _relu6(_normalised_conv(x, weights, "_conv_stem", "_bn0", 2))
    number = 0
    for count, side, stride, outputs in BLOCKS:
        for first in [True] + [False] * (count - 1):
            x = _block(x, weights, f"_blocks.{number}.", stride if first else 1)
            assert weights[f"_blocks.{number}._depthwise_conv.weight"].shape[-1] == side
            assert x.shape[1] == outputs
            number += 1
    x = _relu6(_normalised_conv(x, weights, "_conv_head", "_bn1", 1))
    return {"logits": x.mean(axis=(2, 3)) @ weights["_fc.weight"].T + weights["_fc.bias"]}


def _block(x: Array, weights: Weights, name: str, stride: int) -> Array:
    y = x
    if f"{name}_expand_conv.weight" in weights:
        y = _relu6(_normalised_conv(y, weights, f"{name}_expand_conv", f"{name}_bn0", 1))
    y = _relu6(_normalised_conv(y, weights, f"{name}_depthwise_conv", f"{name}_bn1", stride))
    y = _normalised_conv(y, weights, f"{name}_project_conv", f"{name}_bn2", 1)
    return x + y if x.shape == y.shape else y


def _normalised_conv(x: Array, weights: Weights, name: str, norm: str, stride: int) -> Array:
    y = _conv(x, weights[f"{name}.weight"], stride)
    gamma, beta, mean, variance = (
        weights[f"{norm}.{part}"].astype(np.float64).reshape(-1, 1, 1)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    normalised: Array = (y - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    return normalised


def run_mobilenet(network: TfliteNetwork, images: NDArray[np.uint8]) -> Outputs:
    """Return the ``logits`` (N, 1000) of images (N, 224, 224, 3), without rounding between layers.

    The file's first class is none of ImageNet's.
    """
    (given,) = network.inputs
    values = {given: (images.astype(np.float64).transpose(0, 3, 1, 2) - 127) / 127.5}
    for operator in network.operators:
        (output,) = operator.outputs
        values[output] = _run(network, operator, values)
        if operator.kind == "RESHAPE":  # what follows makes probabilities of them
            return {"logits": values[output][:, 1:]}
    raise AssertionError("the network ends in a RESHAPE and a SOFTMAX")


def run_ssd(network: TfliteNetwork, images: NDArray[np.uint8]) -> Outputs:
    """Return ``stride16`` and ``stride32`` of images (N, S, S, 3), S a multiple of 32.

    The former is what the last depthwise layer that halves the sides is given.
    """
    (given,) = network.inputs
    values = {given: (images.astype(np.float64).transpose(0, 3, 1, 2) - 127) / 127.5}
    middle = values[given]
    for operator in network.operators:
        x = values[operator.inputs[0]]
        if operator.kind == "MEAN":
            return {"stride16": middle, "stride32": x}
        if operator.kind == "DEPTHWISE_CONV_2D" and operator.options["StrideH"] != 1:
            middle = x
        (output,) = operator.outputs
        values[output] = _run(network, operator, values)
    raise AssertionError("the network has a MEAN")


def _run(network: TfliteNetwork, operator: Operator, values: dict[int, Array]) -> Array:
    x = values[operator.inputs[0]]
    if operator.kind == "ADD":
        return x + values[operator.inputs[1]]
    if operator.kind == "MEAN":
        means: Array = x.mean(axis=(2, 3), keepdims=True)
        return means
    if operator.kind in {"QUANTIZE", "RESHAPE"}:
        return x[:, :, 0, 0] if operator.kind == "RESHAPE" else x
    kernels, biases = (network.array(tensor) for tensor in operator.inputs[1:])
    last = (3, 0, 1, 2) if operator.kind == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2)
    y = _conv(x, kernels.transpose(last), operator.options["StrideH"])
    y = y + biases.astype(np.float64).reshape(-1, 1, 1)
    return _relu6(y) if operator.options["FusedActivationFunction"] == RELU6 else y


def _conv(x: Array, kernels: NDArray[Any], stride: int) -> Array:
    """Return the convolution by kernels (M, C, k, k), or (M, 1, k, k) for single channels.

    The edge is padded with 0, so that there is an output for every ``stride`` inputs, and by one
    more after it than before if the number is odd.
    """
    count, channels, side, _ = kernels.shape
    outputs = -(-x.shape[2] // stride)
    pad = max((outputs - 1) * stride + side - x.shape[2], 0)
    around = (pad // 2, pad - pad // 2)
    x = np.pad(x, ((0, 0), (0, 0), around, around))
    total = np.zeros((len(x), count, outputs, outputs))
    until = (outputs - 1) * stride + 1
    for row in range(side):
        for column in range(side):
            seen = x[:, :, row : row + until : stride, column : column + until : stride]
            tap = kernels[:, :, row, column].astype(np.float64)  # (M, C)
            if channels == 1 < x.shape[1]:
                total += seen * tap[:, :, None]
            else:
                total += np.einsum("mc,nchw->nmhw", tap, seen, optimize=True)
    return total


def _relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)
