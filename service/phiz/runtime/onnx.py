"""Networks in onnxruntime, on the calling thread."""

from dataclasses import dataclass
from typing import Any, Final

import onnxruntime as ort
from numpy.typing import NDArray

from phiz.errors import SettingError
from phiz.models.specs import Architecture, NetworkSpec
from phiz.runtime.session import Session, raise_memory_error

CPU_PROVIDER: Final = "CPUExecutionProvider"
# Their input size changes with every image. Other networks change the batch size at most.
DYNAMIC_SIZE_ARCHITECTURES: Final[frozenset[Architecture]] = frozenset({"pnet"})


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
            raise SettingError(
                f"this onnxruntime lacks {', '.join(missing)}; it has {', '.join(available)}"
            )

    def open(self, spec: NetworkSpec, model_bytes: bytes) -> Session:
        """Return a session of a network.

        Raises:
            SettingError: A provider does not work on this machine.
        """
        options = build_session_options(
            self.threads, has_dynamic_size=spec.architecture in DYNAMIC_SIZE_ARCHITECTURES
        )
        return OnnxSession(model_bytes, options, self.providers)


class OnnxSession:
    """An ONNX graph with one input, run by onnxruntime."""

    __slots__ = ("_input", "_outputs", "_session")

    def __init__(
        self,
        model_bytes: bytes,
        options: ort.SessionOptions,
        providers: tuple[str, ...] = (CPU_PROVIDER,),
    ) -> None:
        """Load a graph from its bytes."""
        self._session = ort.InferenceSession(model_bytes, options, list(providers))
        # onnxruntime continues without a provider whose driver or library is missing.
        working = self._session.get_providers()
        if idle := [name for name in providers if name not in working]:
            raise SettingError(
                f"onnxruntime cannot use {', '.join(idle)} on this machine (a driver or library"
                f" may be missing); it can use {', '.join(working)}"
            )
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the outputs by name, for one input array.

        Raises:
            MemoryError: The memory is not enough.
        """
        try:
            outputs = self._session.run(self._outputs, {self._input: inputs})
        except Exception as error:
            raise_memory_error(error)
            raise
        return dict(zip(self._outputs, outputs, strict=True))


def build_session_options(threads: int, *, has_dynamic_size: bool) -> ort.SessionOptions:
    """Return the options of a session; ``docs/runtimes.md`` has the figures behind them.

    Args:
        threads: Threads of one inference.
        has_dynamic_size: Whether the input size changes between runs.
    """
    options = ort.SessionOptions()
    # Requests run beside each other, one thread each: that is more answers a second than
    # several threads for one, and none of them waits in a spin.
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # An arena keeps what it once got from the system, which saves up to a fifth of the time
    # and stays as it is while sizes do. With sizes that change it would grow to what the
    # largest image needed, and a plan be kept of every size that was ever seen.
    options.enable_cpu_mem_arena = not has_dynamic_size
    options.enable_mem_pattern = not has_dynamic_size
    # Its errors are raised too; its own lines on standard error would not be in the log's format.
    options.log_severity_level = 4
    return options
