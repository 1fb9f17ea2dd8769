import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
PATIENCE_S = 300  # with a registry that answers slowly


@dataclass(frozen=True, slots=True)
class Distributions:
    """What is published, as files."""

    sdist: Path
    wheel: Path  # built from the sdist


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment that has the wheel, and a folder to run commands in."""

    python: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables that name nothing of the checkout, and keep models in the folder."""
        ours = ("PHIZ_", "PYTHON", "VIRTUAL_ENV", "XDG_")
        plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {**plain, "XDG_CACHE_HOME": str(self.folder / "cache")}

    def run(self, *command: str) -> str:
        """Return what a command of the environment prints."""
        ran = subprocess.run(
            [self.python.with_name(command[0]), *command[1:]],
            cwd=self.folder,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


def build(*options: str | Path) -> None:
    """Build offline, with the tools that are installed."""
    subprocess.run(
        [
            *(TOOLS / "uv", "build", "--quiet", "--offline", "--no-build-isolation"),
            *("--python", sys.executable, *options, ROOT),
        ],
        check=True,
    )


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The sdist, and the wheel that is built from it, as ``make dist`` builds them."""
    folder = tmp_path_factory.mktemp("dist")
    build("--out-dir", folder)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Distributions(sdist, wheel)


@pytest.fixture(scope="session")
def installed(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An environment of its own, as uv makes them: without pip."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    # Most of it is never imported, so that compiling what is takes less time.
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-compile",
    ]
    locked = str(ROOT / "requirements" / "build.txt")
    subprocess.run([*pip, "--require-hashes", "--requirement", locked], check=True)
    # No index: whatever the lock file lacks is missed here.
    subprocess.run([*pip, "--no-index", f"{distributions.wheel}[build]"], check=True)
    return Installed(python, tmp_path_factory.mktemp("elsewhere"))
