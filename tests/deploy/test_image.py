import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .metrics import ROOT

HADOLINT = Path(sys.executable).with_name("hadolint")


@pytest.mark.parametrize("file", ["Dockerfile", "deploy/test/standins/Dockerfile"])
def test_the_image_is_made_as_is_advised(file: str) -> None:
    checked = subprocess.run(
        [HADOLINT, "--no-color", file], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (checked.stdout, checked.returncode) == ("", 0)


def test_the_image_says_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (version,) = re.findall(r"^ARG VERSION=(\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert version == project["version"]


def test_what_the_image_runs_on_has_no_package_of_an_extra() -> None:
    locked = (ROOT / "requirements" / "serve.txt").read_text("utf-8")
    names = set(re.findall(r"^([a-z0-9-]+)==", locked, re.MULTILINE))
    assert {"onnxruntime", "uvicorn"} <= names
    assert not names & {"ray", "pyarrow", "pandas", "openvino", "onnx"}
