"""MobileNetV2 as torchvision trained it: names, strides, padding.

Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear Bottlenecks,
2018 (arXiv:1801.04381); ``torchvision/models/mobilenetv2.py``. An axis is padded by as much
before it as after it, where TensorFlow's SAME puts the odd pixel after it.
"""

from typing import Final

from phiz.convert.inverted_residual import ArchitectureSpec, BlockSpec, LayerSpec, list_strides

# By stage: how many blocks, and the stride of the first (paper, table 2); all else is in the
# shapes of the weights.
MOBILENET_STAGES: Final = ((1, 1), (2, 2), (3, 2), (4, 2), (3, 1), (3, 2), (1, 1))


def _compute_pads(kernel: int, _stride: int) -> tuple[int, int]:
    return kernel // 2, kernel // 2


def _build_block(number: int, stride: int) -> BlockSpec:
    """Return the names of a block; the file numbers its layers, and the first block has fewer."""
    name = f"features.{number}.conv"
    if number == 1:
        return BlockSpec(
            expand=None,
            depthwise=LayerSpec(f"{name}.0.0", f"{name}.0.1", stride),
            project=LayerSpec(f"{name}.1", f"{name}.2"),
        )
    return BlockSpec(
        expand=LayerSpec(f"{name}.0.0", f"{name}.0.1"),
        depthwise=LayerSpec(f"{name}.1.0", f"{name}.1.1", stride),
        project=LayerSpec(f"{name}.2", f"{name}.3"),
    )


MOBILENET: Final = ArchitectureSpec(
    stem=LayerSpec("features.0.0", "features.0.1", stride=2),
    blocks=tuple(
        _build_block(number, stride)
        for number, stride in enumerate(list_strides(MOBILENET_STAGES), start=1)
    ),
    head=LayerSpec("features.18.0", "features.18.1"),
    logits="classifier.1",
    input_size=224,
    epsilon=1e-5,  # PyTorch's default
    compute_pads=_compute_pads,
)
