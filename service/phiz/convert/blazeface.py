"""The three BlazeFace networks as ONNX graphs, from MediaPipe's TensorFlow Lite files.

The source keeps channels last, (N, H, W, C), ONNX wants them first. So the image is transposed
once at the start, and every head once at its end.

Between the two, channels of zeros fill whole blocks (see ``phiz.convert.channels``). A residual
connection that grows by a block or more has nothing to add to the new channels. There the
convolution beside it is cut in two, only the first part is added, and both are joined after their
activation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from onnx import TensorProto

from phiz.convert.channels import count_channels, find_split_points
from phiz.convert.convolution import (
    add_convolution,
    pad_channels,
    read_convolution,
    read_window,
    split_outputs,
)
from phiz.convert.graph import Graph
from phiz.convert.tflite_file import Operator, TfliteNetwork
from phiz.errors import ConversionError
from phiz.models.specs import Normalisation

# By numbers per anchor: a box of 4 and 6 keypoints of 2, or one logit.
OUTPUT_NAMES: Final[Mapping[int, str]] = {16: "regressions", 1: "logits"}
HEAD_RANK: Final = 3  # batch, anchors, numbers
NO_ACTIVATION: Final = 0  # tflite ActivationFunctionType

ChannelParts: TypeAlias = tuple[str, ...]
"""The values that hold a tensor's channels, in order; channels that none holds are zero."""


def convert_blazeface(network: TfliteNetwork, name: str, normalisation: Normalisation) -> bytes:
    """Return the graph ``image`` to ``regressions`` (N, A, 16) and ``logits`` (N, A).

    ``image`` is (N, S, S, 3), uint8, RGB; the normalisation is the graph's first step.

    Raises:
        ConversionError: The network holds something that BlazeFace does not.
    """
    conversion = _BlazeFaceConversion(network, Graph(name), find_split_points(network))
    _add_input(conversion, normalisation)
    for operator in network.operators:
        convert = _OPERATOR_CONVERTERS.get(operator.kind)
        if convert is None:
            raise ConversionError(f"{name}: the operator {operator.kind} is not supported")
        if operator.options.get("FusedActivationFunction", NO_ACTIVATION) != NO_ACTIVATION:
            raise ConversionError(f"{name}: an activation is fused into {operator.kind}")
        (output,) = operator.outputs
        conversion.parts[output] = convert(conversion, operator)
    for output in network.outputs:
        anchors = _get_head_shape(conversion, output)
        conversion.graph.add_output(conversion.join_parts(output), ("batch", *anchors))
    return conversion.graph.serialise()


@dataclass(frozen=True, slots=True)
class _BlazeFaceConversion:
    """The source, the graph that is growing, and which of its values are which tensor.

    Attributes:
        network: The source.
        graph: The operators converted so far.
        split_points: After how many channels to cut a convolution, by the tensor that it gives.
        parts: Of every tensor that has been converted.
    """

    network: TfliteNetwork
    graph: Graph
    split_points: Mapping[int, int]
    parts: dict[int, ChannelParts] = field(default_factory=dict)

    def join_parts(self, tensor: int) -> str:
        """Return the one value that holds the whole tensor, joined if it is in parts."""
        if len(self.parts[tensor]) > 1:
            self.parts[tensor] = (self.graph.add_node("Concat", *self.parts[tensor], axis=1),)
        (whole,) = self.parts[tensor]
        return whole


def _add_input(conversion: _BlazeFaceConversion, normalisation: Normalisation) -> None:
    graph = conversion.graph
    scale, offset = normalisation.to_numbers()
    (tensor,) = conversion.network.inputs
    _, *image_shape = conversion.network.shapes[tensor]
    image = graph.add_input("image", TensorProto.UINT8, ("batch", *image_shape))
    # Bytes are moved before they become floats of four times the size.
    x = graph.add_node("Transpose", image, perm=[0, 3, 1, 2])
    x = graph.add_node("Cast", x, to=TensorProto.FLOAT)
    # Not folded into the first convolution: SAME surrounds it with zeros after the offset,
    # and an input that is rounded as the original's keeps the answers close to its answers.
    x = graph.add_node("Mul", x, graph.add_constant(np.array([scale], np.float32)))
    x = graph.add_node("Add", x, graph.add_constant(np.array([offset], np.float32)))
    conversion.parts[tensor] = (x,)


def _convert_convolution(conversion: _BlazeFaceConversion, operator: Operator) -> ChannelParts:
    network = conversion.network
    (image, *_), (output,) = operator.inputs, operator.outputs
    inputs, outputs = count_channels(network, image), count_channels(network, output)
    layer = pad_channels(read_convolution(network, operator), outputs, inputs)
    value = conversion.join_parts(image)
    return tuple(
        add_convolution(conversion.graph, value, part)
        for part in split_outputs(layer, conversion.split_points.get(output, layer.outputs))
    )


