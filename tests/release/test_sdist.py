import subprocess
import tarfile
from pathlib import PurePosixPath

import pytest

from tests.docs.pages import LEFT_OUT, PAGES
from tests.tools import program

from .conftest import ROOT, Distributions

pytestmark = pytest.mark.integration

WEIGHTS = {".onnx", ".tflite", ".pt", ".pth", ".bin", ".npz", ".whl"}
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tiff", ".avif"}
ALLOWED_BYTES = 3_000_000


@pytest.fixture(scope="module")
def names(distributions: Distributions) -> set[str]:
    """The files of the sdist, below the folder that it makes."""
    with tarfile.open(distributions.sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.mark.needs("git")
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an unpacked sdist is no checkout")
def test_sdist_has_what_git_has(names: set[str]) -> None:
    # New files too, because a test is written before it is committed.
    listed = subprocess.run(
        [program("git"), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    there = {name for name in listed if name and (ROOT / name).exists()}
    left_out = set(LEFT_OUT.match_files(there))
    assert names == there - left_out | {"PKG-INFO"}
    assert {PurePosixPath(name).parts[0] for name in left_out} == {"docs"}
    assert {PurePosixPath(name).suffix for name in left_out} <= PICTURES


def test_sdist_has_the_pictures_of_its_first_page(names: set[str]) -> None:
    shown = {link for link in PAGES["README.md"].links if PurePosixPath(link).suffix in PICTURES}
    assert shown
    assert shown <= names


def test_sdist_has_what_builds_and_tests(names: set[str]) -> None:
    assert {
        *("pyproject.toml", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "Makefile"),
        *("Dockerfile", "docker-compose.yml", ".github/workflows/tests.yml"),
        *("models/catalog.toml", "models/router.toml", "models/calibration.json"),
        *("models/imagenet.txt", "requirements/dev.txt", "requirements/build.txt"),
        *("service/phiz/__init__.py", "service/phiz/py.typed", "tests/conftest.py"),
    } <= names


def test_sdist_has_no_weights_and_no_foreign_pictures(
    names: set[str], distributions: Distributions
) -> None:
    paths = [PurePosixPath(name) for name in names]
    assert not [path for path in paths if path.suffix in WEIGHTS]
    folders = {str(path.parent) for path in paths if path.suffix in PICTURES}
    # Those of the tests, the README and the page show what NASA gave to the public domain; the
    # others are drawn.
    assert folders == {
        *("tests/pictures", "tests/image/cases"),
        *("docs", "service/phiz/api/page/static"),
    }
    assert distributions.sdist.stat().st_size < ALLOWED_BYTES
