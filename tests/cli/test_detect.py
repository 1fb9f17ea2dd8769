import csv
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import phiz
from phiz.cli import detect_run
from phiz.cli.files import IMAGE_SUFFIXES, OutputPaths, find_images
from phiz.cli.main import main
from phiz.detectors import blazeface, factory, mtcnn
from phiz.detectors.anchor_free import AnchorFree
from phiz.detectors.mtcnn import Mtcnn
from phiz.detectors.router import StepCosts, measure_step_costs
from tests.conftest import PICTURES

SELFIE = PICTURES / "selfie_360x640.png"
GROUP = PICTURES / "group_640x480.png"
PHIZ = [sys.executable, "-m", "phiz"]


def run(*arguments: str | Path, **variables: str) -> Result:
    return CliRunner(env=variables).invoke(main, [str(word) for word in arguments])


def detect(*arguments: str | Path, **variables: str) -> list[dict[str, Any]]:
    """The JSON lines of a run that succeeds."""
    done = run("detect", "--format", "json", *arguments, **variables)
    assert (done.exit_code, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """A picture without a face."""
    path = tmp_path / "blank.png"
    Image.new("RGB", (64, 48), "teal").save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of one name in a tree with other files."""
    tree = tmp_path / "tree"
    for place in ("b", "a", "a/deep"):
        (tree / place).mkdir(parents=True, exist_ok=True)
    shutil.copy(SELFIE, tree / "b" / "face.PNG")
    shutil.copy(SELFIE, tree / "a" / "deep" / "face.png")
    with Image.open(SELFIE) as image:
        image.convert("RGB").save(tree / "a" / "face.jpg")
    (tree / "a" / "notes.txt").write_text("no picture")
    return tree


def test_json_is_the_wire_format_and_the_file() -> None:
    (answer,) = detect("--model", "back", SELFIE)
    assert list(answer) == ["file", "model", "image", "faces", "timing_ms"]
    assert (answer["file"], answer["model"]) == (str(SELFIE), "back")
    assert answer["image"] == {"width": 360, "height": 640}
    assert len(answer["faces"]) == 1
    stages = dict(answer["timing_ms"])
    total = stages.pop("total")
    assert list(stages) == ["queue", "decode", "preprocess", "inference", "postprocess"]
    assert total == pytest.approx(sum(stages.values()), abs=0.01)


@pytest.mark.parametrize(("arguments", "times"), [((), 0), (("--budget-ms", "50"), 1)])
def test_costs_are_measured_for_a_budget_alone(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], times: int
) -> None:
    measured: list[StepCosts] = []

    def measure(networks: Mapping[str, AnchorFree], cascade: Mtcnn) -> StepCosts:
        measured.append(measure_step_costs(networks, cascade))
        return measured[-1]

    monkeypatch.setattr(factory, "measure_step_costs", measure)
    detect(*arguments, SELFIE, GROUP)
    assert len(measured) == times


def test_standard_input() -> None:
    done = CliRunner().invoke(main, ["detect", "-"], input=SELFIE.read_bytes())
    answer = json.loads(done.stdout)
    (same,) = detect(SELFIE)
    assert answer["file"] == "-"
    assert answer["faces"] == same["faces"] != []


def test_files_come_in_the_order_in_which_they_are_given(blank: Path) -> None:
    answers = detect("--model", "front", blank, SELFIE, blank)
    assert [answer["file"] for answer in answers] == [str(blank), str(SELFIE), str(blank)]
    assert [len(answer["faces"]) for answer in answers] == [0, 1, 0]


def test_a_folder_is_its_pictures_sorted(folder: Path) -> None:
    found = [answer["file"] for answer in detect("--model", "front", folder)]
    names = ("a/deep/face.png", "a/face.jpg", "b/face.PNG")
    assert found == [str(folder / name) for name in names]


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_pictures_in_a_folder_are_known_by_their_suffix(tmp_path: Path, suffix: str) -> None:
    for name in (f"small{suffix}", f"LARGE{suffix.upper()}", f"{suffix}.txt", "no"):
        (tmp_path / name).touch()
    assert sorted(path.name for path in find_images([tmp_path])) == sorted(
        [f"small{suffix}", f"LARGE{suffix.upper()}"]
    )


def test_csv_has_a_row_for_each_face(blank: Path) -> None:
    done = run("detect", "--format", "csv", "--model", "mtcnn", GROUP, blank)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    (answer,) = detect("--model", "mtcnn", GROUP)
    assert len(rows) == len(answer["faces"]) > 1
    for row, face in zip(rows, answer["faces"], strict=True):
        assert (row["file"], row["model"]) == (str(GROUP), "mtcnn")
        assert float(row["score"]) == face["score"]
        assert {side: float(row[side]) for side in face["box"]} == face["box"]
        assert float(row["mouth_left_x"]) == face["landmarks"]["mouth_left"]["x"]
        assert row["left_ear_x"] == ""


def test_csv_without_faces_is_its_header(blank: Path) -> None:
    done = run("detect", "--format", "csv", blank)
    assert done.stdout.startswith("file,model,score,x,y,width,height,left_eye_x,left_eye_y,")
    assert len(done.stdout.splitlines()) == 1


def test_the_table_has_a_row_for_each_face_and_for_each_picture_without(blank: Path) -> None:
    done = run("detect", "--format", "table", "--model", "mtcnn", GROUP, blank, COLUMNS="200")
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    (answer,) = detect("--model", "mtcnn", GROUP)
    assert lines[0] == ["file", "face", "score", "x", "y", "width", "height", "model", "ms"]
    assert len(lines) == 2 + len(answer["faces"]) + 1
    assert lines[2][:2] == [str(GROUP), "1"]
    assert lines[-1][:2] == [str(blank), "none"]


def test_a_name_that_looks_like_markup_is_printed_as_it_is(tmp_path: Path) -> None:
    odd = tmp_path / "[bold]x[red].png"
    Image.new("RGB", (64, 48)).save(odd)
    done = run("detect", "--format", "table", odd, COLUMNS="200")
    assert odd.name in done.stdout


@pytest.mark.parametrize("option", ["--min-score", "--min-face", "--max-faces"])
def test_an_option_leaves_out_the_second_face(option: str) -> None:
    (plain,) = detect("--model", "front", GROUP)
    best, second = plain["faces"]
    # Halfway between the two, whatever they are.
    value = {
        "--min-score": (best["score"] + second["score"]) / 2,
        "--min-face": (best["box"]["width"] + second["box"]["width"]) / 2,
        "--max-faces": 1,
    }[option]
    (chosen,) = detect("--model", "front", option, str(value), GROUP)
    (left,) = chosen["faces"]
    assert left["score"] == plain["faces"][0]["score"]


def test_passes_change_the_box() -> None:
    (once,) = detect("--model", "back", SELFIE)
    (twice,) = detect("--model", "back", "--passes", "2", SELFIE)
    assert once["faces"][0]["box"] != twice["faces"][0]["box"]


def test_a_picture_on_its_side_and_what_is_told_of_its_face(tmp_path: Path) -> None:
    lying = tmp_path / "lying.png"
    with Image.open(SELFIE) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(lying)  # to the left
    (given,) = detect("--model", "front", "--details", "quality", SELFIE)
    (turned,) = detect("--model", "front", "--rotate", "auto", "--details", "quality", lying)
    (face,), (again,) = given["faces"], turned["faces"]
    assert again["roll"] == pytest.approx(face["roll"] - 90, abs=0.2)
    assert again["box"]["x"] == pytest.approx(face["box"]["y"], abs=0.5)
    for name, value in face["quality"].items():
        assert again["quality"][name] == pytest.approx(value, rel=0.05)


def test_roll_is_told_where_pictures_are_turned_and_nowhere_else() -> None:
    (turned,) = detect("--model", "front", "--rotate", "auto", SELFIE)
    assert "quality" not in turned["faces"][0]
    assert 0 < turned["faces"][0]["roll"] < 20
    (plain,) = detect("--model", "front", SELFIE)
    assert set(plain["faces"][0]) == {"box", "score", "landmarks"}


def test_overlap_has_its_effect() -> None:
    (blend,) = detect("--model", "back", SELFIE)
    (nms,) = detect("--model", "back", "--overlap", "nms", SELFIE)
    assert blend["faces"][0]["box"] != nms["faces"][0]["box"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "Missing argument 'PATH...'", id="no-path"),
        pytest.param(
            ["--model", "yolo"],
            "'front', 'back', 'full', 'mtcnn', 'yunet', 'centerface', 'auto'",
            id="model",
        ),
        pytest.param(["--min-score", "1.01"], "0<=x<=1", id="min-score-over-1"),
        pytest.param(["--min-score", "-0.01"], "0<=x<=1", id="min-score-below-0"),
        pytest.param(["--min-score", "nan"], "from 0 to 1", id="min-score-nan"),
        pytest.param(["--min-face", "0.99"], "1<=x<=65535", id="min-face-below-1"),
        pytest.param(["--min-face", "inf"], "1<=x<=65535", id="min-face-infinite"),
        pytest.param(["--min-face", "nan"], "from 1 to 65535", id="min-face-nan"),
        pytest.param(["--max-faces", "0"], "1<=x<=10000", id="no-faces"),
        pytest.param(["--max-faces", "10001"], "1<=x<=10000", id="too-many-faces"),
        pytest.param(["--overlap", "mean"], "'blend', 'nms'", id="overlap"),
        pytest.param(["--format", "xml"], "'table', 'json', 'csv'", id="format"),
        pytest.param(["--draw", str(SELFIE)], "is a file", id="draw-into-a-file"),
    ],
)
def test_a_wrong_command_is_exit_status_2(arguments: list[str], message: str) -> None:
    done = run("detect", *arguments, *([SELFIE] if arguments else []))
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--min-score", "0"], id="min-score-0"),
        pytest.param(["--min-score", "1"], id="min-score-1"),
        pytest.param(["--min-face", "1"], id="min-face-1"),
        pytest.param(["--max-faces", "1"], id="one-face"),
        pytest.param(["--max-faces", "10000"], id="most-faces"),
    ],
)
def test_the_ends_of_a_range_are_in_it(arguments: list[str], blank: Path) -> None:
    assert run("detect", "--model", "front", *arguments, blank).exit_code == 0


def test_a_bad_file_is_named_and_the_rest_go_on(tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.png", tmp_path / "missing.png"
    broken.write_bytes(SELFIE.read_bytes()[:1000])
    done = run("detect", "--model", "front", broken, missing, SELFIE)
    assert done.exit_code == 1
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == [str(SELFIE)]
    first, second = done.stderr.splitlines()
    assert first.startswith(f"phiz: {broken}: the PNG of 1000 bytes is damaged")
    assert second == f"phiz: {missing}: No such file or directory"


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    done = run("detect", tmp_path)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: no images in {tmp_path}; looked for")


def test_no_more_is_read_than_the_limit() -> None:
    size = SELFIE.stat().st_size
    assert detect("--model", "front", SELFIE, PHIZ_MAX_BYTES=str(size))
    done = run("detect", SELFIE, PHIZ_MAX_BYTES=str(size - 1))
    assert done.exit_code == 1
    assert f"exceeds the limit of {size - 1} bytes" in done.stderr


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        pytest.param({"PHIZ_MAX_PIXELS": "none"}, "PHIZ_MAX_PIXELS is 'none'", id="setting"),
        pytest.param({"PHIZ_MODELS": "/nowhere"}, "phiz models build", id="models-not-built"),
    ],
)
def test_error_that_stops_everything_is_one_line(variables: dict[str, str], message: str) -> None:
    done = run("detect", SELFIE, **variables)
    assert (done.exit_code, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert message in line


def test_faces_are_drawn_into_copies(tmp_path: Path, folder: Path) -> None:
    drawn = tmp_path / "new" / "drawn"
    detect("--model", "front", "--draw", drawn, folder)
    formats, pixels = {}, {}
    for path in drawn.iterdir():
        with Image.open(path) as image:
            formats[path.name] = image.format
            pixels[path.name] = np.asarray(image)
    assert formats == {"face.png": "PNG", "face.jpg": "JPEG", "face-2.png": "PNG"}
    with Image.open(SELFIE) as image:
        plain = np.asarray(image.convert("RGB"))
    for name in ("face.png", "face-2.png"):
        assert 0.005 < np.any(pixels[name] != plain, axis=2).mean() < 0.1


def test_a_source_is_never_drawn_over(folder: Path) -> None:
    place = folder / "a" / "deep"
    before = (place / "face.png").read_bytes()
    detect("--model", "front", "--draw", place, place / "face.png")
    assert (place / "face.png").read_bytes() == before
    assert (place / "face-2.png").exists()


def test_copies_are_not_read_the_next_time(folder: Path) -> None:
    drawn = folder / "a" / "drawn"
    runs: list[tuple[list[str], list[Path]]] = []
    for _ in range(2):
        answers = detect("--model", "front", "--draw", drawn, folder)
        runs.append(([answer["file"] for answer in answers], sorted(drawn.iterdir())))
    assert runs[0] == runs[1]
    assert [len(files) for files in runs[0]] == [3, 3]


def test_copies_are_not_drawn_among_what_is_read(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    done = run("detect", "--draw", folder / "a" / "..", folder)
    assert (done.exit_code, done.stdout) == (2, "")
    assert (
        f"--draw cannot write into {folder}, because the copies would be read as images"
        in done.stderr
    )
    assert sorted(folder.rglob("*")) == before


def with_little_room(
    *task: str | Path, blocks: int, output: Path, unbuffered: str = ""
) -> tuple[int, list[str]]:
    """Exit status and errors of a detection whose files may not grow over so many blocks."""
    with output.open("wb") as file:
        done = subprocess.run(
            ["/bin/sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", *PHIZ, "detect", *task],
            stdout=file,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            check=False,
            text=True,
        )
    return done.returncode, done.stderr.splitlines()


@pytest.mark.integration
def test_a_copy_that_cannot_be_written_is_an_error(tmp_path: Path, blank: Path) -> None:
    drawn, output = tmp_path / "drawn", tmp_path / "output"
    task: list[str | Path] = [
        "--format",
        "json",
        "--model",
        "front",
        "--draw",
        drawn,
        SELFIE,
        blank,
    ]
    status, errors = with_little_room(*task, blocks=8, output=output)
    assert status == 1
    assert errors == [f"phiz: {drawn / SELFIE.name}: File too large"]
    assert list(drawn.iterdir()) == [drawn / blank.name]
    files = [json.loads(line)["file"] for line in output.read_text().splitlines()]
    assert files == [str(SELFIE), str(blank)]


@pytest.mark.integration
@pytest.mark.parametrize("format_name", ["table", "json", "csv"])
@pytest.mark.parametrize("good", [True, False], ids=["good-pictures", "no-good-picture"])
def test_output_that_cannot_be_written_ends_it(
    tmp_path: Path, blank: Path, format_name: str, *, good: bool
) -> None:
    missing = tmp_path / "missing.png"
    image_paths = [blank, blank] if good else [missing]
    task: list[str | Path] = ["--format", format_name, "--model", "front", *image_paths]
    status, errors = with_little_room(*task, blocks=0, output=tmp_path / "output")
    assert status == 1
    before = [] if good else [f"phiz: {missing}: No such file or directory"]
    after = ["Error: cannot write the faces: File too large"]
    nothing_to_write = format_name == "json" and not good
    assert errors == before + ([] if nothing_to_write else after)


@pytest.mark.integration
def test_output_that_cannot_even_begin_ends_it(tmp_path: Path) -> None:
    task: list[str | Path] = ["--format", "csv", SELFIE]
    output = tmp_path / "output"
    status, errors = with_little_room(*task, blocks=0, output=output, unbuffered="1")
    assert (status, errors) == (1, ["Error: cannot write the faces: File too large"])


def test_destinations_are_told_apart_without_case(tmp_path: Path) -> None:
    image_paths = [Path(name) for name in ("x/a.webp", "y/A.png", "z/a.tif", "z/a.jpeg", "-")]
    destinations = OutputPaths(tmp_path, image_paths)
    found = [destinations.pick_path(image_path).name for image_path in image_paths]
    assert found == ["a.png", "A-2.png", "a-3.png", "a.jpeg", "stdin.png"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("detect", "--draw", tmp_path / "file" / "folder", SELFIE)
    assert done.exit_code == 1
    assert "cannot create the folder" in done.stderr


def test_every_landmark_of_a_model_has_a_column() -> None:
    columns = {*blazeface.BLAZEFACE_LANDMARKS, *mtcnn.MTCNN_LANDMARKS}
    assert set(detect_run.LANDMARK_COLUMNS) == columns


def test_version() -> None:
    assert run("--version").stdout == f"phiz, version {phiz.__version__}\n"


def test_an_unknown_command_is_exit_status_2() -> None:
    done = run("recognise")
    assert done.exit_code == 2
    assert "No such command 'recognise'" in done.stderr


def imported_by(*arguments: str | Path) -> set[str]:
    """The packages that a process has imported when its command ends."""
    script = (
        "import sys\nfrom phiz.cli.main import main\n"
        "main(sys.argv[1:], prog_name='phiz', standalone_mode=False)\n"
        "print({name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        check=True,
        text=True,
    )
    return set(done.stderr.replace("'", " ").replace(",", " ").split())


@pytest.mark.integration
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        *([name, "--help"] for name in ("detect", "blur", "crops", "classify", "serve")),
    ],
)
def test_help_waits_for_no_large_package(arguments: list[str]) -> None:
    assert not imported_by(*arguments) & {"numpy", "PIL", "onnxruntime", "pydantic", "rich"}


@pytest.mark.integration
def test_detect_waits_for_nothing_that_it_does_not_use() -> None:
    imported = imported_by("detect", "--format", "json", "--model", "front", SELFIE)
    assert {"numpy", "PIL", "onnxruntime"} <= imported
    assert not imported & {"rich", "fastapi", "uvicorn", "starlette", "onnx", "tflite"}


@pytest.mark.integration
def test_a_terminal_gets_a_table_and_no_bar_for_one_picture() -> None:
    screen, terminal = pty.openpty()
    with os.fdopen(screen, "rb", buffering=0) as shown:
        done = subprocess.run(
            [*PHIZ, "detect", "--model", "front", SELFIE],
            stdout=terminal,
            stderr=subprocess.PIPE,
            check=True,
        )
        assert b"score" in shown.read(4096)
        os.close(terminal)
        assert done.stderr == b""


@pytest.mark.integration
def test_a_bar_is_shown_on_a_terminal_for_many_pictures() -> None:
    screen, terminal = pty.openpty()
    with os.fdopen(screen, "rb", buffering=0) as shown:
        done = subprocess.run(
            [*PHIZ, "detect", "--model", "front", *[SELFIE] * 4],
            stdout=subprocess.PIPE,
            stderr=terminal,
            env={**os.environ, "TERM": "xterm"},
            check=True,
        )
        assert b"images" in shown.read(4096)
        os.close(terminal)
        assert len(done.stdout.splitlines()) == 4


@pytest.mark.integration
def test_a_reader_that_leaves_early_hears_nothing() -> None:
    image_paths = [str(GROUP)] * 100  # more than a pipe holds
    with subprocess.Popen(
        [*PHIZ, "detect", "--model", "front", *image_paths],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


@pytest.mark.integration
def test_ctrl_c_is_quiet(tmp_path: Path) -> None:
    pipe = tmp_path / "picture.png"
    os.mkfifo(pipe)
    with subprocess.Popen([*PHIZ, "detect", pipe], stderr=subprocess.PIPE) as process:
        with pipe.open("wb"):  # opened once the command has opened it too, to read
            process.send_signal(signal.SIGINT)
            process.wait()
        assert process.stderr
        assert process.stderr.read() == b""
        assert process.returncode == 130
