"""MTCNN's networks a second time, slowly and in float64, to hold the converted ones against.

Written from the architecture (Zhang et al. 2016, figure 2) and not from the conversion: no
folding, no reordering, softmax as softmax. Arrays are (N, C, H, W) but for the pixels.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from phiz.convert.torch_pickle import StateDict

Array: TypeAlias = NDArray[np.float64]
Outputs: TypeAlias = Mapping[str, NDArray[Any]]
"""By the names of the converted networks' outputs."""


def run_pnet(weights: StateDict, pixels: NDArray[np.float32]) -> Outputs:
    """Return P-Net's ``regressions`` (N, h, w, 4) and ``probabilities`` (N, h, w)."""
    x = _normalise(pixels)  # (N, 3, H, W)
    x = _max_pool(_apply_prelu(_convolve(x, weights, "conv1"), weights, "prelu1"), 2)
    x = _apply_prelu(_convolve(x, weights, "conv2"), weights, "prelu2")
    x = _apply_prelu(_convolve(x, weights, "conv3"), weights, "prelu3")  # (N, 32, h, w)
    return {
        "regressions": _convolve(x, weights, "conv4_2").transpose(0, 2, 3, 1),
        "probabilities": _apply_softmax(_convolve(x, weights, "conv4_1"))[:, 1],
    }


def run_rnet(weights: StateDict, pixels: NDArray[np.float32]) -> Outputs:
    """Return R-Net's ``regressions`` (N, 4) and ``probabilities`` (N,)."""
    x = _normalise(pixels)  # (N, 3, 24, 24)
    x = _max_pool(_apply_prelu(_convolve(x, weights, "conv1"), weights, "prelu1"), 3)
    x = _max_pool(_apply_prelu(_convolve(x, weights, "conv2"), weights, "prelu2"), 3)
    x = _apply_prelu(_convolve(x, weights, "conv3"), weights, "prelu3")  # (N, 64, 3, 3)
    x = _apply_prelu(
        _apply_dense(_flatten_columns_first(x), weights, "dense4"), weights, "prelu4"
    )  # (N, 128)
    return {
        "regressions": _apply_dense(x, weights, "dense5_2"),
        "probabilities": _apply_softmax(_apply_dense(x, weights, "dense5_1"))[:, 1],
    }


def run_onet(weights: StateDict, pixels: NDArray[np.float32]) -> Outputs:
    """Return O-Net's ``regressions`` (N, 4), ``landmarks`` (N, 5, 2), ``probabilities`` (N,)."""
    x = _normalise(pixels)  # (N, 3, 48, 48)
    x = _max_pool(_apply_prelu(_convolve(x, weights, "conv1"), weights, "prelu1"), 3)
    x = _max_pool(_apply_prelu(_convolve(x, weights, "conv2"), weights, "prelu2"), 3)
    x = _max_pool(_apply_prelu(_convolve(x, weights, "conv3"), weights, "prelu3"), 2)
    x = _apply_prelu(_convolve(x, weights, "conv4"), weights, "prelu4")  # (N, 128, 3, 3)
    x = _apply_prelu(
        _apply_dense(_flatten_columns_first(x), weights, "dense5"), weights, "prelu5"
    )  # (N, 256)
    points = _apply_dense(x, weights, "dense6_3")  # (N, 10): x of all five, then y of all five
    return {
        "regressions": _apply_dense(x, weights, "dense6_2"),
        "landmarks": np.stack([points[:, :5], points[:, 5:]], axis=2),
        "probabilities": _apply_softmax(_apply_dense(x, weights, "dense6_1"))[:, 1],
    }


def _normalise(pixels: NDArray[np.float32]) -> Array:
    return (pixels.astype(np.float64).transpose(0, 3, 1, 2) - 127.5) / 128


def _convolve(x: Array, weights: StateDict, name: str) -> Array:
    kernels = weights[f"{name}.weight"].astype(np.float64)  # (M, C, k, k)
    windows = sliding_window_view(x, kernels.shape[2:], axis=(2, 3))  # (N, C, h, w, k, k)
    summed: Array = np.einsum("nchwij,mcij->nmhw", windows, kernels)
    return summed + weights[f"{name}.bias"].reshape(-1, 1, 1)


def _apply_prelu(x: Array, weights: StateDict, name: str) -> Array:
    slopes = weights[f"{name}.weight"].astype(np.float64)
    slopes = slopes.reshape(-1, *[1] * (x.ndim - 2))  # one for each channel
    return np.where(x > 0, x, slopes * x)


def _max_pool(x: Array, side: int) -> Array:
    """Return the maximum of windows two apart; the last may hang over the edge."""
    beyond = [(size - side) % 2 for size in x.shape[2:]]
    hanging = np.pad(x, ((0, 0), (0, 0), *((0, more) for more in beyond)), constant_values=-np.inf)
    windows = sliding_window_view(hanging, (side, side), axis=(2, 3))[:, :, ::2, ::2]
    largest: Array = windows.max(axis=(4, 5))
    return largest


def _flatten_columns_first(x: Array) -> Array:
    return x.transpose(0, 3, 2, 1).reshape(len(x), -1)


def _apply_dense(x: Array, weights: StateDict, name: str) -> Array:
    return x @ weights[f"{name}.weight"].astype(np.float64).T + weights[f"{name}.bias"]


def _apply_softmax(x: Array) -> Array:
    # Less the largest, so that the exponential cannot overflow.
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares
