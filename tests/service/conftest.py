from collections.abc import Iterator
from pathlib import Path

import pytest

from .running import SERVE, Running, Starter, environment, running


@pytest.fixture(scope="package")
def service(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One with two workers, for the tests that leave it as it was."""
    log = tmp_path_factory.mktemp("service") / "log"
    with running([*SERVE, "--workers", "2"], environment(models_folder), log) as service:
        yield service


@pytest.fixture
def start(models_folder: Path, tmp_path: Path) -> Starter:
    return Starter(models_folder, tmp_path)
