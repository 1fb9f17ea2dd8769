"""The three BlazeFace networks as ONNX graphs, from MediaPipe's TensorFlow Lite files.

The source keeps channels last, (N, H, W, C), ONNX wants them first. So the picture is
transposed once at the start, every head once at its end, and nothing between.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from phiz.build.graph import Graph
from phiz.build.tflite_file import Operator, TfliteNetwork
from phiz.cards import Normalisation
from phiz.errors import ConversionError

# By numbers per anchor: a box of 4 and 6 keypoints of 2, or one logit.
OUTPUTS: Final[Mapping[int, str]] = {16: "regressions", 1: "logits"}
HEAD_RANK: Final = 3  # batch, anchors, numbers
SAME: Final = 0  # tflite Padding; the other is VALID
NO_ACTIVATION: Final = 0  # tflite ActivationFunctionType


def convert_blazeface(network: TfliteNetwork, name: str, normalisation: Normalisation) -> bytes:
    """Return the graph ``image`` to ``regressions`` (N, A, 16) and ``logits`` (N, A).

    ``image`` is (N, S, S, 3), uint8, RGB; the normalisation is the graph's first step.

    Raises:
        ConversionError: The network holds something that BlazeFace does not.
    """
    conversion = _Conversion(network, Graph(name))
    _add_input(conversion, normalisation)
    for operator in network.operators:
        convert = _CONVERTERS.get(operator.kind)
        if convert is None:
            raise ConversionError(f"{name}: the operator {operator.kind} is not known")
        if operator.options.get("FusedActivationFunction", NO_ACTIVATION) != NO_ACTIVATION:
            raise ConversionError(f"{name}: an activation is fused into {operator.kind}")
        (output,) = operator.outputs
        conversion.values[output] = convert(conversion, operator)
    for output in network.outputs:
        anchors = _head_shape(conversion, output)
        conversion.graph.output(conversion.value(output), ("batch", *anchors))
    return conversion.graph.serialise()


@dataclass(frozen=True, slots=True)
class _Conversion:
    """The source, the graph that is growing, and which of its values is which tensor."""

    network: TfliteNetwork
    graph: Graph
    values: dict[int, str] = field(default_factory=dict)

    def value(self, tensor: int) -> str:
        return self.values[tensor]

    def array(self, tensor: int) -> NDArray[np.generic]:
        if tensor not in self.network.constants:
            raise ConversionError(f"tensor {tensor} is not a constant, where one is expected")
        return self.network.constants[tensor]

    def shape(self, tensor: int) -> tuple[int, ...]:
        return self.network.shapes[tensor]


def _add_input(conversion: _Conversion, normalisation: Normalisation) -> None:
    graph = conversion.graph
    (tensor,) = conversion.network.inputs
    image = graph.input("image", TensorProto.UINT8, ("batch", *conversion.shape(tensor)[1:]))
    # Bytes are moved before they become floats of four times the size.
    x = graph.add("Transpose", image, perm=[0, 3, 1, 2])
    x = graph.add("Cast", x, to=TensorProto.FLOAT)
    x = graph.add("Mul", x, graph.constant(np.array(normalisation.scale, np.float32)))
    x = graph.add("Add", x, graph.constant(np.array(normalisation.offset, np.float32)))
    conversion.values[tensor] = x


def _output_name(network: TfliteNetwork, tensor: int) -> str:
    """Name an output by its last axis: the files do not agree on the order of the two."""
    if tensor not in network.outputs:
        return ""
    numbers = network.shapes[tensor][-1]
    if numbers not in OUTPUTS:
        raise ConversionError(f"an output has {numbers} numbers per anchor; 1 or 16 are known")
    return OUTPUTS[numbers]


def _convolution(conversion: _Conversion, operator: Operator) -> str:
    image, kernels, biases = operator.inputs
    array = conversion.array(kernels)
    if operator.kind == "DEPTHWISE_CONV_2D":
        channels_first = array.transpose(3, 0, 1, 2)  # (1, k, k, C) to (C, 1, k, k)
        groups = array.shape[3]
    else:
        channels_first = array.transpose(0, 3, 1, 2)  # (M, k, k, C) to (M, C, k, k)
        groups = 1
    options = operator.options
    if options["DilationHFactor"] != 1 or options["DilationWFactor"] != 1:
        raise ConversionError(f"a dilated {operator.kind} is not known")
    if options.get("DepthMultiplier", 1) != 1:
        raise ConversionError("a depthwise convolution with more outputs than inputs is not known")
    kernel_hw = channels_first.shape[2], channels_first.shape[3]
    strides, pads = _steps(conversion, operator, kernel_hw)
    return conversion.graph.add(
        "Conv",
        conversion.value(image),
        conversion.graph.constant(channels_first),
        conversion.graph.constant(conversion.array(biases)),
        kernel_shape=kernel_hw,
        group=groups,
        strides=strides,
        pads=pads,
    )


def _max_pool(conversion: _Conversion, operator: Operator) -> str:
    (image,) = operator.inputs
    kernel_hw = operator.options["FilterHeight"], operator.options["FilterWidth"]
    strides, pads = _steps(conversion, operator, kernel_hw)
    return conversion.graph.add(
        "MaxPool",
        conversion.value(image),
        kernel_shape=kernel_hw,
        strides=strides,
        pads=pads,
    )


def _steps(
    conversion: _Conversion, operator: Operator, kernel_hw: tuple[int, int]
) -> tuple[list[int], list[int]]:
    """Return strides and pads; those that TensorFlow Lite means by SAME may be uneven."""
    _, *size_hw, _ = conversion.shape(operator.inputs[0])
    strides = [operator.options["StrideH"], operator.options["StrideW"]]
    if operator.options["Padding"] != SAME:
        return strides, [0, 0, 0, 0]
    pads = [same_pads(*axis) for axis in zip(size_hw, kernel_hw, strides, strict=True)]
    (top, bottom), (left, right) = pads
    return strides, [top, left, bottom, right]


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return how much SAME pads before and after an axis; the odd one goes after.

    Formula: TensorFlow's notes on convolution, "Padding".
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _add(conversion: _Conversion, operator: Operator) -> str:
    first, second = (conversion.value(tensor) for tensor in operator.inputs)
    return conversion.graph.add("Add", first, second)


def _relu(conversion: _Conversion, operator: Operator) -> str:
    return conversion.graph.add("Relu", conversion.value(operator.inputs[0]))


def _pad(conversion: _Conversion, operator: Operator) -> str:
    image, amounts = operator.inputs
    (_, rows, columns, channels) = conversion.array(amounts).tolist()
    if rows != [0, 0] or columns != [0, 0] or channels[0] != 0:
        raise ConversionError("a PAD of anything but further channels is not known")
    pads = np.array([0, 0, 0, 0, 0, channels[1], 0, 0], np.int64)
    return conversion.graph.add("Pad", conversion.value(image), conversion.graph.constant(pads))


def _resize(conversion: _Conversion, operator: Operator) -> str:
    image, size = operator.inputs
    if operator.options["AlignCorners"] or not operator.options["HalfPixelCenters"]:
        raise ConversionError("a RESIZE_BILINEAR that is not of half-pixel centres is not known")
    _, *size_hw, _ = conversion.shape(image)
    wanted_hw = conversion.array(size).tolist()
    scales = [wanted / given for wanted, given in zip(wanted_hw, size_hw, strict=True)]
    return conversion.graph.add(
        "Resize",
        conversion.value(image),
        "",  # no region of interest
        conversion.graph.constant(np.array([1, 1, *scales], np.float32)),
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def _head(conversion: _Conversion, operator: Operator) -> str:
    """Turn (N, C, h, w) into (N, anchors, 16) or (N, anchors): rows, columns, then channels."""
    (image,), (output,) = operator.inputs, operator.outputs
    channels_last = conversion.graph.add("Transpose", conversion.value(image), perm=[0, 2, 3, 1])
    shape = [0, *_head_shape(conversion, output)]  # 0 stands for the batch, whatever it is
    return conversion.graph.add(
        "Reshape",
        channels_last,
        conversion.graph.constant(np.array(shape, np.int64)),
        output=_output_name(conversion.network, output),
    )


def _head_shape(conversion: _Conversion, tensor: int) -> tuple[int, ...]:
    _, anchors, numbers = conversion.shape(tensor)
    return (anchors,) if numbers == 1 else (anchors, numbers)


def _concatenation(conversion: _Conversion, operator: Operator) -> str:
    (output,) = operator.outputs
    if len(conversion.shape(output)) != HEAD_RANK or operator.options["Axis"] != 1:
        raise ConversionError("a CONCATENATION of anything but anchors is not known")
    values = [conversion.value(tensor) for tensor in operator.inputs]
    name = _output_name(conversion.network, output)
    return conversion.graph.add("Concat", *values, output=name, axis=1)


_CONVERTERS: Final[Mapping[str, Callable[[_Conversion, Operator], str]]] = {
    "ADD": _add,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "MAX_POOL_2D": _max_pool,
    "PAD": _pad,
    "RELU": _relu,
    "RESHAPE": _head,
    "RESIZE_BILINEAR": _resize,
}
