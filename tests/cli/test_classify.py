import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from phiz.cli.main import main
from phiz.wire.schemas import ClassifyAnswer
from tests.conftest import PICTURES

SELFIE = PICTURES / "selfie_360x640.png"
GROUP = PICTURES / "group_640x480.png"


@pytest.fixture
def folder(built_classifier: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where EfficientNet is built; phiz looks there."""
    found = built_classifier("efficientnet")
    monkeypatch.setenv("PHIZ_MODELS", str(found))
    return found


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["classify", *(str(argument) for argument in arguments)])


@pytest.mark.usefixtures("folder")
def test_json_is_the_answer_of_the_interface_and_the_file() -> None:
    result = run("--format", "json", "--top", "3", "--precision", "float32", SELFIE, GROUP)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line.pop("file") for line in lines] == [str(SELFIE), str(GROUP)]
    for line in lines:
        answer = ClassifyAnswer.model_validate(line)
        assert (answer.model, answer.precision) == ("efficientnet", "float32")
        assert len(answer.classes) == 3
        assert answer.timing_ms["inference"] > 0


@pytest.mark.usefixtures("folder")
def test_csv_has_a_row_for_each_class() -> None:
    result = run("--format", "csv", "--top", "2", "--precision", "int8", SELFIE)
    header, *rows = result.stdout.splitlines()
    assert header == "file,model,precision,index,label,score"
    assert len(rows) == 2
    assert all(row.startswith(f"{SELFIE},efficientnet,int8,") for row in rows)


@pytest.mark.usefixtures("folder")
def test_a_table_names_the_file_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = run("--format", "table", "--precision", "int8", SELFIE)
    assert result.stdout.count(SELFIE.name) == 1
    assert len(result.stdout.split("\n ─")[1].strip().splitlines()) == 6  # the rule, 5 classes


@pytest.mark.usefixtures("folder")
def test_a_picture_that_cannot_be_read_is_named_and_the_rest_go_on(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    result = run("--format", "csv", "--top", "1", broken, SELFIE)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"phiz: {broken}: the 10 bytes are not an image")
    assert len(result.stdout.splitlines()) == 2


def test_missing_models_say_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHIZ_MODELS", str(tmp_path))
    result = run("--precision", "int8", SELFIE, GROUP)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {tmp_path}/efficientnet.int8.onnx does not exist; "
        "build the models with: phiz models build --group classify\n"
    )


@pytest.mark.parametrize(
    ("option", "value"), [("--top", "0"), ("--top", "1001"), ("--model", "front")], ids=str
)
def test_options_out_of_range_are_refused(option: str, value: str) -> None:
    assert run(option, value, SELFIE).exit_code == 2
