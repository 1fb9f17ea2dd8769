"""A writer of ONNX graphs whose bytes depend on nothing but what is written."""

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from phiz.errors import ConversionError

# Read by onnxruntime 1.22 and later, and by other runtimes of the last years. Both numbers
# are written down rather than taken from the installed onnx, whose own defaults change.
OPSET = 17
IR_VERSION = 8

Axis = int | str
"""A fixed length, or the name of one that is known when the graph runs."""

Attribute = int | float | str | Sequence[int]


class Graph:
    """Nodes and constants in the order in which they are added.

    Every value is named after its node, and every node after its operator and a running
    number, so that the same calls give the same bytes.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add_input(self, name: str, dtype: int, shape: tuple[Axis, ...]) -> str:
        """Declare an input and return its name."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def add_output(self, name: str, shape: tuple[Axis, ...]) -> None:
        """Declare a float32 output; some node must give it."""
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def add_constant(self, array: NDArray[np.generic]) -> str:
        """Add an array as an initializer and return its name."""
        name = f"constant{len(self._constants)}"
        contiguous = np.asarray(array, order="C")  # keeps a scalar one
        self._constants.append(numpy_helper.from_array(contiguous, name))
        return name

    def add_node(
        self, operator: str, *inputs: str, output: str = "", **attributes: Attribute
    ) -> str:
        """Add a node of one output and return that output's name."""
        name = f"{operator.lower()}{len(self._nodes)}"
        node = helper.make_node(operator, inputs, [output or name], name)
        for key, value in sorted(attributes.items()):
            node.attribute.append(helper.make_attribute(key, value))
        self._nodes.append(node)
        return output or name

    def serialise(self) -> bytes:
        """Return the model's bytes.

        Raises:
            ConversionError: The graph is invalid.
        """
        graph = helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, self._constants
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(
            graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="phiz"
        )
        return serialise_model(model)


def serialise_model(model: onnx.ModelProto) -> bytes:
    """Return a model's bytes, checked against the ONNX specification.

    Raises:
        ConversionError: The graph is invalid.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(
            f"{model.graph.name}: the graph is not valid ONNX: {error}"
        ) from error
    content: bytes = model.SerializeToString(deterministic=True)
    return content
