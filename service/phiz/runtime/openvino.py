"""Networks in OpenVINO, on one processor, from the same ONNX files."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from phiz.models.specs import NetworkSpec
from phiz.runtime.isa import get_isa_limit
from phiz.runtime.session import ComputePrecision, Session, raise_memory_error

DEVICE: Final = "CPU"
# Layers with 8 bits in the graph are computed in 8 bits, whatever the hint.
PRECISION_HINTS: Final[dict[ComputePrecision, str]] = {
    "float32": "f32",
    "bf16": "bf16",
    "int8": "f32",
}
# Cached kernels for known shapes, over all layers of a network. The default of 5000 keeps half a
# megabyte per size that P-Net saw, which is a gigabyte after some thousand images. An image of
# 1280 × 720 needs about 200.
KERNEL_CACHE_CAPACITY: Final = 256
ISAS_WITHOUT_BF16: Final = frozenset(
    {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}
)


@dataclass(frozen=True, slots=True)
class OpenVinoRuntime:
    """Opens networks in OpenVINO.

    Attributes:
        precision: Precision of layers that profit from it. With float32 all layers are float32,
            except those with 8 bits in the graph.
        threads: Threads of one inference.
    """

    precision: ComputePrecision = "float32"
    threads: int = 1
    _core: ov.Core = field(default_factory=ov.Core, repr=False, compare=False)

    def open(self, spec: NetworkSpec, model_bytes: bytes) -> Session:  # noqa: ARG002  the graph says it all
        """Return a session of a network."""
        return OpenVinoSession(
            self._core, model_bytes, build_configuration(self.precision, self.threads)
        )


class OpenVinoSession:
    """An ONNX graph with one input, run by OpenVINO.

    A compiled network runs one inference at a time, so there is one for each concurrent caller.
    Idle ones are in a list whose ``pop`` and ``append`` are atomic.
    """

    __slots__ = ("_configuration", "_core", "_idle_requests", "_model", "_outputs")

    def __init__(self, core: ov.Core, model_bytes: bytes, configuration: dict[str, Any]) -> None:
        """Load a graph from its bytes, and compile it for the first caller."""
        self._core = core
        self._model = core.read_model(model_bytes)
        # A compiled output may also have the names of layers that were fused into it.
        self._outputs = [output.any_name for output in self._model.outputs]
        self._configuration = configuration
        self._idle_requests = [self._compile_request()]

    def run(self, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the outputs by name, for one input array.

        Raises:
            MemoryError: The memory is not enough.
        """
        request = self._acquire_request()
        try:
            # The array is read in place, and not again once this inference is over; OpenVINO
            # takes none that it may not write to.
            tensor = ov.Tensor(np.require(inputs, requirements=("C", "W")), shared_memory=True)
            request.set_input_tensor(tensor)
            request.infer()
            return {
                name: request.get_tensor(output).data.copy()
                for name, output in zip(self._outputs, request.model_outputs, strict=True)
            }
        except Exception as error:
            raise_memory_error(error)
            raise
        finally:
            self._idle_requests.append(request)

    def _acquire_request(self) -> ov.InferRequest:
        try:
            return self._idle_requests.pop()
        except IndexError:
            return self._compile_request()

    def _compile_request(self) -> ov.InferRequest:
        compiled = self._core.compile_model(self._model, DEVICE, self._configuration)
        return compiled.create_infer_request()


def build_configuration(precision: ComputePrecision, threads: int) -> dict[str, Any]:
    """Return the options of compilation.

    Threads are not pinned to processors: the sessions of one process would all be pinned to the
    same ones.
    """
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": PRECISION_HINTS[precision],
        "ENABLE_CPU_PINNING": False,
        "ENABLE_HYPER_THREADING": False,
        "CPU_RUNTIME_CACHE_CAPACITY": KERNEL_CACHE_CAPACITY,
    }


def has_bf16(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether this processor has bfloat16 instructions and may use them.

    OpenVINO reports the instructions of the processor without the limit of the variable. Beyond
    that limit, networks in bfloat16 cannot be compiled.

    Args:
        environ: The environment variables.
    """
    if (get_isa_limit(environ) or "").upper() in ISAS_WITHOUT_BF16:
        return False
    return "BF16" in ov.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
