import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from phiz.cli.main import main
from tests.video.clips import (
    STEP_PX,
    make_clip,
    move,
    read_images,
    read_selfie,
    read_sound,
    read_times,
)

FRAMES = 8
LONG = 240  # frames; their lines are more than a pipe holds
PATIENCE_S = 60
WATCH = [sys.executable, "-m", "phiz", "watch"]


def watch(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["watch", *map(str, arguments)])


def decode(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("watch") / "clip.mp4"
    return make_clip(path, move(read_selfie(), FRAMES))


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("watch") / "long.mp4"
    return make_clip(path, move(read_selfie((90, 160)), 24) * (LONG // 24))


def boxes(lines: Sequence[dict[str, Any]]) -> list[float]:
    return [line["faces"][0]["box"]["x"] for line in lines]


def test_each_frame_of_a_file_is_a_line_with_ids(clip: Path) -> None:
    done = watch(clip, "--model", "front")
    assert done.exit_code == 0
    assert done.stderr.startswith(f"{FRAMES} frames, ")
    lines = decode(done.stdout)
    assert [line["frame"] for line in lines] == list(range(1, FRAMES + 1))
    assert [line["time_s"] for line in lines] == read_times(clip)
    assert [[face["id"] for face in line["faces"]] for line in lines] == [[1]] * FRAMES
    places = boxes(lines)
    assert places[-1] - places[0] == pytest.approx(STEP_PX * (FRAMES - 1), abs=3)
    assert {"decode", "inference", "total"} <= lines[0]["timing_ms"].keys()
    assert (lines[0]["model"], lines[0]["image"]) == ("front", {"width": 270, "height": 480})


def test_lines_are_smoothed_on_request_and_written_to_a_file(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "faces.jsonl"
    done = watch(clip, "--model", "front", "--smooth", "-o", path)
    assert (done.exit_code, done.stdout) == (0, "")
    smooth = boxes(decode(path.read_text()))
    single = boxes(decode(watch(clip, "--model", "front").stdout))
    assert smooth[0] == single[0]
    assert smooth[-1] < single[-1]


def test_video_is_annotated_and_keeps_its_sound(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "annotated.mp4"
    assert watch(clip, "--model", "front", "-o", path).exit_code == 0
    assert read_times(path) == read_times(clip)
    assert [content for _, content in read_sound(path)] == [
        content for _, content in read_sound(clip)
    ]
    x = round(boxes(decode(watch(clip, "--model", "front").stdout))[0])
    for image, plain in zip(read_images(path)[:1], read_images(clip)[:1], strict=True):
        changed = np.abs(image.astype(int) - plain).sum(axis=2) > 100
        assert changed[:, x - 2 : x + 3].sum() > 100  # the left side of the box
        assert changed.mean() < 0.1


def test_faces_of_a_blurred_video_are_not_found(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "blurred.mp4"
    assert watch(clip, "--model", "front", "--blur", "-o", path).exit_code == 0
    assert len(read_sound(path)) == len(read_sound(clip))
    for model in ("front", "yunet"):
        lines = decode(watch(path, "--model", model).stdout)
        assert [line["faces"] for line in lines] == [[]] * FRAMES


def test_face_that_is_missed_for_a_moment_stays_blurred(tmp_path: Path) -> None:
    images = move(read_selfie(), 6)
    # The columns of one frame are in any order.
    columns = np.random.default_rng(0).permutation(images[3].shape[1])
    images[3] = np.ascontiguousarray(images[3][:, columns])
    clip = make_clip(tmp_path / "clip.mp4", images, sound=None)
    found = [bool(line["faces"]) for line in decode(watch(clip, "--model", "front").stdout)]
    assert found == [True, True, True, False, True, True]
    path = tmp_path / "blurred.mp4"
    assert watch(clip, "--model", "front", "--blur", "-o", path).exit_code == 0
    blurred, plain = (read_images(each)[3][140:250, 80:180] for each in (path, clip))
    details = [np.abs(np.diff(each.astype(int), axis=1)).mean() for each in (blurred, plain)]
    assert details[0] < 0.6 * details[1]


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["--blur"], 2, "--blur writes a video"),
        (["--blur", "-o", "faces.jsonl"], 2, "--blur writes a video"),
        (["-o", "video.avi"], 2, "it must end with .json, .jsonl, .ndjson, .mkv, .mov, .mp4"),
        (["-o", "missing/video.mp4"], 2, "missing does not exist"),
        (["--model", "front", "--budget-ms", "5"], 2, "budget_ms is an option of"),
    ],
)
def test_options_that_contradict_each_other_are_errors(
    clip: Path, arguments: list[str], status: int, problem: str
) -> None:
    done = watch(clip, *arguments)
    assert (done.exit_code, done.stdout) == (status, "")
    assert problem in done.stderr


def test_video_is_never_written_over_its_source(clip: Path, tmp_path: Path) -> None:
    source, link = tmp_path / "source.mp4", tmp_path / "link.mp4"
    source.write_bytes(clip.read_bytes())
    link.symlink_to(source)
    for given, output in ((source, source), (source, link), (f"file:{source}", source)):
        done = watch(given, "--model", "front", "-o", output)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "is SOURCE; name another file" in done.stderr
    assert source.read_bytes() == clip.read_bytes()


@pytest.mark.parametrize("name", ["faces.jsonl", "faces.mp4"])
def test_file_that_exists_is_replaced_if_asked(clip: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"mine")
    path.chmod(0o600)
    done = watch(clip, "--model", "front", "-o", path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"-o is {path}, which exists; --force replaces it" in done.stderr
    assert path.read_bytes() == b"mine"
    assert watch(clip, "--model", "front", "--force", "-o", path).exit_code == 0
    assert path.stat().st_size > 1000
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_video_that_exists_stays_if_the_command_fails(tmp_path: Path) -> None:
    path = tmp_path / "faces.mp4"
    path.write_bytes(b"mine")
    done = watch(tmp_path / "missing.mp4", "--model", "front", "--force", "-o", path)
    assert (done.exit_code, path.read_bytes()) == (1, b"mine")


def test_source_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    done = watch(tmp_path / "missing.mp4", "--model", "front")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "missing.mp4: No such file or directory; SOURCE is a video file" in done.stderr


def test_missing_extra_is_named(clip: Path) -> None:
    program = (
        "import sys; sys.modules['av'] = None\n"
        "from phiz.cli.main import main\n"
        f"main(['watch', {str(clip)!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: PyAV is not installed; install it with: pip install 'phiz[video]'\n"
    )


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_lines_with_a_whole_one(long_clip: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [*WATCH, str(long_clip), "--model", "mtcnn"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.send_signal(number)
        # Not communicate(), which misses what readline() has read beyond the first line.
        lines = decode(first + process.stdout.read())
        errors = process.stderr.read()
        assert process.wait(PATIENCE_S) == 0
    assert 0 < len(lines) < LONG
    assert errors.startswith(f"{len(lines)} frames, ")


@pytest.mark.integration
def test_signal_leaves_a_valid_video(long_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "part.mp4"
    command = [*WATCH, str(long_clip), "--model", "mtcnn", "-o", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not path.exists():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    frames = len(read_images(path))
    assert 0 < frames < LONG
    assert errors.startswith(f"{frames} frames, ")
    assert read_sound(path)


@pytest.mark.integration
def test_reader_that_has_enough_ends_the_command(long_clip: Path) -> None:
    with subprocess.Popen(
        [*WATCH, str(long_clip), "--model", "front"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 1
        assert process.stderr.read() == ""
