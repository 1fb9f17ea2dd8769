import io
import os
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from phiz.convert.torch_pickle import MAGIC_NUMBER, PROTOCOL_VERSION, read_weights
from phiz.errors import ConversionError

NUMBERS = np.arange(8, dtype=np.float32)


class FloatStorage:
    """Stands in for PyTorch's."""


class DoubleStorage:
    """Stands in for PyTorch's, and is not admitted."""


def _rebuild_tensor_v2() -> None:
    """Stands in for PyTorch's; pickled by its name alone."""


@dataclass
class Storage:
    numbers: NDArray[np.float32]
    kind: type = FloatStorage


@dataclass
class Tensor:
    storage: Any
    shape: Any
    strides: tuple[int, ...]
    offset: int = 0

    def __reduce__(self) -> tuple[object, ...]:
        arguments: tuple[object, ...] = (
            self.storage,
            self.offset,
            self.shape,
            self.strides,
            False,
            OrderedDict(),
        )
        return _rebuild_tensor_v2, arguments


class Pickler(pickle.Pickler):
    def persistent_id(self, obj: object) -> object:
        if isinstance(obj, Storage):
            return ("storage", obj.kind, "key", "cpu", len(obj.numbers), None)
        return None


@pytest.fixture(autouse=True)
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of PyTorch's names, so that pickles can name what is in them."""
    named: dict[str, list[Any]] = {
        "torch": [FloatStorage, DoubleStorage],
        "torch._utils": [_rebuild_tensor_v2],
    }
    for module, members in named.items():
        stand_in = ModuleType(module)
        for member in members:
            monkeypatch.setattr(member, "__module__", module)
            setattr(stand_in, member.__name__, member)
        monkeypatch.setitem(sys.modules, module, stand_in)


def written(
    state: object, magic: int = MAGIC_NUMBER, numbers: NDArray[np.float32] = NUMBERS
) -> bytes:
    """A file as PyTorch wrote it, with one storage."""
    file = io.BytesIO()
    for value in (magic, PROTOCOL_VERSION, {"little_endian": True}, state, ["key"]):
        Pickler(file, protocol=2).dump(value)
    return file.getvalue() + struct.pack("<q", len(numbers)) + numbers.tobytes()


STORAGE = Storage(NUMBERS)


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (Tensor(STORAGE, (8,), (1,)), [0, 1, 2, 3, 4, 5, 6, 7]),
        (Tensor(STORAGE, (2, 3), (3, 1)), [[0, 1, 2], [3, 4, 5]]),
        (Tensor(STORAGE, (2, 3), (1, 2)), [[0, 2, 4], [1, 3, 5]]),
        (Tensor(STORAGE, (2, 2), (2, 1), offset=4), [[4, 5], [6, 7]]),
        (Tensor(STORAGE, (), (), offset=7), 7),
    ],
    ids=["all", "rows", "columns first", "offset", "scalar"],
)
def test_tensors_are_read_through_their_strides(tensor: Tensor, expected: object) -> None:
    (weights,) = read_weights(written({"weight": tensor})).values()
    assert weights.tolist() == expected
    assert weights.dtype == np.float32
    assert weights.flags.c_contiguous


@pytest.mark.parametrize(
    ("tensor", "complaint"),
    [
        (Tensor(STORAGE, (9,), (1,)), "does not fit its storage of 8"),
        (Tensor(STORAGE, (8,), (1,), offset=1), "does not fit its storage of 8"),
        (Tensor(STORAGE, (3, 3), (3, 1)), "does not fit its storage of 8"),
        (Tensor(STORAGE, (10**6, 10**6), (0, 0)), "does not fit its storage of 8"),
        (Tensor(STORAGE, (2,), (-1,), offset=4), "has shape"),
        (Tensor(STORAGE, (2,), (1,), offset=-1), "has shape"),
        (Tensor(STORAGE, (0,), (1,)), "has shape"),
        (Tensor(STORAGE, (2, 2), (1,)), "not a legacy PyTorch file"),
        (Tensor(STORAGE, "22", (1, 1)), "not a legacy PyTorch file"),
        (Tensor("other", (2,), (1,)), "not a legacy PyTorch file"),
        (Tensor(Storage(NUMBERS, DoubleStorage), (2,), (1,)), "torch.DoubleStorage"),
    ],
    ids=[
        "longer",
        "late",
        "taller",
        "repeated",
        "backwards",
        "before",
        "none",
        "flat",
        "text",
        "key",
        "type",
    ],
)
def test_tensors_that_reach_beyond_or_make_no_sense_are_refused(
    tensor: Tensor, complaint: str
) -> None:
    with pytest.raises(ConversionError, match=complaint):
        read_weights(written({"weight": tensor}))


class Malicious:
    """Calls a function as soon as it is read by the pickle module."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("as_state", [lambda bomb: {"weight": bomb}, lambda bomb: bomb])
def test_a_pickle_that_calls_something_is_refused_and_calls_nothing(
    tmp_path: Path, as_state: Callable[[object], object]
) -> None:
    target = tmp_path / "made"
    bomb = Malicious(os.mkdir, str(target))
    with pytest.raises(ConversionError, match=rf"the pickle asks for {os.mkdir.__module__}\.mkdir"):
        read_weights(written(as_state(bomb)))
    assert not target.exists()
    pickle.loads(pickle.dumps(bomb))  # noqa: S301  to show that the bomb is a real one
    assert target.exists()


@pytest.mark.parametrize("name", ["eval", "getattr", "__import__", "exec", "open"])
def test_builtins_are_refused(name: str) -> None:
    content = b"\x80\x02cbuiltins\n" + name.encode() + b"\n."
    with pytest.raises(ConversionError, match=f"the pickle asks for builtins.{name}"):
        read_weights(content)


@pytest.mark.parametrize("opcode", [b"r\xff\xff\xff\x7f", b"p2147483647\n"])
def test_pickle_that_asks_for_a_place_far_beyond_its_end_is_refused(opcode: bytes) -> None:
    with pytest.raises(ConversionError, match="asks for the place 2147483647 of"):
        read_weights(b"\x80\x02K\1" + opcode + b".")


WHOLE = {"weight": Tensor(STORAGE, (8,), (1,))}


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (lambda: b"", "not a legacy PyTorch file"),
        (lambda: b"PK\x03\x04", "not a legacy PyTorch file"),
        (lambda: written(WHOLE, magic=1), "magic number"),
        (lambda: written([1, 2]), "something other than a dictionary of tensors"),
        (lambda: written({"weight": 1}), "something other than a dictionary of tensors"),
        (lambda: written(WHOLE)[:-1], "truncated: 31 of 32 bytes of a storage are left"),
        (lambda: written(WHOLE)[:-36], "not a legacy PyTorch file"),
        (lambda: written(WHOLE)[:90], "not a legacy PyTorch file"),
    ],
    ids=["empty", "zip", "magic", "list", "number", "cut", "half a length", "half a pickle"],
)
def test_files_of_another_kind_are_refused(write: Callable[[], bytes], complaint: str) -> None:
    with pytest.raises(ConversionError, match=complaint):
        read_weights(write())


def test_the_real_weights_have_the_published_numbers_of_parameters(
    source_of: Callable[[str], bytes],
) -> None:
    counts = {
        name: sum(array.size for array in read_weights(source_of(name)).values())
        for name in ("pnet", "rnet", "onet")
    }
    assert counts == {"pnet": 6632, "rnet": 100178, "onet": 389040}
