"""YuNet and CenterFace as ONNX graphs, from the ONNX files of their authors.

Both files have a fixed size, and weights that onnxruntime cannot fold or shape. The graphs here
take images of any number and size, as bytes, and give one map for each stride.

- The heads of a map are one layer, so that their channels fill a block of 16
  (``phiz.convert.convolution``). Their sigmoids are left to the detector, which needs few of them.
- The batch normalisation of CenterFace is folded into the layer before it, in float64.
- A transposed convolution whose windows do not overlap is a convolution of single pixels, and
  ``DepthToSpace``. This has the same time in float32, and can be in 8 bits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from phiz.convert.graph import Graph
from phiz.convert.onnx_file import Node, OnnxNetwork
from phiz.errors import ConversionError
from phiz.models.specs import Normalisation

YUNET_HEADS: Final = ("cls", "obj", "bbox", "kps")
"""The parts of a map of YuNet, in the order of its channels: 1, 1, 4 and 10."""
YUNET_STRIDES: Final = (8, 16, 32)
CENTERFACE_HEADS: Final = ("pos", "reg", "off", "lm")
"""The parts of the map of CenterFace, in the order of its channels: 1, 2, 2 and 10."""
CENTERFACE_STRIDE: Final = 4
WINDOW: Final = 2  # side of the windows of a transposed convolution, and their distance
AXES: Final = ("batch", "height", "width", 3)


def convert_yunet(network: OnnxNetwork, normalisation: Normalisation) -> bytes:
    """Return the graph ``pixels`` (N, H, W, 3), uint8, RGB, to ``stride8``, 16 and 32.

    H and W are multiples of 32. A map is (N, 16, H / stride, W / stride): the logits of a face and
    of an object, the box, and five landmarks.

    Raises:
        ConversionError: The network holds something that YuNet does not.
    """
    conversion = _AnchorFreeConversion(network, Graph("yunet"))
    # The network was trained on blue, green and red.
    conversion.add_body("bbox_head.", normalisation, reverse_channels=True)
    for level, stride in enumerate(YUNET_STRIDES):
        names = [f"bbox_head.multi_level_{head}.{level}" for head in YUNET_HEADS]
        pointwise = conversion.stack_heads([f"{name}.conv1." for name in names])
        depthwise = conversion.stack_heads([f"{name}.conv2." for name in names])
        depthwise.attributes["group"] = len(depthwise.biases)
        conversion.add_output(conversion.add_layer(pointwise), depthwise, stride)
    return conversion.graph.serialise()


def convert_centerface(network: OnnxNetwork, normalisation: Normalisation) -> bytes:
    """Return the graph ``pixels`` (N, H, W, 3), uint8, RGB, to ``stride4`` (N, 15, H / 4, W / 4).

    H and W are multiples of 32. The channels are the logit of a face, the logarithms of height
    and width, the offset of the centre (y, x), and five landmarks (y, x).

    Raises:
        ConversionError: The network holds something that CenterFace does not.
    """
    conversion = _AnchorFreeConversion(fold_batch_norms(network), Graph("centerface"))
    conversion.add_body("head.", normalisation, reverse_channels=False)
    heads = conversion.stack_heads([f"head.{head}_conv." for head in CENTERFACE_HEADS])
    conversion.add_output(conversion.values[heads.source], heads, CENTERFACE_STRIDE)
    return conversion.graph.serialise()


def fold_batch_norms(network: OnnxNetwork) -> OnnxNetwork:
    """Return the network with each batch normalisation in the transposed convolution before it.

    Raises:
        ConversionError: A batch normalisation follows another layer.
    """
    nodes: list[Node] = []
    weights = dict(network.weights)
    for node in network.nodes:
        if node.operator != "BatchNormalization":
            nodes.append(node)
            continue
        layer = nodes.pop()
        if layer.operator != "ConvTranspose" or len(layer.inputs) != 2:  # noqa: PLR2004  no bias
            raise ConversionError(f"a BatchNormalization after {layer.operator} is not supported")
        scale, bias, mean, variance = (weights[name].astype(np.float64) for name in node.inputs[1:])
        factors = scale / np.sqrt(variance + node.attributes["epsilon"])  # (M,)
        kernels = weights[layer.inputs[1]] * factors[:, None, None]  # (C, M, h, w)
        weights[layer.inputs[1]] = kernels.astype(np.float32)
        weights[node.output] = (bias - mean * factors).astype(np.float32)
        nodes.append(replace(layer, inputs=(*layer.inputs, node.output), output=node.output))
    return OnnxNetwork(tuple(nodes), weights)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A convolution of the source: ``source`` is its input there."""

    source: str
    kernels: NDArray[np.float32]
    biases: NDArray[np.float32]
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _AnchorFreeConversion:
    """The source, the graph that is growing, and which of its values are which of the source."""

    network: OnnxNetwork
    graph: Graph
    values: dict[str, str] = field(default_factory=dict)

    def add_body(
        self, head_prefix: str, normalisation: Normalisation, *, reverse_channels: bool
    ) -> None:
        """Add all layers before the heads.

        Args:
            head_prefix: Of the names of the heads' weights.
            normalisation: Must leave the pixels as they are.
            reverse_channels: Whether the network takes blue before green and red.
        """
        if normalisation.to_numbers() != (1.0, 0.0):
            raise ConversionError(
                f"the normalisation is {normalisation.to_numbers()}; these networks take pixels"
                " from 0 to 255, which is (1, 0)"
            )
        pixels = self.graph.add_input("pixels", TensorProto.UINT8, AXES)
        # Bytes are moved before they become floats of four times the size.
        x = self.graph.add_node("Transpose", pixels, perm=[0, 3, 1, 2])
        x = self.graph.add_node("Cast", x, to=TensorProto.FLOAT)
        first, *nodes = self.network.nodes
        self.values[first.inputs[0]] = x
        layer = self.read_layer(first)
        kernels = layer.kernels[:, ::-1] if reverse_channels else layer.kernels
        self.values[first.output] = self.add_layer(replace(layer, kernels=kernels))
        for node in nodes:
            if len(node.inputs) > 1 and node.inputs[1].startswith(head_prefix):
                return
            convert = _CONVERTERS.get(node.operator)
            if convert is None:
                raise ConversionError(f"the operator {node.operator} is not supported")
            self.values[node.output] = convert(self, node)

    def read_layer(self, node: Node) -> _Layer:
        """Return a convolution of the source."""
        source, kernels, biases = node.inputs
        attributes = {name: value for name, value in node.attributes.items() if name != "dilations"}
        weights = self.network.weights
        return _Layer(source, weights[kernels], weights[biases], attributes)

    def stack_heads(self, prefixes: list[str]) -> _Layer:
        """Return one layer of the outputs of several, by the prefixes of their weights' names."""
        layers = [
            self.read_layer(node)
            for prefix in prefixes
            for node in self.network.nodes
            if len(node.inputs) > 1 and node.inputs[1].startswith(prefix)
        ]
        if len(layers) != len(prefixes):
            raise ConversionError(f"the network lacks one of {', '.join(prefixes)}")
        return replace(
            layers[0],
            kernels=np.concatenate([layer.kernels for layer in layers]),
            biases=np.concatenate([layer.biases for layer in layers]),
            attributes=dict(layers[0].attributes),
        )

    def add_layer(self, layer: _Layer, output: str = "", x: str = "") -> str:
        """Add a convolution and return its value."""
        constants = self.graph.add_constant(layer.kernels), self.graph.add_constant(layer.biases)
        x = x or self.values[layer.source]
        return self.graph.add_node("Conv", x, *constants, output=output, **layer.attributes)

    def add_output(self, x: str, layer: _Layer, stride: int) -> None:
        """Add the last layer of a map, which is an output of the graph."""
        name = f"stride{stride}"
        self.add_layer(layer, output=name, x=x)
        rows, columns = f"rows{stride}", f"columns{stride}"
        self.graph.add_output(name, ("batch", len(layer.biases), rows, columns))

    def convert_convolution(self, node: Node) -> str:
        return self.add_layer(self.read_layer(node))

    def convert_simple(self, node: Node) -> str:
        return self.graph.add_node(node.operator, *(self.values[name] for name in node.inputs))

    def convert_max_pool(self, node: Node) -> str:
        attributes = {name: node.attributes[name] for name in ("kernel_shape", "strides")}
        return self.graph.add_node("MaxPool", self.values[node.inputs[0]], **attributes)

    def convert_resize(self, node: Node) -> str:
        scales = self.network.weights[node.inputs[2]].tolist()
        if node.attributes["mode"] != b"nearest" or scales != [1, 1, 2, 2]:
            raise ConversionError("RESIZE is supported for the nearest pixel at twice the size")
        return self.graph.add_node(
            "Resize",
            self.values[node.inputs[0]],
            "",  # no region of interest
            self.graph.add_constant(np.array(scales, np.float32)),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def convert_transposed(self, node: Node) -> str:
        """Turn windows that do not overlap into a convolution of pixels, four outputs for one."""
        layer = self.read_layer(node)  # kernels (C, M, 2, 2)
        inputs, _, *window = layer.kernels.shape
        if window != [WINDOW, WINDOW] or node.attributes["strides"] != [WINDOW, WINDOW]:
            raise ConversionError("ConvTranspose is supported for windows of 2 that do not overlap")
        kernels = layer.kernels.transpose(2, 3, 1, 0).reshape(-1, inputs, 1, 1)  # (4M, C, 1, 1)
        biases = np.tile(layer.biases, WINDOW * WINDOW)  # (4M,)
        pixels = _Layer(layer.source, kernels, biases, {"kernel_shape": [1, 1]})
        return self.graph.add_node(
            "DepthToSpace", self.add_layer(pixels), blocksize=WINDOW, mode="DCR"
        )


_CONVERTERS: Final[Mapping[str, Callable[[_AnchorFreeConversion, Node], str]]] = {
    "Add": _AnchorFreeConversion.convert_simple,
    "Conv": _AnchorFreeConversion.convert_convolution,
    "ConvTranspose": _AnchorFreeConversion.convert_transposed,
    "MaxPool": _AnchorFreeConversion.convert_max_pool,
    "Relu": _AnchorFreeConversion.convert_simple,
    "Resize": _AnchorFreeConversion.convert_resize,
}
