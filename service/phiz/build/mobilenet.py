"""MobileNetV2 as an ONNX graph, from a TensorFlow Lite file of 8-bit weights.

Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear Bottlenecks,
2018 (arXiv:1801.04381). The weights come out as float32, as far as 8 bits have kept them; the
rounding of the tensors between layers is left out, and what 8 bits need of it is measured anew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from phiz.build.classifier import add_classes, add_convolution, add_mean, add_picture
from phiz.build.convolution import read_convolution
from phiz.build.graph import Graph
from phiz.build.tflite_file import Operator, TfliteNetwork
from phiz.cards import Normalisation
from phiz.errors import ConversionError

# tflite ActivationFunctionType
NONE: Final = 0
RELU6: Final = 3
ONE_PIXEL: Final = (1, 1)
HALVING: Final = 2


def convert_mobilenet(network: TfliteNetwork, name: str, normalisation: Normalisation) -> bytes:
    """Return the graph ``image`` (N, S, S, 3) to ``logits`` (N, 1000).

    The file's first class, for what is none of ImageNet's, is left out.

    Raises:
        ConversionError: The network holds something that MobileNetV2 does not.
    """
    graph = Graph(name)
    (image,) = network.inputs
    _, size, *_ = network.shapes[image]
    conversion = _Conversion(network, graph, {image: add_picture(graph, size, normalisation)})
    for operator in network.operators:
        conversion.add(operator)
    return graph.serialise()


def convert_features(
    network: TfliteNetwork, name: str, normalisation: Normalisation, size: int
) -> bytes:
    """Return the graph ``image`` (N, S, S, 3) to what an SSD detects in.

    SSDLite takes the expansion of the last block that halves the sides, and the last layer
    (Sandler et al. 2018, section 6.2): ``stride16`` (N, 576, S/16, S/16) and ``stride32``
    (N, 1280, S/32, S/32).

    Args:
        network: All of MobileNetV2.
        name: Of the graph.
        normalisation: Of a pixel.
        size: Side of the picture, a multiple of 32: then SAME pads as in the file.

    Raises:
        ConversionError: The network holds something that MobileNetV2 does not.
    """
    graph = Graph(name)
    (image,) = network.inputs
    conversion = _Conversion(network, graph, {image: add_picture(graph, size, normalisation)})
    cut = cut_of(network)
    for operator in network.operators[: cut.end]:
        conversion.add(operator)
    for output, tensor, channels, stride in (
        ("stride16", cut.middle, 576, 16),
        ("stride32", cut.last, 1280, 32),
    ):
        graph.output(output, ("batch", channels, size // stride, size // stride))
        graph.add("Identity", conversion.values[tensor], output=output)
    return graph.serialise()


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the features of an SSD are.

    Attributes:
        middle: The tensor that the last layer of stride 2 reads.
        last: The tensor before the mean.
        end: How many operators give both.
    """

    middle: int
    last: int
    end: int


def cut_of(network: TfliteNetwork) -> Cut:
    """Return where an SSD takes the features of MobileNetV2.

    Raises:
        ConversionError: The network is another.
    """
    halving = [each for each in network.operators if each.options.get("StrideH") == HALVING]
    means = [place for place, each in enumerate(network.operators) if each.kind == "MEAN"]
    if not halving or not means:
        raise ConversionError("without a layer of stride 2 or a MEAN it is not known")
    (end,) = means
    return Cut(halving[-1].inputs[0], network.operators[end].inputs[0], end)


@dataclass(frozen=True, slots=True)
class _Conversion:
    """The source, the graph that is growing, and which of its values is which tensor."""

    network: TfliteNetwork
    graph: Graph
    values: dict[int, str]

    def add(self, operator: Operator) -> None:
        """Add what an operator stands for.

        Raises:
            ConversionError: It is none of MobileNetV2's.
        """
        convert = _CONVERTERS.get(operator.kind)
        if convert is None:
            raise ConversionError(f"the operator {operator.kind} is not known")
        (output,) = operator.outputs
        self.values[output] = convert(self, operator)

    def value(self, operator: Operator) -> str:
        """Return the first input of an operator."""
        return self.values[operator.inputs[0]]


def _convolution(conversion: _Conversion, operator: Operator) -> str:
    network = conversion.network
    layer = read_convolution(network, operator)
    activation = operator.options["FusedActivationFunction"]
    if activation not in {NONE, RELU6}:
        raise ConversionError(f"the activation number {activation} is not known")
    x = conversion.value(operator)
    _, *size_hw, _ = network.shapes[operator.inputs[0]]
    if tuple(size_hw) != ONE_PIXEL:
        return add_convolution(conversion.graph, x, layer, clipped=activation == RELU6)
    matrix = layer.kernels.reshape(layer.outputs, -1)  # (1001, 1280)
    return add_classes(conversion.graph, x, (matrix[1:], layer.biases[1:]))


def _add(conversion: _Conversion, operator: Operator) -> str:
    if operator.options["FusedActivationFunction"] != NONE:
        raise ConversionError("an activation is fused into ADD")
    first, second = (conversion.values[tensor] for tensor in operator.inputs)
    return conversion.graph.add("Add", first, second)


def _mean(conversion: _Conversion, operator: Operator) -> str:
    _, axes = operator.inputs
    if conversion.network.array(axes).tolist() != [1, 2]:
        raise ConversionError("a MEAN over anything but rows and columns is not known")
    return add_mean(conversion.graph, conversion.value(operator))


def _pass(conversion: _Conversion, operator: Operator) -> str:
    return conversion.value(operator)


_CONVERTERS: Final[Mapping[str, Callable[[_Conversion, Operator], str]]] = {
    "ADD": _add,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "MEAN": _mean,
    "QUANTIZE": _pass,  # from bytes to bytes of another sign
    "RESHAPE": _pass,  # of the logits
    "SOFTMAX": _pass,  # computed by who reads the logits
}
