"""The size of a network: its parameters, and its multiplications for one image."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper, shape_inference

from phiz.convert.quantise import LAYERS


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """The size of a network, without channels of zeros that only fill a block.

    Attributes:
        macs: Multiplications with additions in its layers, for one image.
        parameters: Numbers in its layers.
    """

    macs: int
    parameters: int


def measure_size(graph: bytes) -> NetworkSize | None:
    """Return the size of a float graph, or None if its input may be of any size.

    Weights that are 0 in a whole input or output channel do not count: the converter fills
    blocks of channels with them.
    """
    model = shape_inference.infer_shapes(onnx.load_from_string(graph))
    weights = {array.name: numpy_helper.to_array(array) for array in model.graph.initializer}
    shapes = {
        value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.value_info, *model.graph.output, *model.graph.input)
    }
    macs = parameters = 0
    for node in model.graph.node:
        if node.op_type not in LAYERS:
            continue
        # Of each image: the first axis is the batch.
        places = int(np.prod(shapes[node.output[0]][2:]))
        if places == 0:
            return None
        kernels = weights[node.input[1]]  # (M, C, …)
        counted = _count_without_zeros(kernels)
        macs += counted * places
        parameters += counted + sum(len(weights[bias]) for bias in node.input[2:])
    return NetworkSize(macs, parameters)


def _count_without_zeros(kernels: NDArray[Any]) -> int:
    """Return the numbers of kernels (M, C, …) in rows and columns that are not all zero."""
    used = kernels != 0
    rows = used.reshape(len(kernels), -1).any(axis=1).sum()
    columns = used.swapaxes(0, 1).reshape(kernels.shape[1], -1).any(axis=1).sum()
    return int(rows * columns * np.prod(kernels.shape[2:], dtype=int))
