from dataclasses import dataclass
from pathlib import Path

import pytest

from phiz.engine import build_engine
from phiz.errors import ModelNotBuiltError
from phiz.faces import DetectOptions
from phiz.image.limits import DecodingLimits
from phiz.image.resample import Sampling
from phiz.loading import load_engine
from phiz.models import catalog
from phiz.models.specs import NetworkSpec, Precision
from phiz.runtime import Session
from phiz.runtime.onnx import OnnxRuntime
from phiz.settings import Settings
from phiz.timings import Stopwatch

GROUP = Path(__file__).parent / "pictures" / "group_640x480.png"
CATALOG = catalog.load_catalog()
SMALL = DecodingLimits(1_000_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class NotingRuntime:
    """Opens networks, and keeps the names of their files."""

    opened: list[str]

    def open(self, spec: NetworkSpec, model_bytes: bytes) -> Session:
        self.opened.append(spec.file_name)
        return OnnxRuntime().open(spec, model_bytes)


def _settings(models: Path, profile: Path) -> Settings:
    return Settings(models=models, runtime="auto", profile=profile)


def test_a_network_is_run_in_the_form_that_its_profile_names(
    profile: Path, int8_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine, models = load_engine(_settings(int8_folder, profile), ["mtcnn"])
    assert capsys.readouterr().err == ""
    precisions = {spec.name: spec.precision for model in models.models for spec in model.networks}
    assert [name for name, precision in precisions.items() if precision == "int8"] == ["onet"]
    other = build_engine(int8_folder, "half-pixel", SMALL, ["mtcnn"], models=CATALOG)
    found, expected = (
        each.detect(GROUP.read_bytes(), "mtcnn", DetectOptions(), Stopwatch()).faces
        for each in (engine, other)
    )
    assert len(found) == len(expected) > 1
    # Another file was at work, on the same faces.
    assert [face.score for face in found] != [face.score for face in expected]
    for one, reference in zip(found, expected, strict=True):
        assert one.box == pytest.approx(reference.box, abs=2)


@pytest.mark.parametrize(
    ("sampling", "precision"), [("half-pixel", "int8"), ("area", "int8"), ("reference", "float32")]
)
def test_reference_mode_runs_networks_in_float32(
    sampling: Sampling,
    precision: Precision,
    int8_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("phiz.runtime.select.recommend_precision", lambda: "int8")
    _, models = load_engine(Settings(models=int8_folder, sampling=sampling), ["mtcnn"])
    onet = models.get_model("mtcnn").get_network("onet")
    assert onet.precision == precision
    runtime = NotingRuntime([])
    build_engine(int8_folder, sampling, SMALL, ["mtcnn"], runtime=runtime)
    assert runtime.opened == ["pnet.onnx", "rnet.onnx", onet.file_name]


def test_a_form_that_is_not_built_is_told_with_what_builds_it(
    profile: Path, models_folder: Path, tmp_path: Path
) -> None:
    for spec in CATALOG.get_model("mtcnn").networks:
        (tmp_path / spec.file_name).write_bytes(catalog.read_network(spec, models_folder))
    with pytest.raises(ModelNotBuiltError, match=r"onet\.int8\.onnx .* with: phiz models build$"):
        load_engine(_settings(tmp_path, profile), ["mtcnn"])
