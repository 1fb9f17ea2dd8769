"""Files that networks are converted from: pickles of PyTorch, TensorFlow Lite files, wheels."""

import hashlib
import io
import pickle
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import flatbuffers
import numpy as np
import tflite

from phiz.convert.sources import read_source
from phiz.convert.tflite_file import read_tflite
from phiz.convert.torch_pickle import MAGIC_NUMBER, PROTOCOL_VERSION, read_weights
from phiz.errors import ConversionError, SourceError
from phiz.models.specs import SourceFile, Wheel

_FOLDER: Final = tempfile.TemporaryDirectory(prefix="phiz-fuzzing-")
_MEMBER: Final = "package/weights.bin"
_NUMBERS: Final = np.arange(6, dtype="<f4")


def read_pickle(content: bytes) -> None:
    """Read the weights of a legacy PyTorch file."""
    try:
        weights = read_weights(content)
    except ConversionError:
        return
    for name, array in weights.items():
        assert isinstance(name, str)
        assert array.dtype == np.float32


def read_network(content: bytes) -> None:
    """Read a TensorFlow Lite file."""
    try:
        network = read_tflite(content)
    except ConversionError:
        return
    assert all(isinstance(side, int) for shape in network.shapes for side in shape)


def read_wheel(content: bytes) -> None:
    """Read a file out of a wheel that has the pinned hash, as one of a wrong catalogue would."""
    folder = Path(_FOLDER.name)
    wheel = Wheel("package", "1", hashlib.sha256(content).hexdigest(), len(content))
    (folder / "package-1-py3-none-any.whl").write_bytes(content)
    expected = _NUMBERS.tobytes()
    file = SourceFile(wheel, _MEMBER, hashlib.sha256(expected).hexdigest(), len(expected))
    try:
        found = read_source(file, folder)
    except SourceError:
        return
    assert found == expected


def list_pickles() -> Iterator[bytes]:
    """Yield legacy PyTorch files: good ones, a cut one, and one that calls a function."""
    good = encode_legacy((2, 3), (3, 1))
    yield good
    yield encode_legacy((3, 2), (1, 3), kind=b"LongStorage", dtype="<i8")
    yield encode_legacy((2, 3), (0, 0))
    yield encode_legacy((2**40, 3), (3, 1))
    yield good[:-3]
    yield good.replace(b"ctorch\nFloatStorage", b"cos\nsystem")


def encode_legacy(
    shape: tuple[int, int],
    strides: tuple[int, int],
    *,
    kind: bytes = b"FloatStorage",
    dtype: str = "<f4",
) -> bytes:
    """Return a file with one tensor of six numbers, pickled by hand: PyTorch is not needed."""

    def dump(value: object) -> bytes:
        """Return a pickle without its protocol and its stop."""
        return pickle.dumps(value, 2)[2:-1]

    storage = b"(%bctorch\n%b\n%b%b%bNtQ" % (
        dump("storage"),
        kind,
        dump("key"),
        dump("cpu"),
        dump(6),
    )
    pairs = b"%b%b" % (dump(shape), dump(strides))
    empty = b"ccollections\nOrderedDict\n)R"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(%bK\0%b\x89%btR" % (storage, pairs, empty)
    tensors = b"\x80\x02%b(%b%bu." % (empty, dump("weight"), tensor)
    heads = [pickle.dumps(MAGIC_NUMBER, 2), pickle.dumps(PROTOCOL_VERSION, 2), b"\x80\x02}."]
    numbers = struct.pack("<q", 6) + _NUMBERS.astype(dtype).tobytes()
    return b"".join((*heads, tensors, pickle.dumps(["key"], 2), numbers))


def list_networks() -> Iterator[bytes]:
    """Yield a small TensorFlow Lite file with a convolution, and a cut one."""
    good = encode_tflite()
    yield good
    yield good[: len(good) * 2 // 3]
    yield b"\x1c\0\0\0TFL3"


def encode_tflite() -> bytes:
    """Return a file of a graph with one convolution of one constant."""
    builder = flatbuffers.Builder(512)
    numbers = builder.CreateByteVector(_NUMBERS.tobytes())
    buffers = []
    for vector in (None, numbers):
        tflite.BufferStart(builder)
        if vector is not None:
            tflite.BufferAddData(builder, vector)
        buffers.append(tflite.BufferEnd(builder))
    tensors = []
    for buffer, shape in ((0, (1, 2, 3)), (1, (2, 3)), (0, (1, 2, 2))):
        sides = builder.CreateNumpyVector(np.array(shape, np.int32))
        tflite.TensorStart(builder)
        tflite.TensorAddShape(builder, sides)
        tflite.TensorAddBuffer(builder, buffer)
        tflite.TensorAddType(builder, tflite.TensorType.FLOAT32)
        tensors.append(tflite.TensorEnd(builder))
    graph = _encode_graph(builder, tensors)
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddBuiltinCode(builder, tflite.BuiltinOperator.CONV_2D)
    code = tflite.OperatorCodeEnd(builder)
    vectors = [_encode_tables(builder, tables) for tables in ([code], [graph], buffers)]
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddOperatorCodes(builder, vectors[0])
    tflite.ModelAddSubgraphs(builder, vectors[1])
    tflite.ModelAddBuffers(builder, vectors[2])
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def _encode_graph(builder: flatbuffers.Builder, tensors: list[int]) -> int:
    tflite.Conv2DOptionsStart(builder)
    tflite.Conv2DOptionsAddStrideH(builder, 2)
    tflite.Conv2DOptionsAddStrideW(builder, 2)
    options = tflite.Conv2DOptionsEnd(builder)
    inputs, outputs, given = (
        builder.CreateNumpyVector(np.array(numbers, np.int32)) for numbers in ((0, 1), (2,), (0,))
    )
    tflite.OperatorStart(builder)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    tflite.OperatorAddBuiltinOptionsType(builder, tflite.BuiltinOptions.Conv2DOptions)
    tflite.OperatorAddBuiltinOptions(builder, options)
    operator = tflite.OperatorEnd(builder)
    operators, held = (_encode_tables(builder, tables) for tables in ([operator], tensors))
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, held)
    tflite.SubGraphAddInputs(builder, given)
    tflite.SubGraphAddOutputs(builder, outputs)
    tflite.SubGraphAddOperators(builder, operators)
    return int(tflite.SubGraphEnd(builder))


def _encode_tables(builder: flatbuffers.Builder, tables: list[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    return int(builder.EndVector())


def list_wheels() -> Iterator[bytes]:
    """Yield wheels that are stored, compressed, cut, and without the file."""
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr(zipfile.ZipInfo(_MEMBER), _NUMBERS.tobytes(), method)
        yield file.getvalue()
    yield file.getvalue()[:-9]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("other.txt"), "other")
    yield file.getvalue()
