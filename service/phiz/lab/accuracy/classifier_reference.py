"""The classifiers a second time, slowly and in float64, to hold the converted ones against.

Batch normalisation is not folded, every padding is computed from its own picture, and
convolutions are sums over the places of their window. Arrays are (N, C, H, W) but for images.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.convert.torch_pickle import StateDict
from phiz.lab.accuracy.mtcnn_reference import Outputs

Array: TypeAlias = NDArray[np.float64]

# EfficientNet-Lite0's blocks by stage (paper, table 1): count, kernel, stride, outputs.
EFFICIENTNET_BLOCKS: Final = (
    *((1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80)),
    *((3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320)),
)
# MobileNetV2's (paper, table 2): expansion, outputs, count, stride.
MOBILENET_BLOCKS: Final = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)
# ImageNet's mean, in whole pixels, and standard deviation, in parts of 255, of each channel.
MEAN: Final = (124, 116, 104)
DEVIATION: Final = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class _ReferenceWeights:
    """Weights, and how the framework that they were trained in computes with them.

    Attributes:
        weights: Of the whole network.
        epsilon: What batch normalisation adds to a variance.
        is_even: Whether an axis is padded by as much before it as after it, as in PyTorch;
            else only as far as its windows reach, as by TensorFlow's SAME.
    """

    weights: StateDict
    epsilon: float
    is_even: bool

    def run_layer(self, x: Array, convolution: str, norm: str, stride: int = 1) -> Array:
        """Return a convolution and its batch normalisation."""
        kernels = self.weights[f"{convolution}.weight"]
        y = _convolve(
            _pad_input(x, kernels.shape[-1], stride, is_even=self.is_even), kernels, stride
        )
        gamma, beta, mean, variance = (
            self.weights[f"{norm}.{part}"].astype(np.float64).reshape(-1, 1, 1)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        normalised: Array = (y - mean) / np.sqrt(variance + self.epsilon) * gamma + beta
        return normalised


def run_efficientnet(weights: StateDict, images: NDArray[np.uint8]) -> Outputs:
    """Return the ``logits`` (N, 1000) of images (N, 224, 224, 3)."""
    layers = _ReferenceWeights(weights, epsilon=1e-3, is_even=False)
    x = (images.astype(np.float64).transpose(0, 3, 1, 2) - 127) / 128
    x = _apply_relu6(layers.run_layer(x, "_conv_stem", "_bn0", 2))
    number = 0
    for count, side, first_stride, outputs in EFFICIENTNET_BLOCKS:
        for stride in [first_stride] + [1] * (count - 1):
            name = f"_blocks.{number}."
            y = (
                _apply_relu6(layers.run_layer(x, f"{name}_expand_conv", f"{name}_bn0"))
                if number
                else x
            )
            y = _apply_relu6(layers.run_layer(y, f"{name}_depthwise_conv", f"{name}_bn1", stride))
            y = layers.run_layer(y, f"{name}_project_conv", f"{name}_bn2")
            assert weights[f"{name}_depthwise_conv.weight"].shape[-1] == side
            assert y.shape[1] == outputs
            x = x + y if x.shape == y.shape else y
            number += 1
    x = _apply_relu6(layers.run_layer(x, "_conv_head", "_bn1"))
    return {"logits": x.mean(axis=(2, 3)) @ weights["_fc.weight"].T + weights["_fc.bias"]}


def run_mobilenet(weights: StateDict, images: NDArray[np.uint8]) -> Outputs:
    """Return the ``logits`` (N, 1000) of images (N, 224, 224, 3)."""
    (x,) = deque(_iterate_mobilenet_features(weights, images), maxlen=1)  # the last
    matrix, biases = weights["classifier.1.weight"], weights["classifier.1.bias"]
    return {"logits": x.mean(axis=(2, 3)) @ matrix.T + biases}


def run_ssd(weights: StateDict, images: NDArray[np.uint8]) -> Outputs:
    """Return ``stride16`` and ``stride32`` of images (N, S, S, 3), S a multiple of 32.

    The former is what ``features.14`` expands to, the latter what ``features.18`` gives.
    """
    features = [*_iterate_mobilenet_features(weights, images)]
    return {"stride16": features[14], "stride32": features[-1]}


def _iterate_mobilenet_features(weights: StateDict, images: NDArray[np.uint8]) -> Iterator[Array]:
    """Yield of the stem its output, of every block what it expands to, of the head its output."""
    layers = _ReferenceWeights(weights, epsilon=1e-5, is_even=True)
    x = (images.astype(np.float64) - MEAN) / (255 * np.array(DEVIATION))
    x = _apply_relu6(layers.run_layer(x.transpose(0, 3, 1, 2), "features.0.0", "features.0.1", 2))
    yield x
    number = 1
    for expansion, outputs, count, first_stride in MOBILENET_BLOCKS:
        for stride in [first_stride] + [1] * (count - 1):
            name, index, y = f"features.{number}.conv", 0, x
            if expansion > 1:
                y, index = _apply_relu6(layers.run_layer(x, f"{name}.0.0", f"{name}.0.1")), 1
            assert y.shape[1] == expansion * x.shape[1]
            yield y
            y = _apply_relu6(layers.run_layer(y, f"{name}.{index}.0", f"{name}.{index}.1", stride))
            y = layers.run_layer(y, f"{name}.{index + 1}", f"{name}.{index + 2}")
            assert y.shape[1] == outputs
            x = x + y if x.shape == y.shape else y
            number += 1
    yield _apply_relu6(layers.run_layer(x, "features.18.0", "features.18.1"))


def _pad_input(x: Array, side: int, stride: int, *, is_even: bool) -> Array:
    """Return arrays with zeros around them, for kernels of a side; the odd one goes after."""
    size = x.shape[2]
    outputs = -(-size // stride)
    total = 2 * (side // 2) if is_even else max((outputs - 1) * stride + side - size, 0)
    around = (total // 2, total - total // 2)
    return np.pad(x, ((0, 0), (0, 0), around, around))


def _convolve(x: Array, kernels: NDArray[Any], stride: int) -> Array:
    """Return the convolution by kernels (M, C, k, k), or (M, 1, k, k) for single channels."""
    count, channels, side, _ = kernels.shape
    outputs = (x.shape[2] - side) // stride + 1
    total = np.zeros((len(x), count, outputs, outputs))
    until = (outputs - 1) * stride + 1
    for row in range(side):
        for column in range(side):
            window = x[:, :, row : row + until : stride, column : column + until : stride]
            tap = kernels[:, :, row, column].astype(np.float64)  # (M, C)
            if channels == 1 < x.shape[1]:
                total += window * tap[:, :, None]
            else:
                total += np.einsum("mc,nchw->nmhw", tap, window, optimize=True)
    return total


def _apply_relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)
