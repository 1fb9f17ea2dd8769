import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from phiz.cli.main import main
from phiz.lab.accuracy.jitter import MAX_SHIFT_PX
from phiz.lab.accuracy.summary import ErrorQuantiles, EvaluationSummary, RecallSummary
from phiz.lab.commands import evaluate as command
from phiz.lab.report.evaluation_tables import build_document
from tests.conftest import PICTURES

EXPECTED = json.loads((PICTURES / "expected.json").read_text())["mtcnn_facenet_pytorch"]
GROUP, SELFIE = "group_640x480.png", "selfie_360x640.png"


def evaluate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def figures(folder: Path, *arguments: str | Path) -> dict[tuple[str, str], Any]:
    """Return the figures of a run, by data set and model."""
    target = folder.parent / "figures.json"
    result = evaluate(folder, "--json", target, *arguments)
    assert result.exit_code == 0, result.output
    written = json.loads(target.read_text())["figures"]
    return {(each["dataset"], each["model"]): each for each in written}


def write_labels(folder: Path, labels: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    (folder / "images").mkdir(parents=True)
    for name in labels:
        shutil.copy(PICTURES / name, folder / "images" / name)
    document = [{"image": name, "faces": faces} for name, faces in labels.items()]
    (folder / "annotations.json").write_text(json.dumps(document))


def write_blank(folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(folder / "images" / "blank.png")
    (folder / "annotations.json").write_text(json.dumps([{"image": "blank.png", "faces": []}]))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Every kind of data set that has an ``annotations.json``, and a film."""
    folder = tmp_path / "data"
    levels = [{**face, "wider_levels": ["easy", "medium", "hard"]} for face in EXPECTED[GROUP]]
    write_labels(folder / "crowd", {GROUP: levels})
    write_labels(folder / "portrait", {SELFIE: EXPECTED[SELFIE]})
    write_blank(folder / "blank")
    (folder / "film").mkdir()
    for number in range(3):
        shutil.copy(PICTURES / SELFIE, folder / "film" / f"{number}.png")
    return folder


def test_every_measure_has_its_figures(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The cascade's original runs in float32. It suppresses, and blends nothing.
    monkeypatch.setenv("PHIZ_SAMPLING", "reference")
    found = figures(
        data, "--model", "mtcnn", "--model", "front", "--overlap", "nms", "--shifts", "2"
    )
    assert len(found) == 8
    # Labelled is what the cascade's original found, so that there is nothing to miss.
    crowd = found["crowd", "mtcnn"]
    assert {level: each["precision"] for level, each in crowd["levels"].items()} == {
        "easy": 1,
        "medium": 1,
        "hard": 1,
    }
    assert crowd["levels"]["hard"]["faces"] == 4
    assert crowd["median_ms"]["total"] > 0
    errors = found["portrait", "mtcnn"]["errors"]
    assert (errors["faces"], errors["missed"]) == (1, 0)
    assert errors["landmarks"]["median"] < 0.001
    assert errors["box"]["p90"] < 0.001
    assert 0 < found["portrait", "front"]["errors"]["landmarks"]["median"] < 0.2
    assert set(found["portrait", "front"]["jitter"]) == {"blend", "nms"}
    assert 0 < found["portrait", "front"]["jitter"]["blend"]["rms"] < 0.2
    second_boxes = found["portrait", "mtcnn"]["second_boxes"]
    assert list(second_boxes) == [
        "whole image",
        "crop -12%",
        "crop -5%",
        "crop +0%",
        "crop +5%",
        "crop +20%",
    ]
    assert all(each == {"pictures": 0, "detections": 0} for each in second_boxes.values())
    assert found["blank", "mtcnn"]["alarms"] == {"pictures": 0, "detections": 0}
    film = found["film", "front"]["film"]
    assert film == {"faces": 2, "lost": 0, "square": 0, "rms": 0}


def test_tables_have_what_the_document_has(data: Path) -> None:
    result = evaluate(data, "--model", "mtcnn", "--shifts", "1")
    assert result.exit_code == 0, result.output
    for title in (
        "crowd: average precision and recall at IoU 0.5",
        "crowd: recall by height",
        "portrait: errors, % of the distance of the eyes",
        "portrait: jitter",
        "portrait: images with a second box over the labelled face",
        "blank: false alarms",
        "film: jitter between frames",
    ):
        assert title in result.stdout


def test_wider_as_it_is_distributed(tmp_path: Path) -> None:
    folder = tmp_path / "WIDER"
    images = folder / "WIDER_val" / "images" / "0--Parade"
    images.mkdir(parents=True)
    shutil.copy(PICTURES / GROUP, images / "group.jpg")
    boxes = [[round(side) for side in face["box"]] for face in EXPECTED[GROUP]]
    lines = [f"{x1} {y1} {x2 - x1} {y2 - y1} 0 0 0 0 0 0" for x1, y1, x2, y2 in boxes]
    (folder / "wider_face_split").mkdir()
    text = "\n".join(["0--Parade/group.jpg", str(len(lines)), *lines])
    (folder / "wider_face_split" / "wider_face_val_bbx_gt.txt").write_text(f"{text}\n")
    found = figures(folder, "--model", "mtcnn")["WIDER", "mtcnn"]
    # Three are at least 50 pixels high, the fourth is 39.
    assert {level: each["faces"] for level, each in found["levels"].items()} == {
        "easy": 3,
        "medium": 4,
        "hard": 4,
    }
    assert [each["precision"] for each in found["levels"].values()] == [1, 1, 1]
    assert [each["recall"] for each in found["levels"].values()] == [1, 1, 1]


def test_fddb_as_it_is_distributed(tmp_path: Path) -> None:
    folder = tmp_path / "FDDB"
    images = folder / "originalPics" / "2002" / "08" / "11" / "big"
    images.mkdir(parents=True)
    shutil.copy(PICTURES / GROUP, images / "img_1.jpg")
    ellipses = []
    for face in EXPECTED[GROUP]:
        x1, y1, x2, y2 = face["box"]
        centre = f"{(x1 + x2) / 2} {(y1 + y2) / 2}"
        ellipses.append(f"{(y2 - y1) / 2} {(x2 - x1) / 2} 1.5707963 {centre}  1")
    (folder / "FDDB-folds").mkdir()
    text = "\n".join(["2002/08/11/big/img_1", str(len(ellipses)), *ellipses])
    (folder / "FDDB-folds" / "FDDB-fold-01-ellipseList.txt").write_text(text)
    found = figures(folder, "--model", "mtcnn")["FDDB", "mtcnn"]
    assert found["levels"] == {"all": {"faces": 4, "recall": 1, "precision": 1}}


def test_the_worst_mistakes_are_drawn(tmp_path: Path) -> None:
    folder, drawn = tmp_path / "crowd", tmp_path / "looked" / "at"
    # One face is labelled where there is none: one is missed, and one is a false alarm.
    faces = [{"box": face["box"]} for face in EXPECTED[GROUP][:3]]
    write_labels(folder, {GROUP: [*faces, {"box": [560, 20, 620, 90]}]})
    result = evaluate(folder, "--model", "mtcnn", "--pictures", drawn)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in drawn.iterdir()) == [
        "crowd-mtcnn-blend-false-alarms.jpg",
        "crowd-mtcnn-blend-missed.jpg",
        "crowd-precision-recall.svg",
    ]
    for path in drawn.iterdir():
        assert f"wrote {path}" in result.stdout
    missed = np.asarray(Image.open(drawn / "crowd-mtcnn-blend-missed.jpg"))
    assert missed.std() > 10
    assert "mtcnn, blend" in (drawn / "crowd-precision-recall.svg").read_text()


def test_errors_are_drawn(data: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn"
    result = evaluate(data / "portrait", "--model", "front", "--shifts", "1", "--pictures", drawn)
    assert result.exit_code == 0, result.output
    assert [path.name for path in drawn.iterdir()] == ["portrait-errors.svg"]
    text = (drawn / "portrait-errors.svg").read_text()
    assert all(f">{measure}</text>" in text for measure in ("landmarks", "box", "jitter"))


def test_every_so_many_photographs(data: Path) -> None:
    write_labels(data / "two", {GROUP: [], SELFIE: EXPECTED[SELFIE]})
    one = figures(data, "--model", "front", "--shifts", "0", "--every", "2", "--offset", "1")
    assert {name: each["pictures"] for (name, _), each in one.items()} == {"film": 3, "two": 1}
    assert one["two", "front"]["levels"]["all"]["faces"] == 1


def test_a_score_limit_holds_for_everything(data: Path) -> None:
    sure = figures(data / "crowd", "--model", "back", "--min-score", "1")
    assert sure["crowd", "back"]["levels"]["hard"] == {"faces": 4, "recall": 0, "precision": 0}


def test_overlaps_are_told_apart(data: Path) -> None:
    target = data.parent / "both.json"
    options = ("--model", "front", "--overlap", "blend", "--overlap", "nms", "--shifts", "1")
    assert evaluate(data / "portrait", "--json", target, *options).exit_code == 0
    blend, nms = json.loads(target.read_text())["figures"]
    assert (blend["overlap"], nms["overlap"]) == ("blend", "nms")
    assert blend["errors"]["landmarks"] != nms["errors"]["landmarks"]
    assert set(blend["jitter"]) == {"blend", "nms"}
    assert nms["jitter"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "looked for annotations.json with images/", id="no data"),
        pytest.param(
            ["--offset", "9"], "has no photograph from offset 9 on", id="offset behind the end"
        ),
        pytest.param(
            ["--json", "nowhere/f.json"], "nowhere does not exist", id="no folder for figures"
        ),
        pytest.param(["--shifts", "289"], "289 is not in the range", id="too many shifts"),
    ],
)
def test_a_wrong_command_is_told_in_words(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    if "--offset" in arguments:
        write_blank(tmp_path / "blank")
    result = evaluate(tmp_path, "--model", "front", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_a_photograph_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "annotations.json").write_text(json.dumps([{"image": "gone.jpg", "faces": []}]))
    result = evaluate(tmp_path, "--model", "front")
    assert result.exit_code == 2
    assert "gone.jpg cannot be read" in " ".join(result.output.split())


def test_a_figure_that_cannot_be_had_is_null() -> None:
    nothing = ErrorQuantiles(float("nan"), float("nan"))
    levels = {"all": RecallSummary(0, float("nan"), nothing.median)}
    written = build_document([EvaluationSummary("some", "front", "blend", 1, 0, {}, levels)])
    assert written["figures"][0]["levels"]["all"] == {
        "faces": 0,
        "recall": None,
        "precision": None,
    }


def test_every_shift_may_be_asked_for() -> None:
    assert (2 * MAX_SHIFT_PX + 1) ** 2 - 1 == command.MAX_SHIFTS
