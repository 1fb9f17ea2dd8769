import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from phiz.cli.models import list_networks
from phiz.wire.examples import CLASSIFY_EXAMPLE

from .running import ONE, PICTURES, PLAIN, SELFIE, Running, curl, environment, running

pytestmark = pytest.mark.integration

ROW = PICTURES / "row_960x540.png"
COMMAND = "phiz models build --group classify"

every_model = pytest.mark.parametrize("model", ["mobilenet", "efficientnet"])
every_precision = pytest.mark.parametrize("precision", ["float32", "int8"])


@pytest.fixture(scope="module")
def folder(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the face models are built, and nothing else yet."""
    folder = tmp_path_factory.mktemp("models")
    for spec in list_networks("face"):
        if spec.is_built_by_default:
            shutil.copy(models_folder / spec.file_name, folder)
    return folder


@pytest.fixture(scope="module")
def unready(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service for faces."""
    log = tmp_path_factory.mktemp("service") / "log"
    with running(ONE, environment(folder), log) as service:
        yield service


@pytest.fixture
def build(
    unready: Running, folder: Path, built_classifier: Callable[[str], Path]
) -> Callable[[str], Running]:
    """Builds a classifier for the service that runs, which nobody starts again."""

    def give(name: str) -> Running:
        for file in built_classifier(name).glob(f"{name}*.onnx"):
            shutil.copy(file, folder)
        return unready

    return give


def ask(service: Running, image_path: Path, query: str) -> tuple[int, Any]:
    return curl("-F", f"image=@{image_path}", f"{service.url}/classify?{query}")


def built(service: Running, name: str) -> dict[str, bool]:
    _, answer = curl(f"{service.url}/models")
    (entry,) = (entry for entry in answer["classifiers"] if entry["name"] == name)
    return {each["precision"]: each["built"] for each in entry["precisions"]}


@pytest.mark.needs("curl")
def test_a_service_without_classifiers_is_ready_and_tells_what_to_run(unready: Running) -> None:
    assert built(unready, "efficientnet") == {"float32": False, "int8": False}
    for _ in range(2):
        status, problem = ask(unready, SELFIE, "model=efficientnet&precision=int8")
        assert (status, problem["code"]) == (503, "model_not_built")
        assert problem["detail"].startswith("efficientnet int8 is not built")
        assert COMMAND in problem["detail"]
        assert "/" not in problem["detail"]  # nor where files lie
    labels = {"model": "efficientnet", "outcome": "model_not_built"}
    assert unready.metric("phiz_request_seconds_count", **labels) == 2
    assert curl("-F", f"image=@{SELFIE}", f"{unready.url}/detect")[0] == 200
    assert unready.log.read_text() == ""


@pytest.mark.needs("curl")
@every_precision
@every_model
def test_classifier_built_while_the_service_runs_answers(
    build: Callable[[str], Running], model: str, precision: str
) -> None:
    service = build(model)
    assert built(service, model)[precision]
    by_form = ask(service, SELFIE, f"model={model}&precision={precision}&top=1000")
    plain = curl(
        *PLAIN, f"@{SELFIE}", f"{service.url}/classify?model={model}&precision={precision}&top=1000"
    )
    for status, answer in (by_form, plain):
        assert (status, answer["model"], answer["precision"]) == (200, model, precision)
        timing = answer.pop("timing_ms")
        total = timing.pop("total")
        assert total == pytest.approx(sum(timing.values()), rel=0.05)
        scores = [each["score"] for each in answer["classes"]]
        assert scores == sorted(scores, reverse=True)
        assert sum(scores) == pytest.approx(1, abs=0.05)  # each is rounded
        assert sorted(each["index"] for each in answer["classes"]) == list(range(1000))
    assert by_form == plain


@pytest.mark.needs("curl")
def test_the_example_of_the_documentation_is_true(build: Callable[[str], Running]) -> None:
    status, answer = ask(build("efficientnet"), ROW, "precision=float32")
    assert status == 200
    assert list(answer.pop("timing_ms")) == list(CLASSIFY_EXAMPLE["timing_ms"])
    for found, expected in zip(answer.pop("classes"), CLASSIFY_EXAMPLE["classes"], strict=True):
        assert found.pop("score") == pytest.approx(expected["score"], abs=0.01)
        assert found == {key: expected[key] for key in ("index", "label")}
    assert answer == {key: CLASSIFY_EXAMPLE[key] for key in ("model", "precision")}


@pytest.mark.needs("curl")
def test_default_precision_is_that_of_the_command_line(build: Callable[[str], Running]) -> None:
    status, answer = ask(build("efficientnet"), SELFIE, "")
    assert (status, len(answer["classes"])) == (200, 5)
    _, same = ask(build("efficientnet"), SELFIE, f"precision={answer['precision']}")
    assert answer["classes"] == same["classes"]


@pytest.mark.needs("curl")
def test_classification_has_the_deadline_of_a_detection(build: Callable[[str], Running]) -> None:
    service = build("mobilenet")
    query = "model=mobilenet&precision=int8"
    # On a busy machine one run of a network may take 0.1 s, and work that is known to take so long
    # is refused before its deadline. Several runs show the service how short they are.
    for _ in range(4):
        assert ask(service, SELFIE, query)[0] == 200
    asked = ("-F", f"image=@{SELFIE}", f"{service.url}/classify?{query}")
    status, problem = curl("-H", "Phiz-Deadline: 0.001", *asked)
    assert (status, problem["code"]) == (504, "deadline_exceeded")
    assert curl("-H", "Phiz-Deadline: 10", *asked)[0] == 200


@pytest.mark.needs("curl")
def test_corrupt_classifier_is_told_apart_from_a_missing_one(
    models_folder: Path, tmp_path: Path
) -> None:
    for file in models_folder.glob("*.onnx"):
        shutil.copy(file, tmp_path)
    (tmp_path / "mobilenet.int8.onnx").write_bytes(b"short")
    with running(ONE, environment(tmp_path), tmp_path / "log") as service:
        status, problem = ask(service, SELFIE, "model=mobilenet&precision=int8")
        assert (status, problem["code"]) == (503, "model_corrupt")
        assert COMMAND in problem["detail"]
        assert str(tmp_path) not in problem["detail"]
        assert service.stop() == 0
        assert "mobilenet.int8.onnx differs from the catalogue" in service.log.read_text()
