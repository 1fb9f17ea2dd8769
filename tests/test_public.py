"""The names of ``import phiz``, which are loaded at their first use."""

import subprocess
import sys

import pytest

import phiz

LARGE = {"numpy", "onnxruntime", "httpx", "pydantic", "PIL", "orjson"}


def loaded_by(program: str) -> set[str]:
    """The modules that a fresh Python has loaded after a program."""
    command = [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"]
    return {*subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()}


def test_import_loads_no_other_module_of_phiz_and_nothing_large() -> None:
    loaded = loaded_by("import phiz; dir(phiz); phiz.__all__; phiz.__version__")
    assert {name for name in loaded if name.startswith("phiz")} == {"phiz"}
    assert not loaded & LARGE


def test_errors_are_loaded_without_anything_large() -> None:
    loaded = loaded_by("import phiz; phiz.PhizError; phiz.errors.ImageError")
    assert "phiz.errors" in loaded
    assert not loaded & LARGE


@pytest.mark.parametrize("name", phiz.__all__)
def test_every_name_is_found_and_listed(name: str) -> None:
    found = getattr(phiz, name)
    assert name in dir(phiz)
    assert getattr(found, "__name__", "").rpartition(".")[2] == name
    assert found.__doc__


def test_unknown_name_is_an_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="'phiz' has no attribute 'detct'"):
        phiz.detct  # type: ignore[attr-defined]  # noqa: B018  on purpose


def test_clients_load_neither_the_networks_nor_the_server() -> None:
    loaded = loaded_by("import phiz; phiz.Client; phiz.AsyncClient")
    assert {"httpx", "phiz.sdk.client"} <= loaded
    assert not loaded & {"onnxruntime", "fastapi", "starlette", "uvicorn", "phiz.engine"}


@pytest.mark.parametrize("package", ["httpx", "tenacity"])
def test_client_without_its_packages_is_told_with_what_installs_them(package: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; import phiz; phiz.errors; phiz.Client"
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    said = ran.stderr.splitlines()[-1]
    assert said == (
        f"ImportError: phiz.Client needs the package {package}; install it with: pip install"
        " 'phiz[client]'"
    )


def test_onnxruntime_is_told_to_report_nothing_before_it_is_loaded() -> None:
    loaded = loaded_by("import phiz; phiz.detect")
    assert "onnxruntime" not in loaded
    program = (
        "import os, phiz; phiz.LocalEngine(); assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    )
    assert "onnxruntime" in loaded_by(program)
