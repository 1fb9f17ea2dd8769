import json
import re
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from phiz.cli.main import main
from phiz.errors import WorkerDiedError
from phiz.lab.study import plan
from phiz.lab.study.checkpoint import TaskResult
from phiz.lab.study.plan import Preset, StudyTask
from phiz.lab.study.record import Study, read_study, to_document
from phiz.lab.study.run import StudyRun
from phiz.lab.study.summary import mark_quiet
from phiz.models import catalog
from phiz.runtime.isa import ISA_VARIABLES
from phiz.runtime.profile import find_mismatches, read_profile
from phiz.runtime.variants import find_installed_variants
from tests.lab.study.made import invent_result, usual

FRONT = catalog.load_catalog().get_model("front")
LITTLE = Preset(rounds=2, every=1, runs=5, plain_s=0.02, other_s=0.01, batches=(1,), threads=1)


@pytest.fixture(autouse=True)
def _little(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PHIZ_MODELS", "PHIZ_PROFILE", *ISA_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(plan, "QUICK", LITTLE)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["study", *map(str, arguments)])


@pytest.fixture
def folder(models_folder: Path, tmp_path: Path) -> Path:
    """One model, and its 8 bits if they are built, though they are not offered."""
    folder = tmp_path / "models"
    folder.mkdir()
    for spec in (spec for one in FRONT.networks for spec in (one, *one.variants)):
        if (models_folder / spec.file_name).exists():
            (folder / spec.file_name).write_bytes((models_folder / spec.file_name).read_bytes())
    return folder


@pytest.mark.integration
def test_study_measures_and_recommends(folder: Path) -> None:
    result = run("--models", folder, "--quick", "--device", "Here")
    assert result.exit_code == 0, result.output
    assert "face, lowest latency: front in" in result.stdout
    assert re.search(r"^The machine was (too noisy:|quiet enough\.)", result.stdout, re.MULTILINE)
    # Of the other face models it has nothing, so that the service could not follow it.
    assert "to use the profile for faces" not in result.stdout
    assert re.search(r"1 of \d+: times of front, visit 1; about \d+ s left", result.stderr)
    found = read_study(folder / "study.json")
    assert found.device == "Here"
    assert {each.combination.variant for each in found.figures} >= {*find_installed_variants()}
    for each in found.figures:
        assert each.runs == 5 * sum(mark_quiet(each.visits_ms))
        assert each.median_ms <= each.p90_ms
        assert each.p99_ms is None
        assert len(each.visits_ms) == 2
        assert each.peak_bytes is not None
        assert 10_000_000 < each.peak_bytes < 2_000_000_000
        assert each.processor_ms > 0
    (reference, *_) = found.qualities
    assert (reference.agreement, reference.excess, reference.passes) == (1, {"front": 0}, True)
    assert reference.compared > 0
    assert "<svg" in (folder / "study.html").read_text()
    profile = read_profile(folder / "profile.json")
    assert list(find_mismatches(profile, FRONT.networks)) == []
    # Drawn faces are no evidence for anything less.
    assert profile.networks["front"].variant.precision == "float32"
    assert not list(folder.glob("*unfinished*"))


def test_interrupted_study_is_resumed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[StudyTask] = []
    stopped: list[StudyTask] = []

    def measure(_: StudyRun, task: StudyTask) -> TaskResult:
        if len(measured) == 2 and not stopped:
            stopped.append(task)
            handle = signal.getsignal(signal.SIGTERM)
            assert callable(handle)
            # Not by a real one: pytest has signals handled on a stack of their own, which is too
            # small as soon as OpenVINO has let the processor use its tiles (AMX) in this process.
            handle(signal.SIGTERM, None)
        measured.append(task)
        return invent_result(task, "front")

    monkeypatch.setattr(StudyRun, "measure_task", measure)
    result = run("--models", folder, "--quick", "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert "run the same command again to resume" in result.stderr
    assert not (tmp_path / "out" / "study.json").exists()
    result = run("--models", folder, "--quick", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "resuming after 2 of" in result.stderr
    assert len(measured) == len(set(measured))
    assert read_study(tmp_path / "out" / "study.json").figures


def test_profile_keeps_choices_for_other_networks(
    folder: Path, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StudyRun, "measure_task", lambda _, task: invent_result(task, "front"))
    before = read_profile(profile).networks
    result = run("--models", folder, "--quick", "--profile", profile)
    assert result.exit_code == 0, result.output
    after = read_profile(profile).networks
    settings = f"PHIZ_RUNTIME=auto PHIZ_MODELS={folder} PHIZ_PROFILE={profile}"
    assert f"to use the profile for faces: {settings} phiz serve" in result.stdout
    assert after.keys() == before.keys()
    assert after["onet"] == before["onet"]
    assert after["front"] != before["front"]


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured."""
    monkeypatch.setattr(StudyRun, "measure_task", lambda _, task: invent_result(task, "front"))


@pytest.mark.usefixtures("quickly")
def test_emulated_study_replaces_no_file(
    folder: Path, profile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = profile.read_text()
    monkeypatch.setenv("PHIZ_PROFILE", str(profile))
    monkeypatch.setenv(ISA_VARIABLES[0], "AVX2")
    out = tmp_path / "half"
    command: list[str | Path] = ["--models", folder, "--quick", "--emulated", "half of it"]
    assert "--emulated needs --out DIR" in run(*command).output
    result = run(*command, "--out", out)
    assert result.exit_code == 0, result.output
    assert "to use the profile" not in result.stdout
    assert read_study(out / "study.json").emulated == "half of it"
    assert profile.read_text() == before
    assert not list(folder.glob("*.json"))
    assert {path.name for path in out.iterdir()} == {"study.json", "study.html"}
    result = run(*command, "--out", out, "--profile", out / "profile.json")
    assert result.exit_code == 0, result.output
    assert "front" in read_profile(out / "profile.json").networks


def test_limited_openvino_needs_emulated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ISA_VARIABLES[0], "AVX2")
    result = run("--models", folder, "--quick")
    assert result.exit_code == 1
    assert "limits OpenVINO to AVX2" in result.output
    assert "unset it, or describe the emulated device with --emulated HOW" in result.output


@pytest.mark.usefixtures("quickly")
def test_missing_networks_are_named_with_commands_that_build_them(folder: Path) -> None:
    (folder / "front.int8.onnx").unlink(missing_ok=True)
    result = run("--models", folder, "--quick")
    assert result.exit_code == 0, result.output
    lines = [
        line
        for line in result.stderr.splitlines()
        if line.startswith("skipping networks that are not built")
    ]
    assert len(lines) == 3
    assert "front.int8.onnx, back.onnx," in lines[0]
    assert lines[0].endswith(f"phiz models build --variants int8 --models {folder}")
    assert "mobilenet.onnx, mobilenet.int8.onnx, " in lines[1]
    assert lines[1].endswith(f"phiz models build --group classify --models {folder}")
    assert lines[2].endswith(f"phiz models build --group study --models {folder}")
    assert "mobilenet" not in run("--models", folder, "--quick", "--only", "front").stderr


@pytest.mark.usefixtures("quickly")
def test_group_is_measured_alone(folder: Path) -> None:
    result = run("--models", folder, "--quick", "--group", "face")
    assert result.exit_code == 0, result.output
    assert "mobilenet" not in result.stderr
    assert [*read_study(folder / "study.json").networks] == ["front"]
    result = run("--models", folder, "--quick", "--group", "classify")
    assert result.exit_code == 2
    assert f"phiz models build --group classify --models {folder}" in result.output


def test_dead_process_is_named_with_advice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> TaskResult:
        raise WorkerDiedError("the process ended")

    monkeypatch.setattr(StudyRun, "measure_task", die)
    result = run("--models", folder, "--quick")
    assert result.exit_code == 1
    assert (
        "times of front, visit 1: the process ended; run the same command again to resume, or"
        " measure other models with --only"
    ) in result.output


@pytest.mark.parametrize(
    ("model", "options"),
    [("mobilenet", " --group classify"), ("mobilenet-ssd", " --group study"), ("back", "")],
)
def test_missing_model_is_named(model: str, options: str, folder: Path) -> None:
    result = run("--models", folder, "--only", "front", "--only", model)
    assert result.exit_code == 2
    assert f"{folder} lacks {model}; " in result.output
    assert f"phiz models build{options} --models {folder}" in result.output


def test_unusable_photographs_are_refused_before_measuring(folder: Path, tmp_path: Path) -> None:
    result = run("--models", folder, "--quick", "--data", tmp_path)
    assert result.exit_code == 2
    assert "wider/annotations.json cannot be read" in result.output
    assert not list(folder.glob("*unfinished*"))


@pytest.mark.usefixtures("quickly")
def test_results_are_kept_until_all_files_are_written(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "study.html").mkdir(parents=True)
    command: list[str | Path] = ["--models", folder, "--quick", "--out", out]
    result = run(*command)
    assert result.exit_code == 1
    assert re.search(r"cannot write \S+/study\.html: Is a directory", result.output)
    assert list(out.glob("*unfinished*"))
    (out / "study.html").rmdir()
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert re.search(r"resuming after (\d+) of \1 measurements", result.stderr)
    assert not list(out.glob("*unfinished*"))


def written(path: Path, study: Study) -> Path:
    path.write_text(json.dumps(to_document(study)))
    return path


def test_compared_studies_share_one_report(tmp_path: Path) -> None:
    files = [written(tmp_path / f"{name}.json", usual(name)) for name in ("One", "Two")]
    result = run("--compare", *files, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "study.html").read_text()
    assert "What networks cost on 2 devices" in page


def test_unwritable_report_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "out" / "study.html").mkdir(parents=True)
    result = run("--compare", written(tmp_path / "a.json", usual()), "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert re.search(r"cannot write \S+/study\.html: Is a directory", result.output)


@pytest.mark.parametrize(
    "option",
    [
        *(["--data", "."], ["--quick"], ["--only", "front"], ["--fresh"], ["--device", "Here"]),
        ["--group", "face"],
        *(["--emulated", "half"], ["--profile", "profile.json"], ["--models", "."]),
    ],
    ids=lambda option: option[0],
)
def test_compare_refuses_options_of_measuring(option: list[str]) -> None:
    result = run("--compare", "a.json", "--out", ".", *option)
    assert result.exit_code == 2
    assert f"--compare measures nothing, so {option[0]} would have no effect" in result.output


def test_compare_ignores_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHIZ_MODELS", str(tmp_path))
    monkeypatch.setenv("PHIZ_PROFILE", str(tmp_path / "profile.json"))
    result = run("--compare", written(tmp_path / "a.json", usual()), "--out", tmp_path)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--compare"], "--compare needs STUDY files"),
        (["a.json"], "STUDY files need --compare"),
        (["--compare", "a.json"], "--compare needs --out DIR, the folder for study.html"),
        (["--compare", "a.json", "--out", "."], "the study a.json cannot be read"),
        (["--only", "nobody"], "there is no model 'nobody'"),
        (["--group", "face", "--only", "mobilenet"], "there is no model 'mobilenet'"),
        (
            ["--models", "nowhere"],
            "no models are built in nowhere; build them with: phiz models build",
        ),
    ],
)
def test_wrong_options_are_named(arguments: list[str], complaint: str) -> None:
    result = run(*arguments)
    assert result.exit_code in {1, 2}
    assert complaint in " ".join(result.output.split())
