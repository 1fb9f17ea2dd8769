import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image as Pillow

from phiz.models import catalog
from phiz.sdk.local import LocalEngine
from phiz.settings import Settings
from tests.service.running import SELFIE, SERVE, Running, environment, running


@pytest.fixture(scope="package")
def models(
    models_folder: Path,
    built_classifier: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with the face models and one of the classifiers."""
    folder = tmp_path_factory.mktemp("models")
    classifiers = {spec.name for spec in catalog.load_catalog().get_models("classify")}
    faces = [
        path for path in models_folder.glob("*.onnx") if path.name.split(".")[0] not in classifiers
    ]
    for path in (*faces, *built_classifier("mobilenet").glob("mobilenet*.onnx")):
        (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="package")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("service") / "log"
    with running([*SERVE, "--workers", "2"], environment(models), log) as service:
        yield service


@pytest.fixture(scope="package")
def local(models: Path) -> LocalEngine:
    return LocalEngine(Settings(models=models))


@pytest.fixture(scope="package")
def numbered() -> dict[tuple[int, int], bytes]:
    """Small pictures with a face by their width and height, which no two have alike."""
    pictures = {}
    with Pillow.open(SELFIE) as selfie:
        small = selfie.convert("RGB").resize((90, 160))
    for number in range(120):
        file = io.BytesIO()
        canvas = Pillow.new("RGB", (100 + number % 10, 160 + number // 10))
        canvas.paste(small)
        canvas.save(file, "JPEG")
        pictures[canvas.size] = file.getvalue()
    return pictures
