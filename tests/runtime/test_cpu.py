from pathlib import Path

import pytest

from phiz.models.specs import Precision
from phiz.runtime import cpu
from phiz.runtime.cpu import recommend_for_cpu_info, recommend_precision


@pytest.mark.parametrize(
    ("cpu_info", "precision"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 avx512_vnni\n", "int8"),
        ("flags : fpu avx2 avx_vnni", "int8"),
        ("flags : fpu avx2 avx512f", "float32"),
        ("flags : fpu avx512_vnnix", "float32"),
        ("Features\t: fp asimd asimddp", "int8"),
        ("Features\t: fp asimd", "float32"),
        ("model name : avx512_vnni\n", "float32"),
        ("", "float32"),
    ],
    ids=["avx512", "avx", "neither", "another word", "arm", "old arm", "not a flag", "nothing"],
)
def test_int8_wants_products_of_bytes(cpu_info: str, precision: Precision) -> None:
    assert recommend_for_cpu_info(cpu_info) == precision


def test_recommended_precision_is_that_of_this_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(cpu, "CPU_INFO", tmp_path / "cpuinfo")
    assert recommend_precision() == "float32"
    (tmp_path / "cpuinfo").write_text("flags : avx512_vnni")
    assert recommend_precision() == "int8"


def test_apples_own_processors_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert recommend_precision() == "int8"
