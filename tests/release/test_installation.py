import json
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.utils import canonicalize_name

import phiz
from tests.service.running import SELFIE, running

from .conftest import ROOT, TOOLS, Installed

pytestmark = pytest.mark.integration

FLOATS = ("front", "back", "full", "pnet", "rnet", "onet", "yunet", "centerface")
FILES = {*(f"{name}.onnx" for name in FLOATS), "onet.int8.onnx", "centerface.int8.onnx"}


@pytest.fixture(scope="module")
def built(installed: Installed) -> Path:
    """Where the installed phiz keeps the models that it builds."""
    installed.run("phiz", "models", "build")
    return installed.folder / "cache" / "phiz" / "models"


def test_package_is_that_of_environment(installed: Installed) -> None:
    place = installed.run("python", "-c", "import phiz; print(phiz.__file__)")
    assert Path(place).is_relative_to(installed.python.parents[1])
    assert installed.run("phiz", "--version") == f"phiz, version {phiz.__version__}\n"


def test_environment_has_what_package_requires(installed: Installed) -> None:
    assert installed.run("python", "-m", "pip", "check") == "No broken requirements found.\n"


def test_models_are_built_into_cache_and_verified(installed: Installed, built: Path) -> None:
    assert {path.name for path in built.glob("*.onnx")} == FILES
    listed = installed.run("phiz", "models", "verify")
    assert all(listed.count(name) >= 1 for name in FILES)
    elsewhere = installed.folder / "moved"
    shutil.copytree(built, elsewhere)
    installed.run("phiz", "models", "verify", "--models", str(elsewhere))


@pytest.mark.usefixtures("built")
def test_command_finds_face(installed: Installed) -> None:
    shutil.copy(SELFIE, installed.folder / "face.png")
    found = json.loads(installed.run("phiz", "detect", "face.png"))
    assert len(found["faces"]) == 1


@pytest.mark.usefixtures("built")
def test_service_answers(installed: Installed, tmp_path: Path) -> None:
    command = [str(installed.python.with_name("phiz")), "serve", "--port", "0", "--workers", "1"]
    with running(command, installed.environment, tmp_path / "log") as service:
        answer = httpx.post(f"{service.url}/detect", files={"image": SELFIE.read_bytes()})
        assert answer.status_code == httpx.codes.OK, answer.text
        assert len(answer.json()["faces"]) == 1
        assert {model["name"] for model in httpx.get(f"{service.url}/models").json()["models"]} >= {
            "front",
            "mtcnn",
            "auto",
        }
        assert "phiz" in httpx.get(f"{service.url}/docs").text
        assert service.stop() == 0


def test_sbom_lists_what_service_consists_of(
    installed: Installed, models_folder: Path, tmp_path: Path
) -> None:
    sbom = tmp_path / "phiz.cdx.json"
    subprocess.run(
        [
            *("make", "--silent", "--old-file=.venv/dev", "sbom", f"BIN={TOOLS}"),
            *(f"SERVED={installed.python}", f"SBOM={sbom}"),
        ],
        cwd=ROOT,
        env=installed.environment,
        check=True,
    )
    document = json.loads(sbom.read_text("utf-8"))
    validator = JsonStrictValidator(SchemaVersion.from_version(document["specVersion"]))
    assert validator.validate_str(sbom.read_text("utf-8")) is None
    assert document["bomFormat"] == "CycloneDX"
    subject = document["metadata"]["component"]
    assert (subject["name"], subject["version"]) == ("phiz", phiz.__version__)
    parts = {part["name"]: part for part in document["components"]}
    assert {"onnxruntime", "uvicorn", "numpy"} <= parts.keys()
    assert parts["uvicorn"]["licenses"][0]["license"]["id"] == "BSD-3-Clause"
    assert not parts.keys() & {"pytest", "ruff", "mypy"}
    requirements = (ROOT / "requirements" / "serve.txt").read_text("utf-8")
    # Those for every system and Python.
    locked = re.findall(r"^([\w.-]+)==\S+ \\$", requirements, re.MULTILINE)
    assert len(locked) > 20
    assert {*map(canonicalize_name, locked)} <= {*map(canonicalize_name, parts)}
    hashes = {name: sha256((models_folder / name).read_bytes()).hexdigest() for name in FILES}
    listed = {
        name: part["hashes"][0]["content"]
        for name, part in parts.items()
        if part["type"] == "machine-learning-model"
    }
    assert hashes.items() <= listed.items()
    assert parts["onet.onnx"]["licenses"][0]["license"]["id"] == "MIT"