def _convert_max_pool(conversion: _BlazeFaceConversion, operator: Operator) -> ChannelParts:
    (image,) = operator.inputs
    window_hw = operator.options["FilterHeight"], operator.options["FilterWidth"]
    steps = read_window(conversion.network, operator, window_hw)
    pooled = conversion.graph.add_node(
        "MaxPool",
        conversion.join_parts(image),
        kernel_shape=window_hw,
        strides=steps.strides,
        pads=steps.pads,
    )
    return (pooled,)


def _convert_add(conversion: _BlazeFaceConversion, operator: Operator) -> ChannelParts:
    less, more = sorted((conversion.parts[tensor] for tensor in operator.inputs), key=len)
    pairs = zip(less, more, strict=False)
    sums = tuple(conversion.graph.add_node("Add", *pair) for pair in pairs)
    return sums + more[len(sums) :]


def _convert_relu(conversion: _BlazeFaceConversion, operator: Operator) -> ChannelParts:
    (image,) = operator.inputs
    return tuple(conversion.graph.add_node("Relu", part) for part in conversion.parts[image])


def _convert_pad(conversion: _BlazeFaceConversion, operator: Operator) -> ChannelParts:
    image, amounts = operator.inputs
    (_, rows, columns, channels) = conversion.network.get_constant(amounts).tolist()
    if rows != [0, 0] or columns != [0, 0] or channels[0] != 0:
        raise ConversionError("PAD is supported for channels only")
    return (conversion.join_parts(image),)


def _convert_resize(conversion: _BlazeFaceConversion, operator: Operator) -> ChannelParts:
    image, size = operator.inputs
    if operator.options["AlignCorners"] or not operator.options["HalfPixelCenters"]:
        raise ConversionError("RESIZE_BILINEAR is supported with half-pixel centres only")
    _, *size_hw, _ = conversion.network.shapes[image]
    wanted_hw = conversion.network.get_constant(size).tolist()
    scales = [wanted / given for wanted, given in zip(wanted_hw, size_hw, strict=True)]
    resized = conversion.graph.add_node(
        "Resize",
        conversion.join_parts(image),
        "",  # no region of interest
        conversion.graph.add_constant(np.array([1, 1, *scales], np.float32)),
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )
    return (resized,)


def _convert_head(conversion: _BlazeFaceConversion, operator: Operator) -> ChannelParts:
    """Turn (N, C, h, w) into (N, anchors, 16) or (N, anchors): rows, columns, then channels."""
    (image,), (output,) = operator.inputs, operator.outputs
    channels_last = conversion.graph.add_node(
        "Transpose", conversion.join_parts(image), perm=[0, 2, 3, 1]
    )
    shape = [0, *_get_head_shape(conversion, output)]  # 0 stands for the batch, whatever it is
    head = conversion.graph.add_node(
        "Reshape",
        channels_last,
        conversion.graph.add_constant(np.array(shape, np.int64)),
        output=_get_output_name(conversion.network, output),
    )
    return (head,)


def _get_head_shape(conversion: _BlazeFaceConversion, tensor: int) -> tuple[int, ...]:
    _, anchors, numbers = conversion.network.shapes[tensor]
    return (anchors,) if numbers == 1 else (anchors, numbers)


def _convert_concatenation(conversion: _BlazeFaceConversion, operator: Operator) -> ChannelParts:
    (output,) = operator.outputs
    rank = len(conversion.network.shapes[output])
    if rank != HEAD_RANK or operator.options["Axis"] != 1:
        raise ConversionError("CONCATENATION is supported for anchors only")
    values = [conversion.join_parts(tensor) for tensor in operator.inputs]
    name = _get_output_name(conversion.network, output)
    return (conversion.graph.add_node("Concat", *values, output=name, axis=1),)


def _get_output_name(network: TfliteNetwork, tensor: int) -> str:
    """Name an output by its last axis: the files do not agree on the order of the two."""
    if tensor not in network.outputs:
        return ""
    numbers = network.shapes[tensor][-1]
    if numbers not in OUTPUT_NAMES:
        raise ConversionError(f"an output has {numbers} numbers per anchor; 1 and 16 are supported")
    return OUTPUT_NAMES[numbers]


_OPERATOR_CONVERTERS: Final[
    Mapping[str, Callable[[_BlazeFaceConversion, Operator], ChannelParts]]
] = {
    "ADD": _convert_add,
    "CONCATENATION": _convert_concatenation,
    "CONV_2D": _convert_convolution,
    "DEPTHWISE_CONV_2D": _convert_convolution,
    "MAX_POOL_2D": _convert_max_pool,
    "PAD": _convert_pad,
    "RELU": _convert_relu,
    "RESHAPE": _convert_head,
    "RESIZE_BILINEAR": _convert_resize,
}
