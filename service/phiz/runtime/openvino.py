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
from phiz.runtime.session import ComputePrecision, Session

DEVICE: Final = "CPU"
# Layers that the graph has in 8 bits are computed in them, whatever the hint.
PRECISION_HINTS: Final[dict[ComputePrecision, str]] = {
    "float32": "f32",
    "bf16": "bf16",
    "int8": "f32",
}
# Kernels that are kept for shapes seen before, of all the layers of a network. The default,
# 5000, keeps half a megabyte for each size that P-Net ever saw: a gigabyte after some
# thousand pictures. One picture of 1280 × 720 needs about 200.
KERNEL_CACHE_CAPACITY: Final = 256
ISAS_WITHOUT_BF16: Final = frozenset(
    {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}
)


@dataclass(frozen=True, slots=True)
class OpenVinoRuntime:
    """Opens networks in OpenVINO.

    Attributes:
        precision: What layers are computed in where that pays; float32 is float32 throughout,
            but for what the graph has in 8 bits.
        threads: That one inference is spread over.
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

    A compiled network runs one inference at a time, so there is one for each caller that
    was ever there at once. They wait in a list whose ``pop`` and ``append`` are atomic.
    """

    __slots__ = ("_configuration", "_core", "_idle_requests", "_model", "_outputs")

    def __init__(self, core: ov.Core, model_bytes: bytes, configuration: dict[str, Any]) -> None:
        """Load a graph from its bytes, and compile it for the first caller."""
        self._core = core
        self._model = core.read_model(model_bytes)
        # Compiled, an output may bear the names of the layers that were fused into it as well.
        self._outputs = [output.any_name for output in self._model.outputs]
        self._configuration = configuration
        self._idle_requests = [self._compile_request()]

    def run(self, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the outputs by name, for one input array."""
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
    """Return what a network is compiled with.

    Threads are not tied to processors: there are as many sessions as callers, and those of
    one process would all be tied to the same.
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
    """Return whether this processor computes bfloat16 itself, and may.

    OpenVINO tells what the processor has, also where the variable leaves some of it out; networks
    in bfloat16 then cannot be compiled.

    Args:
        environ: Of the environment.
    """
    if (get_isa_limit(environ) or "").upper() in ISAS_WITHOUT_BF16:
        return False
    return "BF16" in ov.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
