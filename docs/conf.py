"""How Sphinx makes a site of this folder: ``make docs``."""

import posixpath
import re
import tomllib
from pathlib import Path
from typing import Final

from sphinx.application import Sphinx

DOCS: Final = Path(__file__).parent
ROOT: Final = DOCS.parent
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FILES: Final = f"{PROJECT['urls']['Source']}/blob/v{PROJECT['version']}"
# The pages that stand above this folder, because that is where people look for them.
PAGES_ABOVE: Final = {"CONTRIBUTING.md": "contributing.md", "SECURITY.md": "security.md"}

project = PROJECT["name"]
author = PROJECT["authors"][0]["name"]
project_copyright = author
version = release = PROJECT["version"]
extensions = ["myst_parser"]
myst_heading_anchors = 4
nitpicky = True
exclude_patterns = ["*.py"]
# An unpacked sdist lacks most pictures.
suppress_warnings = ["image.not_readable"] if (ROOT / "PKG-INFO").exists() else []
html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_use_index = False
html_static_path = ["_static"]
html_css_files = ["tables.css"]
templates_path: list[str] = []

_LINK: Final = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
_SECTION: Final = re.compile(r"^## (.+)\n((?:\n|- .+\n|  .+\n)+)", re.MULTILINE)
_ENTRY: Final = re.compile(r"^- \[([^]]+)\]\(([^)#]+)\)", re.MULTILINE)


def setup(app: Sphinx) -> None:
    """Let the pages be read as they are on the web, where files lead to the repository."""
    app.connect("source-read", read_page)


def read_page(_app: Sphinx, page: str, source: list[str]) -> None:
    """Change a page's text in place before it is parsed.

    Links to files outside of this folder become addresses of the repository. The lists of links on
    the first page become the navigation.
    """
    text = source[0]
    above = next((name for name, stub in PAGES_ABOVE.items() if stub == f"{page}.md"), None)
    base = posixpath.join("docs", posixpath.dirname(page))
    if above is not None:
        text, base = (ROOT / above).read_text("utf-8"), ""
    inside = posixpath.dirname(f"docs/{page}")
    text = _LINK.sub(lambda link: _convert_link(link, base, inside), text)
    if page == "index":
        text = "\n".join([text, *(_build_navigation(*found) for found in _SECTION.findall(text))])
    source[0] = text


def _convert_link(link: re.Match[str], base: str, inside: str) -> str:
    """Return the target of a link for the site.

    Args:
        link: The target, and its anchor if it has one.
        base: The folder that it is relative to, from the root of the repository.
        inside: The folder of the page that it is on, likewise.
    """
    target, anchor = link[1], link[2] or ""
    path = posixpath.normpath(posixpath.join(base, target))
    path = f"docs/{PAGES_ABOVE[path]}" if path in PAGES_ABOVE else path
    if path.startswith("docs/"):
        return posixpath.relpath(path, inside) + anchor
    return f"{FILES}/{path}{anchor}" if (ROOT / path).exists() else link[0]


def _build_navigation(heading: str, entries: str) -> str:
    pages = "\n".join(f"{title} <{page}>" for title, page in _ENTRY.findall(entries))
    return f"```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{pages}\n```\n"
