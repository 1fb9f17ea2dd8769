"""Networks in onnxruntime, on the calling thread."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from phiz.errors import SettingError
from phiz.models.specs import (
    CASCADE_ARCHITECTURES,
    DYNAMIC_ARCHITECTURES,
    Architecture,
    NetworkSpec,
)
from phiz.runtime.session import Session, raise_memory_error
from phiz.system.malloc import has_huge_pages

CPU_PROVIDER: Final = "CPUExecutionProvider"
# Providers of GPUs, which run a batch in little more time than one image.
GPU_PROVIDERS: Final = frozenset(
    f"{name}ExecutionProvider"
    for name in ("CUDA", "NvTensorRTRTX", "Tensorrt", "MIGraphX", "ROCM", "Dml")
)
# By default CUDA tries all algorithms of a convolution for each new shape of its input. The images
# of a batch and the levels of a pyramid have ever new ones.
PROVIDER_OPTIONS: Final[Mapping[str, dict[str, str]]] = {
    "CUDAExecutionProvider": {"cudnn_conv_algo_search": "HEURISTIC"}
}
# An arena keeps the memory of inputs up to 320 × 320, at most 5 MB of a network: of small blocks
# fewer pages are huge.
MAX_KEPT_BYTES: Final = 3 * 320 * 320


def _build_shrinking_options() -> ort.RunOptions:
    options = ort.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


_SHRINKING: Final = _build_shrinking_options()


@dataclass(frozen=True, slots=True)
class OnnxRuntime:
    """Opens networks in onnxruntime, in the precision of their graph.

    Attributes:
        providers: Execution providers, preferred first.
        threads: Threads of one inference.

    Raises:
        SettingError: This onnxruntime was built without one of the providers.
    """

    providers: tuple[str, ...] = (CPU_PROVIDER,)
    threads: int = 1

    def __post_init__(self) -> None:
        available = ort.get_available_providers()
        if missing := [name for name in self.providers if name not in available]:
            problem = f"this onnxruntime lacks {', '.join(missing)}; it has {', '.join(available)}"
            if has_gpu(missing):
                problem += "; for CUDA, install onnxruntime-gpu in its place"
            raise SettingError(problem)

    def open(self, spec: NetworkSpec, model_bytes: bytes) -> Session:
        """Return a session of a network.

        Raises:
            SettingError: A provider does not work on this machine.
        """
        options = build_session_options(self.threads, spec.architecture)
        return OnnxSession(model_bytes, options, self.providers)


class OnnxSession:
    """An ONNX graph with one input, run by onnxruntime."""

    __slots__ = ("_binds", "_input", "_outputs", "_session", "_shrinks")

    def __init__(
        self,
        model_bytes: bytes,
        options: ort.SessionOptions,
        providers: tuple[str, ...] = (CPU_PROVIDER,),
    ) -> None:
        """Load a graph from its bytes."""
        wanted = [
            (name, PROVIDER_OPTIONS[name]) if name in PROVIDER_OPTIONS else name
            for name in providers
        ]
        self._session = ort.InferenceSession(model_bytes, options, wanted)
        # onnxruntime continues without a provider whose driver or library is missing.
        working = self._session.get_providers()
        if idle := [name for name in providers if name not in working]:
            raise SettingError(
                f"onnxruntime cannot use {', '.join(idle)} on this machine (a driver or library"
                f" may be missing); it can use {', '.join(working)}"
            )
        # The memory of the largest input would stay otherwise, 50 to 80 MB. Without huge pages,
        # getting it again takes up to as long as the network.
        has_growing_arena = options.enable_cpu_mem_arena and not options.enable_mem_pattern
        is_on_processor = providers == (CPU_PROVIDER,)
        self._shrinks = has_growing_arena and is_on_processor and has_huge_pages(os.environ)
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._binds = has_gpu(providers)

    def run(self, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the outputs by name, for one input array.

        Raises:
            MemoryError: The memory is not enough.
        """
        options = _SHRINKING if self._shrinks and inputs.nbytes > MAX_KEPT_BYTES else None
        try:
            if self._binds:
                outputs = self._run_bound(inputs)
            else:
                outputs = self._session.run(self._outputs, {self._input: inputs}, options)
        except Exception as error:
            raise_memory_error(error)
            raise
        return dict(zip(self._outputs, outputs, strict=True))

    def _run_bound(self, inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the outputs in their order; all of them are copied from the GPU at once."""
        binding = self._session.io_binding()
        binding.bind_cpu_input(self._input, np.ascontiguousarray(inputs))
        for name in self._outputs:
            binding.bind_output(name)
        self._session.run_with_iobinding(binding)
        outputs: list[NDArray[Any]] = binding.copy_outputs_to_cpu()
        return outputs


def has_gpu(providers: Collection[str]) -> bool:
    """Return whether one of the providers is a GPU's."""
    return not GPU_PROVIDERS.isdisjoint(providers)


def build_session_options(threads: int, architecture: Architecture) -> ort.SessionOptions:
    """Return the options of a session; ``docs/runtimes.md`` has the figures behind them.

    Args:
        threads: Threads of one inference.
        architecture: The network, by which memory is kept from run to run or not.
    """
    options = ort.SessionOptions()
    # Requests run beside each other, one thread each: that is more answers a second than
    # several threads for one, and none of them waits in a spin.
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # An arena keeps what it once got from the system. Without one the system clears the memory of
    # each run, which takes as long as a large network itself. MTCNN runs on small batches, whose
    # memory the C library keeps, so it is as fast without one. A plan of the memory is kept for
    # every input size that was ever seen, so it is made where there is only one.
    options.enable_cpu_mem_arena = architecture not in CASCADE_ARCHITECTURES
    options.enable_mem_pattern = architecture not in DYNAMIC_ARCHITECTURES | CASCADE_ARCHITECTURES
    # Its errors are raised too; its own lines on standard error would not be in the log's format.
    options.log_severity_level = 4
    return options
