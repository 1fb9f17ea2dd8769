"""The variants of a run: a runtime, and a precision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal, TypeAlias, get_args

import onnxruntime

from phiz.errors import SettingError
from phiz.models.specs import Precision
from phiz.runtime.onnx import OnnxRuntime
from phiz.runtime.session import ComputePrecision, Runtime

RuntimeName: TypeAlias = Literal["onnxruntime", "openvino"]

COMPUTE_PRECISIONS: Final[tuple[ComputePrecision, ...]] = get_args(ComputePrecision)


@dataclass(frozen=True, slots=True)
class Variant:
    """A runtime and its precision."""

    runtime: RuntimeName
    precision: ComputePrecision

    @property
    def network_precision(self) -> Precision:
        """The precision of its ONNX file."""
        return "int8" if self.precision == "int8" else "float32"

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"


REFERENCE_VARIANT: Final = Variant("onnxruntime", "float32")
"""Always available, and the reference of parity with the original networks."""


def open_runtime(variant: Variant, threads: int = 1) -> Runtime:
    """Return the runtime of a variant, with some threads per inference.

    Raises:
        SettingError: It is not installed.
    """
    return RUNTIME_FACTORIES[variant.runtime](variant.precision, threads)


def find_installed_variants(precision: Precision = "float32") -> tuple[Variant, ...]:
    """Return the variants for an ONNX file of a precision; for float32 the reference is first."""
    if precision == "int8":
        return tuple(Variant(name, "int8") for name in RUNTIME_FACTORIES if get_version(name))
    if get_version("openvino") is None:
        return (REFERENCE_VARIANT,)
    # Not at the top: it is slow to import and seldom used.
    from phiz.runtime.openvino import has_bf16  # noqa: PLC0415

    variants = (REFERENCE_VARIANT, Variant("openvino", "float32"))
    return (*variants, Variant("openvino", "bf16")) if has_bf16() else variants


def get_version(runtime: RuntimeName) -> str | None:
    """Return the version of a runtime, or None if it is not installed."""
    if runtime == "onnxruntime":  # in packages of several names
        return str(onnxruntime.__version__)
    try:
        return version(runtime)
    except PackageNotFoundError:
        return None


def _open_onnxruntime(precision: ComputePrecision, threads: int) -> Runtime:
    assert precision != "bf16", "onnxruntime computes in the precision of the graph"
    return OnnxRuntime(threads=threads)


def _open_openvino(precision: ComputePrecision, threads: int) -> Runtime:
    try:
        from phiz.runtime.openvino import OpenVinoRuntime  # noqa: PLC0415  see above
    except ModuleNotFoundError as error:
        if error.name != "openvino":
            raise
        raise SettingError(
            "OpenVINO is not installed; install it with: pip install 'phiz[openvino]'"
        ) from error
    return OpenVinoRuntime(precision, threads)


RUNTIME_FACTORIES: Final[Mapping[RuntimeName, Callable[[ComputePrecision, int], Runtime]]] = {
    "onnxruntime": _open_onnxruntime,
    "openvino": _open_openvino,
}
