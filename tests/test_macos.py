"""phiz where nothing is that Linux alone has: no names of its, no /proc, no glibc."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from .conftest import PICTURES
from .ray.variables import RAY
from .service.running import ONE, environment, running

pytestmark = pytest.mark.integration

FOLDER = Path(__file__).with_name("macos")
SELFIE = PICTURES / "selfie_360x640.png"
# Ray for Linux needs Linux: it is there before the names go.
IMPORT = """
import pkgutil, importlib, runpy, sys
import ray.data, ray.serve
import phiz

runpy.run_path(sys.argv[1])
for module in pkgutil.walk_packages(phiz.__path__, "phiz."):
    if module.name != "phiz.__main__":
        importlib.import_module(module.name)
        print(module.name)
"""


def test_the_names_and_files_of_linux_are_gone() -> None:
    program = "import os, select; print(hasattr(os, 'pipe2'), hasattr(select, 'epoll')); open(%r)"
    command = [sys.executable, "-c", program % "/proc/self/stat"]
    env = {**os.environ, "PYTHONPATH": str(FOLDER)}
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["False", "False"]
    assert "FileNotFoundError" in ran.stderr


def test_every_module_is_imported() -> None:
    command = [sys.executable, "-c", IMPORT, str(FOLDER / "sitecustomize.py")]
    env = {**os.environ, **RAY}
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert {"phiz.system.cgroups", "phiz.convert.builder", "phiz.ray.job", "phiz.ray.serve"} <= {
        *ran.stdout.split()
    }


def test_the_command_line_detects(models_folder: Path) -> None:
    env = environment(models_folder, PYTHONPATH=str(FOLDER))
    command = [sys.executable, "-m", "phiz", "detect", str(SELFIE)]
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(json.loads(ran.stdout)["faces"]) == 1


def test_models_are_built_and_verified(models_folder: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, PYTHONPATH=str(FOLDER))
    for command in (["build", "--group", "face"], ["verify"]):
        subprocess.run([sys.executable, "-m", "phiz", "models", *command], env=env, check=True)
    built = {path.name: path.read_bytes() for path in tmp_path.glob("*.onnx")}
    assert built == {name: (models_folder / name).read_bytes() for name in built}
    assert built


def test_the_service_answers_counts_and_stops(models_folder: Path, tmp_path: Path) -> None:
    env = environment(models_folder, PYTHONPATH=str(FOLDER))
    with running(ONE, env, tmp_path / "log") as service:
        answer = httpx.post(f"{service.url}/detect", files={"image": SELFIE.read_bytes()})
        assert len(answer.json()["faces"]) == 1
        assert service.metric("phiz_processors") == os.cpu_count()
        # The worker's process is there; what it takes is not told.
        assert service.metric("phiz_workers") == 1
        names = {name for name, _ in service.samples()}
        assert "phiz_worker_resident_bytes" not in names
        assert service.stop() == 0
    assert service.log.read_text() == ""
