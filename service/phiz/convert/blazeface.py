"""The three BlazeFace networks as ONNX graphs, from MediaPipe's TensorFlow Lite files.

The source keeps channels last, (N, H, W, C), ONNX wants them first. So the picture is
transposed once at the start, every head once at its end, and nothing between.

Between the two, channels are filled up to whole blocks (see ``phiz.convert.channels``) with
some that are always zero. Where a residual connection grows by a block or more, nothing is
added to the new channels: the convolution beside it is cut in two, the sum is of the first
part alone, and both are joined after their activation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from onnx import TensorProto

from phiz.convert.channels import seams, width
from phiz.convert.convolution import Convolution, read_convolution, read_steps, split, widen
from phiz.convert.graph import Graph
from phiz.convert.tflite_file import Operator, TfliteNetwork
from phiz.errors import ConversionError
from phiz.models.specs import Normalisation

# By numbers per anchor: a box of 4 and 6 keypoints of 2, or one logit.
OUTPUTS: Final[Mapping[int, str]] = {16: "regressions", 1: "logits"}
HEAD_RANK: Final = 3  # batch, anchors, numbers
NO_ACTIVATION: Final = 0  # tflite ActivationFunctionType

Parts: TypeAlias = tuple[str, ...]
"""The values that hold a tensor's channels, in order; channels that none holds are zero."""


def convert_blazeface(network: TfliteNetwork, name: str, normalisation: Normalisation) -> bytes:
    """Return the graph ``image`` to ``regressions`` (N, A, 16) and ``logits`` (N, A).

    ``image`` is (N, S, S, 3), uint8, RGB; the normalisation is the graph's first step.

    Raises:
        ConversionError: The network holds something that BlazeFace does not.
    """
    conversion = _Conversion(network, Graph(name), seams(network))
    _add_input(conversion, normalisation)
    for operator in network.operators:
        convert = _CONVERTERS.get(operator.kind)
        if convert is None:
            raise ConversionError(f"{name}: the operator {operator.kind} is not known")
        if operator.options.get("FusedActivationFunction", NO_ACTIVATION) != NO_ACTIVATION:
            raise ConversionError(f"{name}: an activation is fused into {operator.kind}")
        (output,) = operator.outputs
        conversion.parts[output] = convert(conversion, operator)
    for output in network.outputs:
        anchors = _head_shape(conversion, output)
        conversion.graph.output(conversion.value(output), ("batch", *anchors))
    return conversion.graph.serialise()


@dataclass(frozen=True, slots=True)
class _Conversion:
    """The source, the graph that is growing, and which of its values are which tensor.

    Attributes:
        network: The source.
        graph: What has been converted so far.
        seams: After how many channels to cut a convolution, by the tensor that it gives.
        parts: Of every tensor that has been converted.
    """

    network: TfliteNetwork
    graph: Graph
    seams: Mapping[int, int]
    parts: dict[int, Parts] = field(default_factory=dict)

    def value(self, tensor: int) -> str:
        """Return the one value that holds the whole tensor, joined if it is in parts."""
        if len(self.parts[tensor]) > 1:
            self.parts[tensor] = (self.graph.add("Concat", *self.parts[tensor], axis=1),)
        (whole,) = self.parts[tensor]
        return whole


def _add_input(conversion: _Conversion, normalisation: Normalisation) -> None:
    graph = conversion.graph
    scale, offset = normalisation.to_numbers()
    (tensor,) = conversion.network.inputs
    _, *picture = conversion.network.shapes[tensor]
    image = graph.input("image", TensorProto.UINT8, ("batch", *picture))
    # Bytes are moved before they become floats of four times the size.
    x = graph.add("Transpose", image, perm=[0, 3, 1, 2])
    x = graph.add("Cast", x, to=TensorProto.FLOAT)
    # Not folded into the first convolution: SAME surrounds it with zeros after the offset,
    # and an input that is rounded as the original's keeps the answers close to its answers.
    x = graph.add("Mul", x, graph.constant(np.array([scale], np.float32)))
    x = graph.add("Add", x, graph.constant(np.array([offset], np.float32)))
    conversion.parts[tensor] = (x,)


def _convolution(conversion: _Conversion, operator: Operator) -> Parts:
    network = conversion.network
    (image, *_), (output,) = operator.inputs, operator.outputs
    inputs, outputs = width(network, image), width(network, output)
    layer = widen(read_convolution(network, operator), outputs, inputs)
    value = conversion.value(image)
    return tuple(
        _add_convolution(conversion.graph, value, part)
        for part in split(layer, conversion.seams.get(output, layer.outputs))
    )


