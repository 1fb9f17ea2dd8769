"""Reads a TensorFlow Lite file into records: operators, shapes and constants."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import tflite
from numpy.typing import NDArray

from phiz.errors import ConversionError

# The options of each operator that are read, by the names of the TensorFlow Lite schema.
_ACTIVATION: Final = "FusedActivationFunction"
_WINDOW: Final = ("Padding", "StrideH", "StrideW")
_DILATION: Final = ("DilationHFactor", "DilationWFactor")
_OPERATOR_OPTIONS: Final[Mapping[str, tuple[type[Any], tuple[str, ...]]]] = {
    "ADD": (tflite.AddOptions, (_ACTIVATION,)),
    "CONCATENATION": (tflite.ConcatenationOptions, ("Axis", _ACTIVATION)),
    "CONV_2D": (tflite.Conv2DOptions, (*_WINDOW, *_DILATION, _ACTIVATION)),
    "DEPTHWISE_CONV_2D": (
        tflite.DepthwiseConv2DOptions,
        (*_WINDOW, *_DILATION, _ACTIVATION, "DepthMultiplier"),
    ),
    "MAX_POOL_2D": (tflite.Pool2DOptions, (*_WINDOW, "FilterHeight", "FilterWidth", _ACTIVATION)),
    "RESIZE_BILINEAR": (tflite.ResizeBilinearOptions, ("AlignCorners", "HalfPixelCenters")),
}
_TFLITE_DTYPES: Final[Mapping[int, np.dtype[np.generic]]] = {
    tflite.TensorType.FLOAT16: np.dtype("<f2"),
    tflite.TensorType.FLOAT32: np.dtype("<f4"),
    tflite.TensorType.INT32: np.dtype("<i4"),
}
_OPERATOR_NAMES: Final = {
    code: name for name, code in vars(tflite.BuiltinOperator).items() if not name.startswith("_")
}
# The classes of the schema read wherever an offset leads, so damage gives any of these.
_FLATBUFFER_ERRORS: Final = (
    *(struct.error, AttributeError, LookupError, OverflowError, TypeError, ValueError),
)


@dataclass(frozen=True, slots=True)
class Operator:
    """One step; tensors by their number.

    Attributes:
        kind: The name in the TensorFlow Lite schema, such as ``CONV_2D``.
        inputs: Tensors that it reads.
        outputs: Tensors that it writes.
        options: By the names of the schema; empty for an operator that has none.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TfliteNetwork:
    """A file with one graph.

    Attributes:
        inputs: Tensors that are given.
        outputs: Tensors that are wanted.
        shapes: Of every tensor, channels last.
        constants: The tensors whose numbers are in the file; float16 widened to float32.
        operators: In an order in which they can run, without those that only widen.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    constants: Mapping[int, NDArray[np.generic]]
    operators: tuple[Operator, ...]

    def get_constant(self, tensor: int) -> NDArray[np.generic]:
        """Return the numbers of a constant.

        Raises:
            ConversionError: The tensor is not a constant.
        """
        if tensor not in self.constants:
            raise ConversionError(f"tensor {tensor} is not a constant, where one is expected")
        return self.constants[tensor]


def read_tflite(content: bytes) -> TfliteNetwork:
    """Return the one graph of a file.

    Raises:
        ConversionError: It is not such a file, is damaged, or holds more than one graph, or numbers
            of another type than float16, float32 and int32.
    """
    try:
        if not tflite.Model.ModelBufferHasIdentifier(content, 0):
            raise ConversionError("not a TensorFlow Lite file: its identifier is missing")
        return _read_network(content)
    except _FLATBUFFER_ERRORS as error:
        raise ConversionError(f"the TensorFlow Lite file is damaged: {error}") from error


def _read_network(content: bytes) -> TfliteNetwork:
    model = tflite.Model.GetRootAs(content, 0)
    if model.SubgraphsLength() != 1:
        raise ConversionError(f"the file holds {model.SubgraphsLength()} graphs; one is expected")
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(number) for number in range(graph.TensorsLength())]
    constants = {
        number: array
        for number, tensor in enumerate(tensors)
        if (array := _read_constant(model, tensor)) is not None
    }
    operators = [
        _read_operator(model, graph.Operators(number)) for number in range(graph.OperatorsLength())
    ]
    return TfliteNetwork(
        inputs=_to_ints(graph.InputsAsNumpy()),
        outputs=_to_ints(graph.OutputsAsNumpy()),
        shapes=tuple(_to_ints(tensor.ShapeAsNumpy()) for tensor in tensors),
        constants=_dequantise_float16(operators, constants),
        operators=tuple(operator for operator in operators if operator.kind != "DEQUANTIZE"),
    )


def _read_constant(model: tflite.Model, tensor: tflite.Tensor) -> NDArray[np.generic] | None:
    buffer = model.Buffers(tensor.Buffer())
    if buffer.DataLength() == 0:
        return None
    dtype = _TFLITE_DTYPES.get(tensor.Type())
    if dtype is None:
        raise ConversionError(f"a constant has the type number {tensor.Type()}, unknown here")
    numbers: NDArray[np.generic] = np.frombuffer(buffer.DataAsNumpy().tobytes(), dtype)
    return numbers.reshape(tensor.ShapeAsNumpy())


def _read_operator(model: tflite.Model, operator: tflite.Operator) -> Operator:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Files older than the int32 field have the number in an int8 one.
    kind = _OPERATOR_NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    options: dict[str, int] = {}
    if kind in _OPERATOR_OPTIONS:
        table, names = _OPERATOR_OPTIONS[kind]
        stored = operator.BuiltinOptions()
        reader = table()
        reader.Init(stored.Bytes, stored.Pos)
        options = {name: int(getattr(reader, name)()) for name in names}
    inputs, outputs = operator.InputsAsNumpy(), operator.OutputsAsNumpy()
    return Operator(kind, _to_ints(inputs), _to_ints(outputs), options)


def _dequantise_float16(
    operators: list[Operator], constants: Mapping[int, NDArray[np.generic]]
) -> dict[int, NDArray[np.generic]]:
    """Return the constants, and those that are stored as float16 to save space as float32."""
    widened = dict(constants)
    for operator in operators:
        if operator.kind != "DEQUANTIZE":
            continue
        (source,), (target,) = operator.inputs, operator.outputs
        half = constants.get(source)
        if half is None or half.dtype != np.float16:
            raise ConversionError(f"tensor {source} is dequantised, but is not a float16 constant")
        widened[target] = half.astype(np.float32)
    return widened


def _to_ints(array: NDArray[np.int32]) -> tuple[int, ...]:
    return tuple(int(number) for number in array)
