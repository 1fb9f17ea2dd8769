import numpy as np
import onnx
import pytest

from phiz.convert.graph import IR_VERSION, OPSET, Graph
from phiz.errors import ConversionError


def doubling() -> Graph:
    graph = Graph("doubling")
    x = graph.add_input("x", onnx.TensorProto.FLOAT, ("batch", 2))
    graph.add_node("Mul", x, graph.add_constant(np.array(2, np.float32)), output="y")
    graph.add_output("y", ("batch", 2))
    return graph


def test_a_graph_says_what_it_was_told() -> None:
    model = onnx.load_from_string(doubling().serialise())
    assert (model.ir_version, model.opset_import[0].version) == (IR_VERSION, OPSET)
    assert model.producer_name == "phiz"
    assert [node.op_type for node in model.graph.node] == ["Mul"]
    assert [axis.dim_param for axis in model.graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        "",
    ]


def test_the_same_calls_give_the_same_bytes() -> None:
    assert doubling().serialise() == doubling().serialise()


def test_the_order_of_attributes_is_of_no_consequence() -> None:
    def pooled(**attributes: list[int]) -> bytes:
        graph = Graph("pool")
        x = graph.add_input("x", onnx.TensorProto.FLOAT, ("batch", 1, 4, 4))
        graph.add_node("MaxPool", x, output="y", **attributes)
        graph.add_output("y", ("batch", 1, 2, 2))
        return graph.serialise()

    assert pooled(kernel_shape=[2, 2], strides=[2, 2]) == pooled(
        strides=[2, 2], kernel_shape=[2, 2]
    )


def test_a_graph_that_is_not_valid_is_refused() -> None:
    graph = doubling()
    graph.add_node("Add", "y", "nothing")
    with pytest.raises(ConversionError, match="doubling: the graph is not valid ONNX"):
        graph.serialise()
