"""Networks in onnxruntime, on the calling thread."""

from typing import Any

import onnxruntime as ort
from numpy.typing import NDArray


class OnnxSession:
    """An ONNX graph with one input, run by onnxruntime on the thread that calls."""

    __slots__ = ("_input", "_outputs", "_session")

    def __init__(self, graph: bytes) -> None:
        """Load a graph from its bytes (verified by the caller)."""
        self._session = ort.InferenceSession(graph, _options(), ["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the outputs by name, for one input array."""
        outputs = self._session.run(self._outputs, {self._input: inputs})
        return dict(zip(self._outputs, outputs, strict=True))


def _options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    # Requests run beside each other, one thread each: that is more answers a second than
    # several threads for one, and none of them waits in a spin.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # An arena keeps the largest block that any picture ever needed: with pictures of
    # varying size it only grows.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return options
