import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from phiz.cli.main import main
from phiz.image.synthetic import draw_crowd
from phiz.lab.accuracy.labels import LEVELS
from phiz.lab.study.checkpoint import TaskResult
from phiz.lab.study.plan import StudyTask, iterate_thread_counts
from phiz.lab.study.quality import VariantQuality, judge_model
from phiz.lab.study.run import StudyRun
from phiz.models import catalog
from phiz.models.specs import Catalog, Precision
from phiz.runtime.profile import find_mismatches, read_profile
from phiz.runtime.variants import Variant, find_installed_variants
from phiz.system.cgroups import count_processors
from tests.lab.study.made import BF16, invent_result

FRONT, FULL = catalog.load_catalog().get_model("front"), catalog.load_catalog().get_model("full")


@pytest.fixture(autouse=True)
def _only_front(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PHIZ_MODELS", "PHIZ_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(catalog, "load_catalog", lambda: Catalog((FRONT,)))


def bench(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["bench", "--runs", "1", *map(str, arguments)])


@pytest.fixture
def folder(models_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "front.onnx").write_bytes((models_folder / "front.onnx").read_bytes())
    return folder


@pytest.mark.integration
def test_bench_writes_profile_and_figures(folder: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    result = bench("--models", folder, "--json", figures)
    assert result.exit_code == 0, result.output
    profile = read_profile(folder / "profile.json")
    assert f"wrote {folder / 'profile.json'}" in result.stdout
    assert {path.name for path in folder.iterdir()} == {"front.onnx", "profile.json"}
    assert list(find_mismatches(profile, FRONT.networks)) == []
    # Drawn faces are no evidence for anything less than float32.
    assert profile.networks["front"].variant.precision == "float32"
    for variant in find_installed_variants():
        assert str(variant) in result.stdout
        assert variant.precision == "float32" or "not gated" in result.stdout
    written = json.loads(figures.read_text())
    assert [*written] == ["processor", "networks", "parity", "models"]
    counts = [*iterate_thread_counts(count_processors())]
    assert [
        (each["runtime"], each["precision"], each["threads"])
        for each in written["networks"]["front"]
    ] == [
        (variant.runtime, variant.precision, threads)
        for variant in find_installed_variants()
        for threads in counts
    ]
    assert all(each["median_ms"] > 0 for each in written["networks"]["front"])
    reference, *others = written["models"]["front"]
    assert len(others) == len(find_installed_variants()) - 1
    assert [*reference] == [
        *("runtime", "precision", "median_ms", "faces", "kept", "precision_loss", "passes")
    ]
    assert (reference["kept"], reference["precision_loss"]) == (reference["faces"], {})
    assert reference["passes"] is False
    assert written["parity"]["front"][0]["excess"] == 0
    assert len(written["parity"]["front"]) == len(find_installed_variants())


def measure_quality(subject: StudyRun, task: StudyTask) -> TaskResult:
    """Measure quality, in this process, which has imported all of it, and invent the rest."""
    if task.kind != "quality":
        return invent_result(task, task.target)
    return judge_model(subject.data, subject.networks)


@pytest.mark.integration
def test_bench_measures_8_bits_where_they_are_built(
    int8_folder: Path, models_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "load_catalog", lambda: Catalog((FULL,)))
    monkeypatch.setattr(StudyRun, "measure_task", measure_quality)
    profile = tmp_path / "p.json"
    result = bench("--models", int8_folder, "--profile", profile, "--json", tmp_path / "f.json")
    assert result.exit_code == 0, result.output
    assert "not built" not in result.stderr
    written = json.loads((tmp_path / "f.json").read_text())
    for figures in (written["networks"], written["parity"], written["models"]):
        eight = [each["runtime"] for each in figures["full"] if each["precision"] == "int8"]
        assert {*eight} == {"onnxruntime", "openvino"}
    # Drawn faces are no evidence.
    assert read_profile(profile).networks["full"].variant.network_precision == "float32"
    (tmp_path / "full.onnx").write_bytes((models_folder / "full.onnx").read_bytes())
    monkeypatch.setattr(StudyRun, "measure_task", lambda _, task: invent_result(task, "full"))
    result = bench("--models", tmp_path, "--profile", profile)
    assert result.exit_code == 0, result.output
    assert "int8" not in result.stdout
    skipped, *_ = result.stderr.splitlines()
    assert skipped == (
        "skipping networks that are not built: full.int8.onnx;"
        f" build them with: phiz models build --variants int8 --models {tmp_path}"
    )


@pytest.mark.parametrize(
    ("kept", "loss", "gate", "chosen"),
    [
        (1.0, 0.0, "passes, chosen", "bf16"),
        (0.9, 0.0, "fails", "float32"),
        (1.0, 0.01, "fails", "float32"),
        (1.0, None, "not gated", "float32"),
    ],
    ids=["passes", "loses faces", "loses precision", "without labels"],
)
def test_lower_precision_is_judged_by_faces_and_precision(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kept: float,
    loss: float | None,
    gate: str,
    chosen: str,
) -> None:
    def describe(variant: Variant) -> VariantQuality:
        agreement, lost = (kept, loss or 0.0) if variant == BF16 else (1.0, 0.0)
        shares = {f"AP {level}": 0.5 - lost for level in LEVELS} if loss is not None else {}
        forms: dict[str, Precision] = {"front": "float32"}
        return VariantQuality("front", variant, forms, 1000, agreement, shares, True, {"front": 1})

    def measure(_: StudyRun, task: StudyTask) -> TaskResult:
        if task.kind != "quality":
            return invent_result(task, "front", fastest=BF16)
        *others, lossy = map(describe, find_installed_variants())
        return [*others, replace(lossy, passes=lossy.compare_faces(others[0]).passes)]

    monkeypatch.setattr(StudyRun, "measure_task", measure)
    result = bench("--models", folder, "--json", tmp_path / "f.json")
    assert result.exit_code == 0, result.output
    row, _ = (line for line in result.stdout.splitlines() if str(BF16) in line)
    assert row.rstrip().endswith(gate)
    assert read_profile(folder / "profile.json").networks["front"].variant.precision == chosen
    models = json.loads((tmp_path / "f.json").read_text())["models"]["front"]
    (lossy,) = (each for each in models if each["precision"] == "bf16")
    assert (lossy["faces"], lossy["kept"]) == (1000, 1000 * kept)
    assert lossy["precision_loss"] == (
        {} if loss is None else dict.fromkeys(LEVELS, pytest.approx(loss))
    )
    assert lossy["passes"] == gate.startswith("passes")


def test_bench_judges_labelled_photographs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StudyRun, "measure_task", measure_quality)
    images = tmp_path / "wider" / "images"
    images.mkdir(parents=True)
    Image.fromarray(draw_crowd(320, 240)).save(images / "a.png")
    faces = [{"box": [10, 10, 50, 60], "wider_levels": ["easy", "medium"]}]
    labels = [{"image": "a.png", "faces": faces}]
    (images.parent / "annotations.json").write_text(json.dumps(labels))
    files = ("--profile", tmp_path / "p.json", "--json", tmp_path / "f.json")
    result = bench("--models", folder, "--data", tmp_path, *files)
    assert result.exit_code == 0, result.output
    assert "+0.0000" in result.stdout
    reference, *_ = json.loads((tmp_path / "f.json").read_text())["models"]["front"]
    # A level without faces has no precision.
    assert reference["precision_loss"] == {"easy": 0, "medium": 0, "hard": None}
    assert read_profile(tmp_path / "p.json").networks["front"].reference_ms > 0
    assert not (folder / "profile.json").exists()


def test_folder_without_labels_is_refused(folder: Path, tmp_path: Path) -> None:
    result = bench("--models", folder, "--data", tmp_path)
    assert result.exit_code == 2
    assert "annotations.json cannot be read" in result.output


def test_missing_photograph_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "wider").mkdir()
    labels = [{"image": "gone.jpg", "faces": []}]
    (tmp_path / "wider" / "annotations.json").write_text(json.dumps(labels))
    result = bench("--models", folder, "--data", tmp_path)
    assert result.exit_code == 2
    assert "gone.jpg cannot be read" in " ".join(result.output.split())


