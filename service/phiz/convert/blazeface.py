"""The three BlazeFace networks as ONNX graphs, from MediaPipe's TensorFlow Lite files.

The source keeps channels last, (N, H, W, C), ONNX wants them first. So the image is transposed
once at the start, and every head once at its end.

Between the two, channels of zeros fill whole blocks (see ``phiz.convert.convolution``). A residual
connection that grows by a block or more has nothing to add to the new channels. There the
convolution beside it is cut in two, only the first part is added, and both are joined after their
activation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from onnx import TensorProto

from phiz.convert.convolution import (
    add_convolution,
    count_channels,
    find_split_points,
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
    conversion.add_input(normalisation)
    for operator in network.operators:
        convert = _OPERATOR_CONVERTERS.get(operator.kind)
        if convert is None:
            raise ConversionError(f"{name}: the operator {operator.kind} is not supported")
        if operator.options.get("FusedActivationFunction", NO_ACTIVATION) != NO_ACTIVATION:
            raise ConversionError(f"{name}: an activation is fused into {operator.kind}")
        (output,) = operator.outputs
        conversion.parts[output] = convert(conversion, operator)
    for output in network.outputs:
        anchors = conversion.get_head_shape(output)
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

    def add_input(self, normalisation: Normalisation) -> None:
        graph = self.graph
        scale, offset = normalisation.to_numbers()
        (tensor,) = self.network.inputs
        _, *image_shape = self.network.shapes[tensor]
        image = graph.add_input("image", TensorProto.UINT8, ("batch", *image_shape))
        # Bytes are moved before they become floats of four times the size.
        x = graph.add_node("Transpose", image, perm=[0, 3, 1, 2])
        x = graph.add_node("Cast", x, to=TensorProto.FLOAT)
        # Not folded into the first convolution: SAME surrounds it with zeros after the offset,
        # and an input that is rounded as the original's keeps the answers close to its answers.
        x = graph.add_node("Mul", x, graph.add_constant(np.array([scale], np.float32)))
        x = graph.add_node("Add", x, graph.add_constant(np.array([offset], np.float32)))
        self.parts[tensor] = (x,)

    def convert_convolution(self, operator: Operator) -> ChannelParts:
        network = self.network
        (image, *_), (output,) = operator.inputs, operator.outputs
        inputs, outputs = count_channels(network, image), count_channels(network, output)
        layer = pad_channels(read_convolution(network, operator), outputs, inputs)
        value = self.join_parts(image)
        return tuple(
            add_convolution(self.graph, value, part)
            for part in split_outputs(layer, self.split_points.get(output, layer.outputs))
        )

    def convert_max_pool(self, operator: Operator) -> ChannelParts:
        (image,) = operator.inputs
        window_hw = operator.options["FilterHeight"], operator.options["FilterWidth"]
        steps = read_window(self.network, operator, window_hw)
        pooled = self.graph.add_node(
            "MaxPool",
            self.join_parts(image),
            kernel_shape=window_hw,
            strides=steps.strides,
            pads=steps.pads,
        )
        return (pooled,)

    def convert_add(self, operator: Operator) -> ChannelParts:
        less, more = sorted((self.parts[tensor] for tensor in operator.inputs), key=len)
        pairs = zip(less, more, strict=False)
        sums = tuple(self.graph.add_node("Add", *pair) for pair in pairs)
        return sums + more[len(sums) :]

    def convert_relu(self, operator: Operator) -> ChannelParts:
        (image,) = operator.inputs
        return tuple(self.graph.add_node("Relu", part) for part in self.parts[image])

    def convert_pad(self, operator: Operator) -> ChannelParts:
        image, amounts = operator.inputs
        (_, rows, columns, channels) = self.network.get_constant(amounts).tolist()
        if rows != [0, 0] or columns != [0, 0] or channels[0] != 0:
            raise ConversionError("PAD is supported for channels only")
        return (self.join_parts(image),)

    def convert_resize(self, operator: Operator) -> ChannelParts:
        image, size = operator.inputs
        if operator.options["AlignCorners"] or not operator.options["HalfPixelCenters"]:
            raise ConversionError("RESIZE_BILINEAR is supported with half-pixel centres only")
        _, *size_hw, _ = self.network.shapes[image]
        wanted_hw = self.network.get_constant(size).tolist()
        scales = [wanted / given for wanted, given in zip(wanted_hw, size_hw, strict=True)]
        resized = self.graph.add_node(
            "Resize",
            self.join_parts(image),
            "",  # no region of interest
            self.graph.add_constant(np.array([1, 1, *scales], np.float32)),
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        return (resized,)

    def convert_head(self, operator: Operator) -> ChannelParts:
        """Turn (N, C, h, w) into (N, anchors, 16) or (N, anchors): rows, columns, then channels."""
        (image,), (output,) = operator.inputs, operator.outputs
        channels_last = self.graph.add_node("Transpose", self.join_parts(image), perm=[0, 2, 3, 1])
        shape = [0, *self.get_head_shape(output)]  # 0 stands for the batch, whatever it is
        head = self.graph.add_node(
            "Reshape",
            channels_last,
            self.graph.add_constant(np.array(shape, np.int64)),
            output=self.get_output_name(output),
        )
        return (head,)

    def get_head_shape(self, tensor: int) -> tuple[int, ...]:
        _, anchors, numbers = self.network.shapes[tensor]
        return (anchors,) if numbers == 1 else (anchors, numbers)

    def convert_concatenation(self, operator: Operator) -> ChannelParts:
        (output,) = operator.outputs
        rank = len(self.network.shapes[output])
        if rank != HEAD_RANK or operator.options["Axis"] != 1:
            raise ConversionError("CONCATENATION is supported for anchors only")
        values = [self.join_parts(tensor) for tensor in operator.inputs]
        name = self.get_output_name(output)
        return (self.graph.add_node("Concat", *values, output=name, axis=1),)

    def get_output_name(self, tensor: int) -> str:
        """Name an output by its last axis: the files do not agree on the order of the two."""
        if tensor not in self.network.outputs:
            return ""
        numbers = self.network.shapes[tensor][-1]
        if numbers not in OUTPUT_NAMES:
            raise ConversionError(
                f"an output has {numbers} numbers per anchor; 1 and 16 are supported"
            )
        return OUTPUT_NAMES[numbers]


_OPERATOR_CONVERTERS: Final[
    Mapping[str, Callable[[_BlazeFaceConversion, Operator], ChannelParts]]
] = {
    "ADD": _BlazeFaceConversion.convert_add,
    "CONCATENATION": _BlazeFaceConversion.convert_concatenation,
    "CONV_2D": _BlazeFaceConversion.convert_convolution,
    "DEPTHWISE_CONV_2D": _BlazeFaceConversion.convert_convolution,
    "MAX_POOL_2D": _BlazeFaceConversion.convert_max_pool,
    "PAD": _BlazeFaceConversion.convert_pad,
    "RELU": _BlazeFaceConversion.convert_relu,
    "RESHAPE": _BlazeFaceConversion.convert_head,
    "RESIZE_BILINEAR": _BlazeFaceConversion.convert_resize,
}
