import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from phiz.convert.convolution import (
    Convolution,
    SlidingWindow,
    compute_same_pads,
    count_channels,
    find_split_points,
    pad_channels,
    round_up_channels,
    split_outputs,
)
from phiz.convert.tflite_file import Operator, TfliteNetwork


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads"),
    [
        (128, 5, 2, (1, 2)),
        (64, 3, 1, (1, 1)),
        (64, 3, 2, (0, 1)),
        (65, 3, 2, (1, 1)),
        (64, 2, 2, (0, 0)),
        (7, 1, 2, (0, 0)),
    ],
)
def test_same_pads(size: int, kernel: int, stride: int, pads: tuple[int, int]) -> None:
    assert compute_same_pads(size, kernel, stride) == pads


def layer(*, is_depthwise: bool) -> Convolution:
    """Twenty outputs, of six inputs or of one each."""
    rng = np.random.default_rng(0)
    return Convolution(
        kernels=rng.normal(size=(20, 1 if is_depthwise else 6, 3, 3)).astype(np.float32),
        biases=rng.normal(size=20).astype(np.float32),
        window=SlidingWindow(strides=(2, 2), pads=(0, 0, 1, 1)),
        is_depthwise=is_depthwise,
    )


def run(convolution: Convolution, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """From (C, H, W) to (M, h, w), by the definition."""
    (down, across), (top, left, bottom, right) = convolution.window.strides, convolution.window.pads
    around = np.pad(x, ((0, 0), (top, bottom), (left, right)))
    windows = sliding_window_view(around, convolution.kernels.shape[2:], axis=(1, 2))
    seen = windows[:, ::down, ::across]  # (C, h, w, 3, 3)
    sums = "chwij,cij->chw" if convolution.is_depthwise else "chwij,mcij->mhw"
    kernels = convolution.kernels[:, 0] if convolution.is_depthwise else convolution.kernels
    answer: NDArray[np.float64] = np.einsum(sums, seen, kernels)
    return answer + convolution.biases[:, None, None]


@pytest.mark.parametrize("is_depthwise", [False, True], ids=["dense", "depthwise"])
def test_further_channels_change_nothing_and_are_zero(is_depthwise: bool) -> None:  # noqa: FBT001
    plain = layer(is_depthwise=is_depthwise)
    inputs = 20 if is_depthwise else 6
    x = np.random.default_rng(1).normal(size=(inputs, 8, 10))
    further = np.zeros((32 - inputs, 8, 10))
    wide = run(pad_channels(plain, 32, 32), np.concatenate([x, further]))
    assert wide.shape == (32, 4, 5)
    np.testing.assert_allclose(wide[:20], run(plain, x), rtol=0, atol=1e-12)
    assert not wide[20:].any()


@pytest.mark.parametrize(
    ("outputs", "counts"), [(1, [1, 19]), (16, [16, 4]), (19, [19, 1]), (20, [20]), (32, [20])]
)
def test_a_layer_in_parts_gives_its_outputs_in_order(outputs: int, counts: list[int]) -> None:
    whole = layer(is_depthwise=False)
    parts = split_outputs(whole, outputs)
    assert [part.outputs for part in parts] == counts
    x = np.random.default_rng(1).normal(size=(6, 8, 10))
    joined = np.concatenate([run(part, x) for part in parts])
    np.testing.assert_allclose(joined, run(whole, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("channels", "whole"), [(1, 16), (16, 16), (17, 32), (88, 96)])
def test_whole_blocks(channels: int, whole: int) -> None:
    assert round_up_channels(channels) == whole


RESIDUAL = TfliteNetwork(
    inputs=(0,),
    outputs=(6,),
    shapes=(
        (1, 8, 8, 3),  # the picture
        (1, 8, 8, 28),
        (1, 8, 8, 36),  # 1 padded
        (1, 8, 8, 36),  # what is added to it
        (1, 8, 8, 36),
        (1, 8, 8, 2),
        (1, 128, 1),
    ),
    constants={},
    operators=(
        Operator("PAD", (1,), (2,), {}),
        Operator("ADD", (3, 2), (4,), {}),
        Operator("RESHAPE", (5,), (6,), {}),
    ),
)


def test_channels_fill_whole_blocks_but_for_the_picture_and_the_heads() -> None:
    assert [count_channels(RESIDUAL, tensor) for tensor in range(6)] == [3, 32, 48, 48, 48, 2]


def test_seams_are_where_a_residual_connection_had_its_channels() -> None:
    assert find_split_points(RESIDUAL) == {3: 32}
