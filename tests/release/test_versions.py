import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import phiz

from .conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
LABEL = "org.opencontainers.image"
OURS = "phiz-dev"  # whose name an address of this project has


def argument(name: str) -> str:
    """What the image is built with unless another value is given."""
    (value,) = re.findall(rf"^ARG {name}=(\S*)$", DOCKERFILE, re.MULTILINE)
    return str(value)


def notes(tag: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "deploy" / "release.py", tag, "--root", root],
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A version 1.2.0 that is ready to be released."""
    package = tmp_path / "service" / "phiz"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""A package."""\n\n__version__ = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n"
        "## 1.2.0 — 2026-12-24\n\n### Added\n\n- This.\n\n"
        "## 1.1.0 — 2026-11-30\n\n- That.\n"
    )
    return tmp_path


def test_version_is_the_same_everywhere() -> None:
    deployment = (ROOT / "deploy" / "kubernetes" / "deployment.yaml").read_text("utf-8")
    (container,) = yaml.safe_load(deployment)["spec"]["template"]["spec"]["containers"]
    assert phiz.__version__ == PROJECT["version"]
    assert phiz.__version__ == version("phiz")
    assert phiz.__version__ == argument("VERSION")
    assert phiz.__version__ == container["image"].partition(":")[2]
    assert f"## {phiz.__version__} — " in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_uvicorn_is_capped_below_the_next_minor_version() -> None:
    locked = (ROOT / "requirements" / "serve.txt").read_text("utf-8")
    (minor,) = re.findall(r"^uvicorn==0\.(\d+)\.", locked, re.MULTILINE)
    (needed,) = (entry for entry in PROJECT["dependencies"] if entry.startswith("uvicorn"))
    assert needed.endswith(f"<0.{int(minor) + 1}")


def test_address_is_the_same_everywhere() -> None:
    address = PROJECT["urls"]["Source"]
    assert address == argument("SOURCE")
    assert all(url.startswith(address) for url in PROJECT["urls"].values())
    for name in ("pyproject.toml", "README.md", "Dockerfile", "CHANGELOG.md"):
        for found in re.findall(rf"https://\S*?{OURS}/[\w-]+", (ROOT / name).read_text("utf-8")):
            assert found == address, name


def test_image_says_what_it_is_made_of() -> None:
    labels = dict(re.findall(rf'{re.escape(LABEL)}\.(\w+)="([^"]*)"', DOCKERFILE))
    assert labels == {
        "title": PROJECT["name"],
        "description": "Face detection as a microservice",
        "version": "${VERSION}",
        "revision": "${REVISION}",
        "source": "${SOURCE}",
        "url": "${SOURCE}",
        "documentation": "${SOURCE}/blob/v${VERSION}/docs/deploying.md",
        "licenses": PROJECT["license"],
    }
    assert (ROOT / "docs" / "deploying.md").exists()


def test_release_notes_are_the_section_of_the_version(checkout: Path) -> None:
    completed = notes("v1.2.0", checkout)
    assert (completed.returncode, completed.stdout) == (0, "### Added\n\n- This.\n")


@pytest.mark.parametrize(
    ("tag", "changelog", "reason"),
    [
        ("v1.3.0", None, "the tag is v1.3.0, but service/phiz/__init__.py has version 1.2.0"),
        ("1.2.0", None, "the tag is 1.2.0, but service/phiz/__init__.py has version 1.2.0"),
        ("v1.2.0", "## 1.1.0 — 2026-11-30\n\n- That.\n", "has no section of the form"),
        ("v1.2.0", "## 1.2.0 — unreleased\n\n- This.\n", "has 1.2.0 as unreleased: write the day"),
        ("v1.2.0", "## 1.2.0 — 2026-12-24\n\n## 1.1.0 — 2026-11-30\n\n- That.\n", "has nothing"),
    ],
    ids=["other version", "no v", "no section", "no day", "nothing said"],
)
def test_release_that_is_not_ready_is_refused(
    checkout: Path, tag: str, changelog: str | None, reason: str
) -> None:
    if changelog is not None:
        (checkout / "CHANGELOG.md").write_text(changelog)
    completed = notes(tag, checkout)
    assert (completed.returncode, completed.stdout) == (1, "")
    assert reason in completed.stderr
