"""How the pages read, and how they look as a site."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sphinx.cmd.build import build_main

from .pages import PAGES, ROOT

SITE: list[str | Path] = [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "-b", "html"]
README_WORDS = 600
PICTURE_BYTES = 150_000
STARTS = re.compile(r"(what|who|where|that|nobody|nor)(ever|se)?\b", re.IGNORECASE)
MAX_STARTS = 0.015
MAX_WORDS = 18
READ = sorted(PAGES.keys() - {"CHANGELOG.md"})  # whose entries say why, in one sentence each


def test_readme_is_short() -> None:
    assert len(PAGES["README.md"].text.split()) <= README_WORDS


@pytest.mark.parametrize("name", READ)
def test_sentences_are_short_and_begin_with_their_subject(name: str) -> None:
    sentences = PAGES[name].sentences
    starts = [sentence for sentence in sentences if STARTS.match(sentence)]
    assert len(starts) <= MAX_STARTS * len(sentences), starts
    assert sum(len(sentence.split()) for sentence in sentences) <= MAX_WORDS * len(sentences)


@pytest.mark.integration
def test_picture_of_faces_is_what_phiz_draws(models_folder: Path, tmp_path: Path) -> None:
    shown = ROOT / "docs" / "faces.jpg"
    canvas = Image.open(ROOT / "tests" / "pictures" / "row_960x540.png").convert("RGB")
    canvas.save(tmp_path / "faces.jpg", quality=90)
    command: list[str | Path] = [sys.executable, "-m", "phiz", "detect", tmp_path / "faces.jpg"]
    env = {"PHIZ_MODELS": str(models_folder)}
    subprocess.run([*command, "--draw", tmp_path / "out"], env=env, check=True)
    drawn = np.asarray(Image.open(tmp_path / "out" / "faces.jpg"), np.float32)
    assert shown.stat().st_size <= PICTURE_BYTES
    assert np.abs(drawn - np.asarray(Image.open(shown), np.float32)).mean() < 0.5


class Loaded(HTMLParser):
    """Collects what a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        names = ["src", "srcset", "poster", "data"] if tag != "a" else []
        if tag == "link" and given.get("rel") not in {"index", "search", "next", "prev"}:
            names.append("href")
        self.addresses += [value for name in names if (value := given.get(name))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as ``make docs`` builds it; a warning would fail."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([*SITE, ROOT / "docs", folder], check=True)
    return folder


@pytest.mark.integration
def test_site_has_every_page(site: Path) -> None:
    built = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    inside = {name.removeprefix("docs/")[:-3] for name in PAGES if name.startswith("docs/")}
    assert inside == built - {"search"}
    for name in ("contributing", "security"):
        page = (site / f"{name}.html").read_text("utf-8")
        assert all(f'href="#{anchor}"' in page for anchor in PAGES[f"{name.upper()}.md"].anchors)


@pytest.mark.integration
def test_site_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = [path.read_text("utf-8") for path in site.rglob("*.html")]
    parser = Loaded()
    for page in pages:
        parser.feed(page)
    assert len(parser.addresses) > len(pages)
    assert [found for found in parser.addresses if re.match(r"(\w+:)?//", found)] == []
    for style in site.rglob("*.css"):
        text = style.read_text("utf-8")
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", text), style.name
    for script in site.rglob("*.js"):
        loads = r"""(fetch|import|importScripts)\(\s*['"`]https?:|\.src\s*=\s*['"`]https?:"""
        assert not re.search(loads, script.read_text("utf-8")), script.name


@pytest.mark.parametrize(
    ("target", "status"), [("index.md", 0), ("missing.md", 1), ("../missing.md", 1), ("#no", 1)]
)
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # of the extensions of Sphinx
@pytest.mark.integration
def test_broken_link_fails_the_site(tmp_path: Path, target: str, status: int) -> None:
    folder = tmp_path / "docs"
    (folder / "_static").mkdir(parents=True)
    for name in ("conf.py", "faces.jpg", "_static/tables.css"):
        (folder / name).write_bytes((ROOT / "docs" / name).read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (folder / "index.md").write_text(f"# Page\n\nA [link]({target}).\n")
    assert build_main(["-q", "-W", "-b", "html", str(folder), str(tmp_path / "site")]) == status
