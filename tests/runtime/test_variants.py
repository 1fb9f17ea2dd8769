import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from phiz.errors import SettingError
from phiz.runtime import ComputePrecision, variants
from phiz.runtime.onnx import OnnxRuntime
from phiz.runtime.openvino import OpenVinoRuntime
from phiz.runtime.variants import (
    REFERENCE_VARIANT,
    Variant,
    find_installed_variants,
    get_version,
    open_runtime,
)


def test_a_variant_opens_its_runtime() -> None:
    assert open_runtime(REFERENCE_VARIANT, 2) == OnnxRuntime(threads=2)
    assert open_runtime(Variant("openvino", "bf16"), 2) == OpenVinoRuntime("bf16", 2)


@pytest.mark.parametrize(
    ("precision", "network_precision"),
    [("float32", "float32"), ("bf16", "float32"), ("int8", "int8")],
)
def test_a_variant_runs_a_form(precision: ComputePrecision, network_precision: str) -> None:
    assert Variant("openvino", precision).network_precision == network_precision


def test_8_bits_run_wherever_float32_does(monkeypatch: pytest.MonkeyPatch) -> None:
    both = Variant("onnxruntime", "int8"), Variant("openvino", "int8")
    assert find_installed_variants("int8") == both
    assert [open_runtime(variant) for variant in both] == [OnnxRuntime(), OpenVinoRuntime("int8")]
    monkeypatch.setattr(variants, "get_version", {"onnxruntime": "1"}.get)
    assert find_installed_variants("int8") == both[:1]


def test_installed_runtimes_are_found() -> None:
    found = find_installed_variants()
    assert found[:2] == (REFERENCE_VARIANT, Variant("openvino", "float32"))
    assert get_version("onnxruntime")
    assert get_version("openvino")


def test_reference_is_the_only_variant_without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(variants, "version", missing)
    assert find_installed_variants() == (REFERENCE_VARIANT,)


def test_missing_runtime_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "phiz.runtime.openvino")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(SettingError, match=r"pip install 'phiz\[openvino\]'"):
        open_runtime(Variant("openvino", "float32"))


def test_serving_does_not_import_openvino_unless_asked() -> None:
    program = (
        "import sys, phiz.api.app, phiz.loading, phiz.engine, phiz.runtime.select;"
        "sys.exit('openvino' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
