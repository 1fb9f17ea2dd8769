from pathlib import Path

import pytest

from phiz.errors import ModelNotBuiltError
from phiz.faces import DetectOptions
from phiz.loading import load_engine
from phiz.models import catalog
from phiz.settings import Settings
from phiz.timings import Stopwatch

GROUP = Path(__file__).parent / "pictures" / "group_640x480.png"
CATALOG = catalog.load_catalog()


def _settings(models: Path, profile: Path) -> Settings:
    return Settings(models=models, runtime="auto", profile=profile)


def test_a_network_is_run_in_the_form_that_its_profile_names(
    profile: Path, int8_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine, models = load_engine(_settings(int8_folder, profile), ["mtcnn"])
    assert capsys.readouterr().err == ""
    precisions = {spec.name: spec.precision for model in models.models for spec in model.networks}
    assert [name for name, precision in precisions.items() if precision == "int8"] == ["onet"]
    other, _ = load_engine(Settings(models=int8_folder), ["mtcnn"])
    found, expected = (
        each.detect(GROUP.read_bytes(), "mtcnn", DetectOptions(), Stopwatch()).faces
        for each in (engine, other)
    )
    assert len(found) == len(expected) > 1
    # Another file was at work, on the same faces.
    assert [face.score for face in found] != [face.score for face in expected]
    for one, reference in zip(found, expected, strict=True):
        assert one.box == pytest.approx(reference.box, abs=2)


def test_a_form_that_is_not_built_is_told_with_what_builds_it(
    profile: Path, models_folder: Path, tmp_path: Path
) -> None:
    for spec in CATALOG.get_model("mtcnn").networks:
        (tmp_path / spec.file_name).write_bytes(catalog.read_network(spec, models_folder))
    with pytest.raises(ModelNotBuiltError, match="phiz models build --variants int8"):
        load_engine(_settings(tmp_path, profile), ["mtcnn"])