def _add_convolution(graph: Graph, image: str, layer: Convolution) -> str:
    return graph.add(
        "Conv",
        image,
        graph.constant(layer.kernels),
        graph.constant(layer.biases),
        kernel_shape=layer.kernels.shape[2:],
        group=layer.outputs if layer.is_depthwise else 1,
        strides=layer.steps.strides,
        pads=layer.steps.pads,
    )


def _max_pool(conversion: _Conversion, operator: Operator) -> Parts:
    (image,) = operator.inputs
    window_hw = operator.options["FilterHeight"], operator.options["FilterWidth"]
    steps = read_steps(conversion.network, operator, window_hw)
    pooled = conversion.graph.add(
        "MaxPool",
        conversion.value(image),
        kernel_shape=window_hw,
        strides=steps.strides,
        pads=steps.pads,
    )
    return (pooled,)


def _add(conversion: _Conversion, operator: Operator) -> Parts:
    less, more = sorted((conversion.parts[tensor] for tensor in operator.inputs), key=len)
    pairs = zip(less, more, strict=False)
    sums = tuple(conversion.graph.add("Add", *pair) for pair in pairs)
    return sums + more[len(sums) :]


def _relu(conversion: _Conversion, operator: Operator) -> Parts:
    (image,) = operator.inputs
    return tuple(conversion.graph.add("Relu", part) for part in conversion.parts[image])


def _pad(conversion: _Conversion, operator: Operator) -> Parts:
    image, amounts = operator.inputs
    (_, rows, columns, channels) = conversion.network.array(amounts).tolist()
    if rows != [0, 0] or columns != [0, 0] or channels[0] != 0:
        raise ConversionError("a PAD of anything but further channels is not known")
    return (conversion.value(image),)


def _resize(conversion: _Conversion, operator: Operator) -> Parts:
    image, size = operator.inputs
    if operator.options["AlignCorners"] or not operator.options["HalfPixelCenters"]:
        raise ConversionError("a RESIZE_BILINEAR that is not of half-pixel centres is not known")
    _, *size_hw, _ = conversion.network.shapes[image]
    wanted_hw = conversion.network.array(size).tolist()
    scales = [wanted / given for wanted, given in zip(wanted_hw, size_hw, strict=True)]
    resized = conversion.graph.add(
        "Resize",
        conversion.value(image),
        "",  # no region of interest
        conversion.graph.constant(np.array([1, 1, *scales], np.float32)),
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )
    return (resized,)


def _head(conversion: _Conversion, operator: Operator) -> Parts:
    """Turn (N, C, h, w) into (N, anchors, 16) or (N, anchors): rows, columns, then channels."""
    (image,), (output,) = operator.inputs, operator.outputs
    channels_last = conversion.graph.add("Transpose", conversion.value(image), perm=[0, 2, 3, 1])
    shape = [0, *_head_shape(conversion, output)]  # 0 stands for the batch, whatever it is
    head = conversion.graph.add(
        "Reshape",
        channels_last,
        conversion.graph.constant(np.array(shape, np.int64)),
        output=_output_name(conversion.network, output),
    )
    return (head,)


def _head_shape(conversion: _Conversion, tensor: int) -> tuple[int, ...]:
    _, anchors, numbers = conversion.network.shapes[tensor]
    return (anchors,) if numbers == 1 else (anchors, numbers)


def _concatenation(conversion: _Conversion, operator: Operator) -> Parts:
    (output,) = operator.outputs
    rank = len(conversion.network.shapes[output])
    if rank != HEAD_RANK or operator.options["Axis"] != 1:
        raise ConversionError("a CONCATENATION of anything but anchors is not known")
    values = [conversion.value(tensor) for tensor in operator.inputs]
    name = _output_name(conversion.network, output)
    return (conversion.graph.add("Concat", *values, output=name, axis=1),)


def _output_name(network: TfliteNetwork, tensor: int) -> str:
    """Name an output by its last axis: the files do not agree on the order of the two."""
    if tensor not in network.outputs:
        return ""
    numbers = network.shapes[tensor][-1]
    if numbers not in OUTPUTS:
        raise ConversionError(f"an output has {numbers} numbers per anchor; 1 or 16 are known")
    return OUTPUTS[numbers]


_CONVERTERS: Final[Mapping[str, Callable[[_Conversion, Operator], Parts]]] = {
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