@pytest.mark.parametrize("option", ["--json", "--profile"])
def test_unwritable_file_is_refused_before_measuring(
    folder: Path, tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*_: object) -> None:
        pytest.fail("it has begun to measure")

    monkeypatch.setattr(StudyRun, "measure_task", measure)
    result = bench("--models", folder, option, tmp_path / "nowhere" / "file.json")
    assert result.exit_code == 2
    assert f"{tmp_path / 'nowhere'} does not exist; create it or change {option}" in result.output


def test_bench_without_models_says_how_to_build_them(tmp_path: Path) -> None:
    result = bench("--models", tmp_path)
    assert result.exit_code == 1
    assert "phiz models build" in result.output


@pytest.mark.integration
def test_detect_follows_profile_of_bench(folder: Path, tmp_path: Path) -> None:
    image_path = tmp_path / "crowd.png"
    Image.fromarray(draw_crowd(320, 240)).save(image_path)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PHIZ_")}
    command = [sys.executable, "-m", "phiz", "detect", "--model", "front", str(image_path)]

    def detect(**settings: str) -> subprocess.CompletedProcess[str]:
        env = {**plain, "PHIZ_MODELS": str(folder), **settings}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    missing = detect(PHIZ_RUNTIME="auto")
    assert missing.returncode == 1
    assert "phiz bench" in missing.stderr
    # A profile of one model, where the service wants all: not followed, and told in one line.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StudyRun, "measure_task", lambda _, task: invent_result(task, "front"))
        assert bench("--models", folder).exit_code == 0
    stale = detect(PHIZ_RUNTIME="auto")
    assert stale.returncode == 0
    assert "it lacks back.onnx" in stale.stderr
    assert stale.stderr.count("\n") == 1
    reference = json.loads(detect().stdout)["faces"]
    other = json.loads(detect(PHIZ_RUNTIME="openvino").stdout)["faces"]
    assert json.loads(stale.stdout)["faces"] == reference
    assert other == [
        {
            **face,
            "score": pytest.approx(face["score"], abs=1e-4),
            "box": pytest.approx(face["box"], abs=0.01),
            "landmarks": {
                name: pytest.approx(point, abs=0.01) for name, point in face["landmarks"].items()
            },
        }
        for face in reference
    ]
    assert reference
