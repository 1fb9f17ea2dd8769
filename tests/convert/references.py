"""The converted networks a second time, slowly and in float64, layer by layer.

They are written from the papers and not from the conversion: batch normalisation is not folded,
every padding is computed from its own image, and softmax is softmax. Arrays are (N, H, W, C).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import softmax

from phiz.convert.torch_pickle import StateDict
from phiz.lab.accuracy.gates import Outputs

Array: TypeAlias = NDArray[np.float64]
LayerNames: TypeAlias = tuple[str, str]
"""A convolution and its batch normalisation."""
Block: TypeAlias = tuple[LayerNames | None, LayerNames, LayerNames, int]
"""Expansion (None: there is none), depthwise convolution, projection, and stride."""

# The strides of all blocks: EfficientNet-Lite0's (paper, table 1), MobileNetV2's (paper, table 2).
EFFICIENTNET_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
MOBILENET_STRIDES = (1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)
# ImageNet's mean, in whole pixels, and standard deviation, in parts of 255, of each channel.
MEAN = (124, 116, 104)
DEVIATION = (0.229, 0.224, 0.225)

# MTCNN (Zhang et al. 2016, figure 2): the side of the pooling after each convolution (0: none),
# and the number of each output's layer.
MTCNN_POOLS = {"pnet": (2, 0, 0), "rnet": (3, 3, 0), "onet": (3, 3, 2, 0)}
MTCNN_OUTPUTS = {
    "pnet": {"regressions": "conv4_2", "probabilities": "conv4_1"},
    "rnet": {"regressions": "dense5_2", "probabilities": "dense5_1"},
    "onet": {"regressions": "dense6_2", "landmarks": "dense6_3", "probabilities": "dense6_1"},
}


def run_mtcnn(network: str, weights: StateDict, pixels: NDArray[np.float32]) -> Outputs:
    """Return the outputs of "pnet", "rnet" or "onet" for pixels (N, H, W, 3)."""
    x = (pixels.astype(np.float64) - 127.5) / 128
    pools = MTCNN_POOLS[network]
    for number, side in enumerate(pools, 1):
        x = _convolve(x, weights[f"conv{number}.weight"]) + weights[f"conv{number}.bias"]
        x = _apply_prelu(x, weights[f"prelu{number}.weight"])
        x = _max_pool(x, side) if side else x
    if network != "pnet":
        number = len(pools) + 1
        columns_first = x.transpose(0, 2, 1, 3).reshape(len(x), -1)
        x = _apply_dense(columns_first, weights, f"dense{number}")
        x = _apply_prelu(x, weights[f"prelu{number}.weight"])
    return {
        name: _shape_output(name, _apply_dense(x, weights, layer))
        for name, layer in MTCNN_OUTPUTS[network].items()
    }


def run_efficientnet(weights: StateDict, images: NDArray[np.uint8]) -> Outputs:
    """Return the ``logits`` (N, 1000) of images (N, 224, 224, 3)."""
    layers = _NormalisedLayers(weights, epsilon=1e-3, is_even=False)
    blocks = []
    for number, stride in enumerate(EFFICIENTNET_STRIDES):
        name = f"_blocks.{number}."
        expand = (f"{name}_expand_conv", f"{name}_bn0") if number else None
        depthwise = f"{name}_depthwise_conv", f"{name}_bn1"
        blocks.append((expand, depthwise, (f"{name}_project_conv", f"{name}_bn2"), stride))
    x = (images.astype(np.float64) - 127) / 128
    x = _apply_relu6(layers.run(x, ("_conv_stem", "_bn0"), 2))
    *_, (_, x) = _iterate_blocks(layers, x, blocks)
    x = _apply_relu6(layers.run(x, ("_conv_head", "_bn1")))
    return {"logits": _apply_dense(x.mean(axis=(1, 2)), weights, "_fc")}


def run_mobilenet(weights: StateDict, images: NDArray[np.uint8]) -> Outputs:
    """Return the ``logits`` (N, 1000) of images (N, 224, 224, 3)."""
    *_, x = _iterate_mobilenet_features(weights, images)
    return {"logits": _apply_dense(x.mean(axis=(1, 2)), weights, "classifier.1")}


def run_ssd(weights: StateDict, images: NDArray[np.uint8]) -> Outputs:
    """Return ``stride16`` and ``stride32`` (N, C, h, w) of images (N, S, S, 3).

    The former is the expansion of ``features.14``, the latter the output of ``features.18``.
    """
    features = [*_iterate_mobilenet_features(weights, images)]
    return {
        "stride16": features[14].transpose(0, 3, 1, 2),
        "stride32": features[-1].transpose(0, 3, 1, 2),
    }


@dataclass(frozen=True, slots=True)
class _NormalisedLayers:
    """Weights, and how the framework that they were trained in computes with them.

    Attributes:
        weights: Of the whole network.
        epsilon: Batch normalisation adds it to a variance.
        is_even: Whether an axis is padded by as much before it as after it, as in PyTorch;
            else only as far as its windows reach, as by TensorFlow's SAME.
    """

    weights: StateDict
    epsilon: float
    is_even: bool

    def run(self, x: Array, names: LayerNames, stride: int = 1) -> Array:
        """Return a convolution and its batch normalisation."""
        convolution, norm = names
        kernels = self.weights[f"{convolution}.weight"]
        y = _convolve(self._pad(x, kernels.shape[-1], stride), kernels, stride)
        gamma, beta, mean, variance = (
            self.weights[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        normalised: Array = (y - mean) / np.sqrt(variance + self.epsilon) * gamma + beta
        return normalised

    def _pad(self, x: Array, side: int, stride: int) -> Array:
        """Return arrays with zeros around them, for kernels of a side; the odd one goes after."""
        size = x.shape[1]
        reach = (-(-size // stride) - 1) * stride + side
        total = 2 * (side // 2) if self.is_even else max(reach - size, 0)
        around = (total // 2, total - total // 2)
        return np.pad(x, ((0, 0), around, around, (0, 0)))


def _iterate_mobilenet_features(weights: StateDict, images: NDArray[np.uint8]) -> Iterator[Array]:
    """Yield the output of the stem, the expansion of every block and the output of the head."""
    layers = _NormalisedLayers(weights, epsilon=1e-5, is_even=True)
    blocks = []
    for number, stride in enumerate(MOBILENET_STRIDES, 1):
        name, first = f"features.{number}.conv", int(number > 1)
        expand = (f"{name}.0.0", f"{name}.0.1") if first else None
        depthwise = f"{name}.{first}.0", f"{name}.{first}.1"
        blocks.append((expand, depthwise, (f"{name}.{first + 1}", f"{name}.{first + 2}"), stride))
    x = (images.astype(np.float64) - MEAN) / (255 * np.array(DEVIATION))
    x = _apply_relu6(layers.run(x, ("features.0.0", "features.0.1"), 2))
    yield x
    for expanded, output in _iterate_blocks(layers, x, blocks):
        x = output
        yield expanded
    yield _apply_relu6(layers.run(x, ("features.18.0", "features.18.1")))


def _iterate_blocks(
    layers: _NormalisedLayers, x: Array, blocks: Iterable[Block]
) -> Iterator[tuple[Array, Array]]:
    """Yield the expansion and the output of each inverted residual block."""
    for expand, depthwise, project, stride in blocks:
        expanded = _apply_relu6(layers.run(x, expand)) if expand else x
        y = layers.run(_apply_relu6(layers.run(expanded, depthwise, stride)), project)
        x = x + y if x.shape == y.shape else y
        yield expanded, x


def _convolve(x: Array, kernels: NDArray[Any], stride: int = 1) -> Array:
    """Return the convolution by kernels (M, C, k, k), or (C, 1, k, k) for single channels."""
    windows = sliding_window_view(x, kernels.shape[2:], axis=(1, 2))  # (N, h, w, C, k, k)
    windows, kernels = windows[:, ::stride, ::stride], kernels.astype(np.float64)
    if kernels.shape[1] == 1:
        return np.asarray(np.einsum("nhwcij,cij->nhwc", windows, kernels[:, 0]))
    return np.asarray(np.einsum("nhwcij,mcij->nhwm", windows, kernels, optimize=True))


def _max_pool(x: Array, side: int) -> Array:
    """Return the maximum of windows two apart; the last may hang over the edge."""
    beyond = [(0, (size - side) % 2) for size in x.shape[1:3]]
    padded = np.pad(x, ((0, 0), *beyond, (0, 0)), constant_values=-np.inf)
    windows = sliding_window_view(padded, (side, side), axis=(1, 2))[:, ::2, ::2]
    largest: Array = windows.max(axis=(4, 5))
    return largest


def _apply_dense(x: Array, weights: StateDict, name: str) -> Array:
    """Return a dense layer, or a convolution by kernels (M, C, 1, 1), of features (…, C)."""
    matrix = weights[f"{name}.weight"].astype(np.float64)
    return x @ matrix.reshape(len(matrix), -1).T + weights[f"{name}.bias"]


def _shape_output(name: str, x: Array) -> Array:
    if name == "probabilities":
        return np.asarray(softmax(x, axis=-1)[..., 1])
    # x of all five points, then y of all five.
    return np.stack([x[:, :5], x[:, 5:]], axis=2) if name == "landmarks" else x


def _apply_prelu(x: Array, slopes: NDArray[np.float32]) -> Array:
    return np.where(x > 0, x, slopes.astype(np.float64) * x)


def _apply_relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)
