"""The runtime protocols."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias

from numpy.typing import NDArray

from phiz.models.specs import NetworkSpec

ComputePrecision: TypeAlias = Literal["float32", "bf16", "int8"]
"""The precision of most layers; inputs and outputs keep their types.

int8 needs an ONNX file in int8. The others run the file in float32.
"""


class Session(Protocol):
    """A loaded network, safe to run from several threads at once."""

    def run(self, inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Return the outputs by name, for one input array.

        The arrays belong to the caller. Later runs do not change them.
        """
        ...  # pragma: no cover


class Runtime(Protocol):
    """Loads networks."""

    def open(self, spec: NetworkSpec, model_bytes: bytes) -> Session:
        """Return a session of a network, from the verified bytes of its ONNX file."""
        ...  # pragma: no cover


def raise_memory_error(error: Exception) -> None:
    """Raise a MemoryError if the error of a runtime comes from a lack of memory.

    Runtimes have no type for it. Their messages have the name of the failed function in C++ or
    "failed to allocate".
    """
    if "alloc" in str(error):
        raise MemoryError(str(error)) from error
