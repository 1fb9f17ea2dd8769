"""The architectures of the classifiers: names of layers, strides and padding.

MobileNetV2: ``torchvision/models/mobilenetv2.py`` (arXiv:1801.04381). EfficientNet-Lite0: Tan, Le:
EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019 (arXiv:1905.11946),
without squeeze-and-excitation and with ReLU6, as ``models/official/efficientnet/lite`` in
tensorflow/tpu has it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import starmap
from typing import Final

from phiz.convert.convolution import compute_same_pads
from phiz.convert.inverted_residual import ArchitectureSpec, Block, LayerSpec

INPUT_SIZE: Final = 224
# By stage: how many blocks, and the stride of the first (the papers' tables 2 and 1); all else is
# in the shapes of the weights.
MOBILENET_STAGES: Final = ((1, 1), (2, 2), (3, 2), (4, 2), (3, 1), (3, 2), (1, 1))
EFFICIENTNET_STAGES: Final = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))


def _build_blocks(
    stages: Sequence[tuple[int, int]], list_names: Callable[[int], Sequence[tuple[str, str]]]
) -> tuple[Block, ...]:
    """Return the blocks of stages; ``list_names`` gives the names of a block's layers."""
    strides = [first if block == 0 else 1 for count, first in stages for block in range(count)]
    blocks = []
    for number, stride in enumerate(strides):
        *expansion, depthwise, projection = starmap(LayerSpec, list_names(number))
        blocks.append((*expansion, replace(depthwise, stride=stride), projection))
    return tuple(blocks)


def _list_mobilenet_names(block: int) -> list[tuple[str, str]]:
    name = f"features.{block + 1}.conv"
    first = f"{name}.0.0", f"{name}.0.1"
    if block == 0:  # without expansion
        return [first, (f"{name}.1", f"{name}.2")]
    return [first, (f"{name}.1.0", f"{name}.1.1"), (f"{name}.2", f"{name}.3")]


def _list_efficientnet_names(block: int) -> list[tuple[str, str]]:
    name = f"_blocks.{block}."
    layers = ("expand", "depthwise", "project")
    names = [(f"{name}_{layer}_conv", f"{name}_bn{norm}") for norm, layer in enumerate(layers)]
    return names if block else names[1:]


MOBILENET: Final = ArchitectureSpec(
    stem=LayerSpec("features.0.0", "features.0.1", stride=2),
    blocks=_build_blocks(MOBILENET_STAGES, _list_mobilenet_names),
    head=LayerSpec("features.18.0", "features.18.1"),
    logits="classifier.1",
    input_size=INPUT_SIZE,
    epsilon=1e-5,  # PyTorch's default
    # As much before an axis as after it: TensorFlow's SAME puts the odd pixel after it.
    compute_pads=lambda kernel, _stride: (kernel // 2, kernel // 2),
)
EFFICIENTNET: Final = ArchitectureSpec(
    stem=LayerSpec("_conv_stem", "_bn0", stride=2),
    blocks=_build_blocks(EFFICIENTNET_STAGES, _list_efficientnet_names),
    head=LayerSpec("_conv_head", "_bn1"),
    logits="_fc",
    input_size=INPUT_SIZE,
    epsilon=1e-3,  # that it was trained with
    # The side halves down to 7, so that SAME pads every layer as it would one of this side.
    compute_pads=lambda kernel, stride: compute_same_pads(INPUT_SIZE, kernel, stride),
)
