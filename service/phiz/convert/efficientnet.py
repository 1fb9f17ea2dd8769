"""EfficientNet-Lite0: names, strides, padding.

Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019
(arXiv:1905.11946), without squeeze-and-excitation and with ReLU6, as
``models/official/efficientnet/lite`` in tensorflow/tpu has it.
"""

from typing import Final

from phiz.convert.convolution import compute_same_pads
from phiz.convert.inverted_residual import ArchitectureSpec, BlockSpec, LayerSpec, list_strides

# The side halves down to 7, so that SAME pads every layer as it would one of this side.
INPUT_SIZE: Final = 224
# By stage: how many blocks, and the stride of the first (paper, table 1); all else is in the
# shapes of the weights.
EFFICIENTNET_STAGES: Final = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))


def _compute_pads(kernel: int, stride: int) -> tuple[int, int]:
    return compute_same_pads(INPUT_SIZE, kernel, stride)


def _build_block(number: int, stride: int) -> BlockSpec:
    name = f"_blocks.{number}."
    return BlockSpec(
        expand=LayerSpec(f"{name}_expand_conv", f"{name}_bn0") if number else None,
        depthwise=LayerSpec(f"{name}_depthwise_conv", f"{name}_bn1", stride),
        project=LayerSpec(f"{name}_project_conv", f"{name}_bn2"),
    )


EFFICIENTNET: Final = ArchitectureSpec(
    stem=LayerSpec("_conv_stem", "_bn0", stride=2),
    blocks=tuple(
        _build_block(number, stride)
        for number, stride in enumerate(list_strides(EFFICIENTNET_STAGES))
    ),
    head=LayerSpec("_conv_head", "_bn1"),
    logits="_fc",
    input_size=INPUT_SIZE,
    epsilon=1e-3,  # that it was trained with
    compute_pads=_compute_pads,
)
