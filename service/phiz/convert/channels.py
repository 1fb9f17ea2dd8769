"""The channels of each tensor of a BlazeFace in the graph: whole blocks."""

from itertools import permutations
from typing import Final

from phiz.convert.tflite_file import TfliteNetwork

# onnxruntime computes convolutions on channels in blocks as long as a vector register:
# 16 float32 of AVX-512, 8 of AVX2. A depthwise convolution whose channels do not fill whole
# blocks falls back to rows and columns, and all is reordered before and after it.
BLOCK_CHANNELS: Final = 16


def round_up_channels(channels: int) -> int:
    """Return the least number of channels that holds these and fills whole blocks."""
    return -(-channels // BLOCK_CHANNELS) * BLOCK_CHANNELS


def count_channels(network: TfliteNetwork, tensor: int) -> int:
    """Return how many channels a tensor gets; image and heads keep their number."""
    channels = network.shapes[tensor][-1]
    becomes_head = any(
        operator.kind == "RESHAPE" and tensor in operator.inputs for operator in network.operators
    )
    return channels if becomes_head or tensor in network.inputs else round_up_channels(channels)


def find_split_points(network: TfliteNetwork) -> dict[int, int]:
    """Return, by tensors that are added to a PAD, how many channels there were before it."""
    before = {
        operator.outputs[0]: count_channels(network, operator.inputs[0])
        for operator in network.operators
        if operator.kind == "PAD"
    }
    return {
        other: before[tensor]
        for operator in network.operators
        if operator.kind == "ADD"
        for tensor, other in permutations(operator.inputs)
        if tensor in before
    }
