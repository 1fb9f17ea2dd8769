"""Reads the nodes and weights of ONNX files that other projects publish."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from phiz.errors import ConversionError


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a graph.

    Attributes:
        operator: Name of the operator.
        inputs: Names of its values.
        output: Name of its only value.
        attributes: By name, without those of the default value that the file omits.
    """

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OnnxNetwork:
    """The graph of a file.

    Attributes:
        nodes: In the order in which they run.
        weights: Arrays by name.
    """

    nodes: tuple[Node, ...]
    weights: Mapping[str, NDArray[np.float32]]


def read_onnx(source: bytes) -> OnnxNetwork:
    """Return the graph of an ONNX file of any opset.

    Raises:
        ConversionError: It is no ONNX file, or a node has several outputs.
    """
    try:
        graph = onnx.load_from_string(source).graph
    except DecodeError as error:
        raise ConversionError(f"the source is no ONNX file: {error}") from error
    if several := [node.op_type for node in graph.node if len(node.output) != 1]:
        raise ConversionError(f"{several[0]} has several outputs; one is supported")
    nodes = (
        Node(
            node.op_type,
            tuple(node.input),
            node.output[0],
            {each.name: helper.get_attribute_value(each) for each in node.attribute},
        )
        for node in graph.node
    )
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    return OnnxNetwork(tuple(nodes), weights)
