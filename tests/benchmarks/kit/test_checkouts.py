import subprocess
from pathlib import Path

import pytest

from benchmarks.kit.checkouts import choose_variables, open_checkout, to_command
from benchmarks.kit.environments import ROOT
from benchmarks.kit.errors import BenchmarkError
from tests.tools import program

NAMES = ("-c", "user.name=a", "-c", "user.email=a@example.com")


def run_git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        [program("git"), *NAMES, *arguments], cwd=folder, check=True, capture_output=True
    )


def commit_version(folder: Path, version: str) -> None:
    for name in ("service", "models"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "version").write_text(version)
    run_git(folder, "add", ".")
    run_git(folder, "commit", "--message", version)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    run_git(tmp_path, "init", "--initial-branch", "main")
    commit_version(tmp_path, "one")
    run_git(tmp_path, "checkout", "-b", "branch")
    commit_version(tmp_path, "two")
    commit_version(tmp_path, "three")
    return tmp_path


@pytest.mark.needs("git")
@pytest.mark.parametrize(
    ("before", "expected"),
    [
        pytest.param(None, "one", id="where the branch has left main"),
        pytest.param("HEAD~1", "two", id="a commit"),
    ],
)
def test_commit_is_unpacked_elsewhere(repository: Path, before: str | None, expected: str) -> None:
    with open_checkout(before, repository) as (folder, name):
        assert (folder / "service" / "version").read_text() == expected
        assert name.endswith(f" {expected}")
    assert not folder.exists()
    assert (repository / "service" / "version").read_text() == "three"


@pytest.mark.needs("git")
def test_changes_since_the_last_commit_are_compared_on_main(repository: Path) -> None:
    run_git(repository, "checkout", "main")
    (repository / "service" / "version").write_text("changed")
    with open_checkout(None, repository) as (folder, _):
        assert (folder / "service" / "version").read_text() == "one"


@pytest.mark.needs("git")
def test_unknown_commit_is_an_error_with_its_remedy(repository: Path) -> None:
    with (
        pytest.raises(BenchmarkError, match=r"none-such.*; name a folder or a commit"),
        open_checkout("none-such", repository),
    ):
        pass


def test_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    with open_checkout(str(tmp_path)) as (folder, name):
        assert (folder, name) == (tmp_path, str(tmp_path))
    assert tmp_path.exists()


def test_python_runs_the_package_of_a_checkout(tmp_path: Path) -> None:
    package = tmp_path / "service" / "phiz"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    variables = choose_variables(tmp_path)
    command = [*to_command(variables), "printenv", "PYTHONPATH"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path / "service")


def test_checkout_without_the_package_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="is not run from"):
        choose_variables(tmp_path)
    assert choose_variables(ROOT)["PYTHONPATH"] == str(ROOT / "service")
