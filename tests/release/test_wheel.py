import re
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from packaging.metadata import Metadata
from packaging.specifiers import SpecifierSet

import phiz

from .conftest import ROOT, Distributions, build

pytestmark = pytest.mark.integration

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PACKAGE = Path(phiz.__file__).parent
# Files of the checkout's other folders that an installed phiz reads.
DATA = {"catalog.toml", "router.toml", "calibration.json", "imagenet.txt"}
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@pytest.fixture(scope="module")
def wheel(distributions: Distributions) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(distributions.wheel) as archive:
        yield archive


@pytest.fixture(scope="module")
def info(wheel: zipfile.ZipFile) -> str:
    """The folder of the wheel's metadata."""
    (folder,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    return folder


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile, info: str) -> Metadata:
    """What a package index shows; it is read as strictly as one reads it."""
    return Metadata.from_email(wheel.read(f"{info}/METADATA"), validate=True)


def test_wheel_of_sdist_is_wheel_of_checkout(distributions: Distributions, tmp_path: Path) -> None:
    build("--wheel", "--out-dir", tmp_path)
    (direct,) = tmp_path.glob("*.whl")
    assert direct.name == distributions.wheel.name
    assert direct.read_bytes() == distributions.wheel.read_bytes()


def test_wheel_has_package_and_data_and_nothing_else(wheel: zipfile.ZipFile, info: str) -> None:
    held = {name for name in wheel.namelist() if not name.startswith(f"{info}/")}
    package = {
        f"phiz/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert package < held
    assert "phiz/py.typed" in package
    assert {Path(name).name for name in held - package} == DATA
    assert not [name for name in held if re.search(r"(^|/)(tests?|conftest\.py)(/|$)", name)]


def test_wheel_has_licences(wheel: zipfile.ZipFile, info: str, metadata: Metadata) -> None:
    assert metadata.license_expression == "Apache-2.0"
    assert metadata.license_files == ["LICENSE", "NOTICE"]
    for name in metadata.license_files:
        assert wheel.read(f"{info}/licenses/{name}") == (ROOT / name).read_bytes()


def test_wheel_has_command(wheel: zipfile.ZipFile, info: str) -> None:
    assert wheel.read(f"{info}/entry_points.txt").decode() == (
        "[console_scripts]\nphiz = phiz.cli.main:main\n"
    )


def test_metadata_names_supported_pythons_and_systems(metadata: Metadata) -> None:
    prefix = "Programming Language :: Python :: 3."
    named = [
        name.removeprefix(prefix[:-2])
        for name in metadata.classifiers or []
        if name.startswith(prefix)
    ]
    assert named == PYTHONS
    assert metadata.requires_python == SpecifierSet(f">={PYTHONS[0]}")
    assert {
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Typing :: Typed",
    } <= {*(metadata.classifiers or [])}


def test_metadata_has_addresses_and_words_to_find_it_by(metadata: Metadata) -> None:
    assert metadata.project_urls == PROJECT["urls"]
    assert {"Homepage", "Documentation", "Source", "Changelog", "Issues"} == set(PROJECT["urls"])
    assert metadata.summary == PROJECT["description"]
    assert metadata.author == "The phiz authors"
    assert {"face detection", "blazeface", "mtcnn"} <= set(metadata.keywords or [])


def test_readme_of_metadata_leads_to_files_of_this_version(metadata: Metadata) -> None:
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description
    targets = list(_targets(metadata.description))
    base = f"{PROJECT['urls']['Source']}/blob/v{phiz.__version__}/"
    ours = [target.removeprefix(base) for target in targets if target.startswith(base)]
    assert len(ours) > 10
    assert not [name for name in ours if not (ROOT / name.partition("#")[0]).exists()]
    # An index shows pictures, not the pages that GitHub has about them.
    pictures = f"{PROJECT['urls']['Source']}/raw/v{phiz.__version__}/"
    shown = [target.removeprefix(pictures) for target in targets if target.startswith(pictures)]
    assert shown == ["docs/faces.jpg", "docs/page.webp"]
    assert all((ROOT / name).exists() for name in shown)
    others = [target for target in targets if not target.startswith((base, pictures))]
    assert not [target for target in others if not re.match(r"https?://|#", target)]


def _targets(markdown: str) -> Iterator[str]:
    """Where the links and pictures of a text lead."""
    for block in MarkdownIt().parse(markdown):
        for part in block.children or []:
            target = part.attrGet("href") or part.attrGet("src")
            if target is not None:
                yield str(target)
