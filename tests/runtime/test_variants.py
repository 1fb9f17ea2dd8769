import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from phiz.errors import SettingError
from phiz.runtime import variants
from phiz.runtime.onnx import OnnxRuntime
from phiz.runtime.openvino import OpenVino
from phiz.runtime.variants import REFERENCE, Variant, installed_variants, open_runtime, version_of


def test_a_variant_opens_its_runtime() -> None:
    assert open_runtime(REFERENCE, 2) == OnnxRuntime(threads=2)
    assert open_runtime(Variant("openvino", "bf16"), 2) == OpenVino("bf16", 2)


def test_what_is_installed_is_found() -> None:
    found = installed_variants()
    assert found[:2] == (REFERENCE, Variant("openvino", "float32"))
    assert version_of("onnxruntime")
    assert version_of("openvino")


def test_without_openvino_there_is_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(variants, "version", missing)
    assert installed_variants() == (REFERENCE,)


def test_what_is_not_installed_is_told_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "phiz.runtime.openvino")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(SettingError, match=r"pip install 'phiz\[openvino\]'"):
        open_runtime(Variant("openvino", "float32"))


def test_serving_does_not_import_openvino_unless_asked() -> None:
    program = (
        "import sys, phiz.api.app, phiz.cli.engines, phiz.engine, phiz.runtime.choice;"
        "sys.exit('openvino' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
