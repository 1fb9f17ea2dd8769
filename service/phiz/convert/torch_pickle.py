"""Weights out of a legacy PyTorch file, read without PyTorch and without running its code.

The format (``torch/serialization.py``, ``_legacy_save``) is five pickles in a row (a magic
number, a protocol version, the writer's integer sizes, the tensors, the order of the
storages) and then, for every storage, its length as int64 and its numbers, little-endian.

A pickle may name any function to be called. Here it finds four names and no other: an ordered
dictionary, PyTorch's function that rebuilds a tensor, as a harmless one of this module, and two
types of storages, as names of numpy types.
"""

import io
import math
import pickle
import pickletools
import struct
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from phiz.errors import ConversionError

MAGIC_NUMBER: Final = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION: Final = 1001

StateDict = Mapping[str, NDArray[np.float32]]
"""Parameter name to array, in the file's order."""

# The errors of damaged pickles, by the manual of the pickle module.
_DECODE_ERRORS: Final = (
    *(pickle.UnpicklingError, struct.error, AttributeError, EOFError, ImportError),
    *(LookupError, OverflowError, TypeError, ValueError),
)
# Python reserves memory by the number that these give, however short the file.
_SIZED_OPCODES: Final = ("PUT", "BINPUT", "LONG_BINPUT")


@dataclass(frozen=True, slots=True)
class _Storage:
    """The name of a storage, and the type of its numbers."""

    key: str
    dtype: np.dtype[np.generic]


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A view of a storage; offset and strides count numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_weights(content: bytes) -> StateDict:
    """Return the float32 arrays of a state dictionary, each C-contiguous.

    Tensors of int64, which count the batches of the training, are left out.

    Raises:
        ConversionError: The file is not of the legacy format, is cut short, or its pickle
            holds anything but tensors of float32 and int64.
    """
    file = io.BytesIO(content)
    try:
        tensors, keys = _read_pickles(file)
        dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
        numbers = {key: _read_storage(file, dtypes[key]) for key in keys}
        return {
            name: _copy_view(tensor, numbers[tensor.storage.key])
            for name, tensor in tensors.items()
            if tensor.storage.dtype == np.dtype("<f4")
        }
    except _DECODE_ERRORS as error:
        raise ConversionError(f"not a legacy PyTorch file: {error}") from error


def _read_pickles(file: io.BytesIO) -> tuple[dict[str, _Tensor], list[str]]:
    magic, version, _sizes, tensors, keys = (_read_pickle(file) for _ in range(5))
    if (magic, version) != (MAGIC_NUMBER, PROTOCOL_VERSION):
        raise ConversionError("not a legacy PyTorch file: its magic number differs")
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, _Tensor) for name, tensor in tensors.items()
    ):
        raise ConversionError("the file holds something other than a dictionary of tensors")
    return tensors, keys


def _read_pickle(file: io.BytesIO) -> Any:  # noqa: ANN401  a pickle holds anything
    start = file.tell()
    limit = file.getbuffer().nbytes
    for opcode, number, _ in pickletools.genops(file):
        if opcode.name in _SIZED_OPCODES and int(number or 0) > limit:
            raise ConversionError(f"the pickle asks for the place {number} of {limit} bytes")
    file.seek(start)
    return _Unpickler(file).load()


def _read_storage(file: io.BytesIO, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    (length,) = struct.unpack("<q", file.read(8))
    wanted_bytes = dtype.itemsize * length
    raw = file.read(wanted_bytes)
    if len(raw) != wanted_bytes:
        raise ConversionError(
            f"the file is truncated: {len(raw)} of {wanted_bytes} bytes of a storage are left"
        )
    return np.frombuffer(raw, dtype)


def _copy_view(tensor: _Tensor, numbers: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return a copy of what a tensor sees of its storage, or refuse one that looks beyond it."""
    shape, strides = tensor.shape, tensor.strides
    if min(shape, default=1) < 1 or min(strides, default=0) < 0 or tensor.offset < 0:
        raise ConversionError(f"a tensor has shape {shape}, strides {strides}")
    last = sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    # A stride of 0 repeats numbers, as many times as the shape says.
    if tensor.offset + last >= len(numbers) or math.prod(shape) > len(numbers):
        raise ConversionError(
            f"a tensor of shape {shape}, strides {strides} does not fit its storage of "
            f"{len(numbers)} numbers"
        )
    bytes_apart = [numbers.itemsize * stride for stride in strides]
    seen = np.lib.stride_tricks.as_strided(numbers[tensor.offset :], shape, bytes_apart)
    return np.array(seen, np.float32, order="C")


def _rebuild_tensor(
    storage: _Storage,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *_gradients: object,
) -> _Tensor:
    """Stands for ``torch._utils._rebuild_tensor_v2``, whose arguments these are."""
    return _Tensor(storage, offset, shape, strides)


_ALLOWED_NAMES: Final = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "FloatStorage"): "<f4",  # weights
    ("torch", "LongStorage"): "<i8",  # counts of the training
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
}


class _Unpickler(pickle.Unpickler):
    """Finds the four admitted names and no other."""

    def find_class(self, module: str, name: str) -> object:
        admitted = _ALLOWED_NAMES.get((module, name))
        if admitted is None:
            raise ConversionError(
                f"the pickle asks for {module}.{name}; "
                f"nothing but tensors of float32 and int64 is admitted"
            )
        return admitted

    def persistent_load(self, pid: object) -> _Storage:
        """Return the storage that is named by (word, type, key, device, size, view)."""
        match pid:
            case ("storage", "<f4" | "<i8" as dtype, str(key), str(), int(), None):
                return _Storage(key, np.dtype(dtype))
        raise ConversionError("the pickle asks for something other than a storage of numbers")
