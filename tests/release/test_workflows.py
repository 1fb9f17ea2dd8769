import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools import program

from .conftest import ROOT, TOOLS
from .test_wheel import PYTHONS

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS: dict[str, Any] = {
    path.name: yaml.safe_load(path.read_text("utf-8")) for path in FOLDER.glob("*.yml")
}
ACTIONLINT: list[str | Path] = [TOOLS / "actionlint", "-no-color", "-oneline", "-pyflakes="]


def check(*command: str | Path) -> None:
    """Let a tool read the workflows, and expect that it finds nothing."""
    checked = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, f"{checked.stdout}{checked.stderr}"


def steps() -> list[tuple[str, dict[str, Any]]]:
    """Every step, with its workflow's name."""
    return [
        (name, step)
        for name, workflow in WORKFLOWS.items()
        for job in workflow["jobs"].values()
        for step in job.get("steps", ())
    ]


def test_workflows_pass_actionlint() -> None:
    assert WORKFLOWS.keys() == {"tests.yml", "release.yml"}
    check(*ACTIONLINT, "-shellcheck=", *(FOLDER / name for name in WORKFLOWS))


# Linux on arm64 has no wheel of it, but packages of the system.
@pytest.mark.needs("shellcheck")
def test_commands_of_workflows_pass_shellcheck() -> None:
    check(
        *ACTIONLINT, f"-shellcheck={program('shellcheck')}", *(FOLDER / name for name in WORKFLOWS)
    )


def test_workflows_pass_audit() -> None:
    check(TOOLS / "zizmor", "--offline", "--no-progress", "--quiet", ".github")


def test_actions_are_pinned_and_say_their_version() -> None:
    for path in FOLDER.glob("*.yml"):
        for line in re.findall(r"uses: (?!\$/)(.+)", path.read_text("utf-8")):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_each_action_has_one_version() -> None:
    used = [step["uses"].split("@") for _, step in steps() if "uses" in step]
    assert len({name for name, _ in used}) == len({(name, commit) for name, commit in used})


def test_workflows_ask_for_nothing_beyond_their_jobs() -> None:
    for workflow in WORKFLOWS.values():
        assert workflow["permissions"] == {}
        assert workflow["concurrency"]["group"].endswith("-${{ github.ref }}")
        for job in workflow["jobs"].values():
            assert "permissions" in job
            assert "uses" in job or "timeout-minutes" in job


def test_every_supported_python_is_tested_on_every_system() -> None:
    jobs = WORKFLOWS["tests.yml"]["jobs"]
    linux, macos = jobs["linux"], jobs["macos"]
    assert linux["strategy"]["matrix"] == {
        "python": PYTHONS,
        "runner": ["ubuntu-24.04", "ubuntu-24.04-arm"],
    }
    assert macos["strategy"]["matrix"] == {"python": PYTHONS}
    assert macos["runs-on"] == "macos-15"
    for job in (linux, macos):
        assert {"run": "make test"} in job["steps"]
    assert linux["env"]["PHIZ_TEST_ALL"] == "1"


def test_targets_and_scripts_of_workflows_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    commands = [step["run"] for _, step in steps() if "run" in step]
    asked = [
        word
        for run in commands
        for line in re.findall(r"\bmake (.+)", run)
        for word in line.split()
    ]
    assert set(asked) == {"test", "dist", "sbom"}
    assert set(asked) <= targets
    scripts = [name for run in commands for name in re.findall(r"\bpython (\S+\.py)", run)]
    assert scripts == ["deploy/release.py"]
    assert (ROOT / scripts[0]).exists()


def test_updates_are_looked_for_where_versions_are_pinned() -> None:
    document = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text("utf-8"))
    found = {update["package-ecosystem"]: update["directory"] for update in document["updates"]}
    assert found == {
        "github-actions": "/",
        "pip": "/requirements",
        "docker": "/",
        "docker-compose": "/",
    }
    for folder in found.values():
        assert (ROOT / folder[1:]).is_dir()
