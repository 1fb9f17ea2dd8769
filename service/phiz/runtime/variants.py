"""The ways in which a network can be run here: a runtime, and a precision."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal, TypeAlias, get_args

import onnxruntime

from phiz.errors import SettingError
from phiz.models.specs import Form
from phiz.runtime.onnx import OnnxRuntime
from phiz.runtime.session import Precision, Runtime

RuntimeName: TypeAlias = Literal["onnxruntime", "openvino"]

PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)


@dataclass(frozen=True, slots=True)
class Variant:
    """A runtime and the precision that it computes in."""

    runtime: RuntimeName
    precision: Precision

    @property
    def form(self) -> Form:
        """The form of the ONNX file that it runs."""
        return "int8" if self.precision == "int8" else "float32"

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"


REFERENCE: Final = Variant("onnxruntime", "float32")
"""Always there, and what parity with the original networks is measured with."""


def open_runtime(variant: Variant, threads: int = 1) -> Runtime:
    """Return the runtime of a variant, one inference on so many threads.

    Raises:
        SettingError: It is not installed.
    """
    return RUNTIMES[variant.runtime](variant.precision, threads)


def installed_variants(form: Form = "float32") -> tuple[Variant, ...]:
    """Return what this machine can run an ONNX file of a form in.

    Of float32 the reference is the first.
    """
    if form == "int8":
        return tuple(Variant(name, "int8") for name in RUNTIMES if version_of(name) is not None)
    if version_of("openvino") is None:
        return (REFERENCE,)
    # Not at the top: it takes a while to import, and few ask for it.
    from phiz.runtime.openvino import has_bf16  # noqa: PLC0415

    variants = (REFERENCE, Variant("openvino", "float32"))
    return (*variants, Variant("openvino", "bf16")) if has_bf16() else variants


def version_of(runtime: RuntimeName) -> str | None:
    """Return the version of a runtime, or None if it is not installed."""
    if runtime == "onnxruntime":  # in packages of several names
        return str(onnxruntime.__version__)
    try:
        return version(runtime)
    except PackageNotFoundError:
        return None


def _onnxruntime(precision: Precision, threads: int) -> Runtime:
    assert precision != "bf16", "it computes as the graph says, which is float32 or int8"
    return OnnxRuntime(threads=threads)


def _openvino(precision: Precision, threads: int) -> Runtime:
    try:
        from phiz.runtime.openvino import OpenVino  # noqa: PLC0415  see above
    except ModuleNotFoundError as error:
        if error.name != "openvino":
            raise
        raise SettingError(
            "OpenVINO is not installed; install phiz with its extra: pip install 'phiz[openvino]'"
        ) from error
    return OpenVino(precision, threads)


RUNTIMES: Final[Mapping[RuntimeName, Callable[[Precision, int], Runtime]]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}
