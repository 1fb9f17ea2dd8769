"""The pages of the documentation, and what stands on them."""

import posixpath
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parents[2]
# The pictures that an sdist leaves out. A page of an unpacked one still shows them.
LEFT_OUT = GitIgnoreSpec.from_lines(
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"][
        "targets"
    ]["sdist"]["exclude"]
)
IS_UNPACKED_SDIST = (ROOT / "PKG-INFO").exists()
MARKDOWN = MarkdownIt("commonmark").enable("table")
# Programs whose commands are checked, or are others' affair.
OURS = ("phiz", "make", "curl", "python", "python3")
OTHERS = (
    "docker",
    "helm",
    "kubectl",
    "pip",
    "serve",
    "git",
    "apt-get",
    "ray",
    "deploy/test/engine.sh",
    "openssl",
    "mkdir",
    "chmod",
)


@dataclass(frozen=True)
class Block:
    """A block of code; one that is indented has no language."""

    page: "Page"
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """Each command of a shell, without comments; of other blocks, none."""
        if self.language not in {"", "sh"}:
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if _first_word(line) in (*OURS, *OTHERS)]


@dataclass(frozen=True)
class Page:
    """A page, by its path from the root of the repository."""

    name: str

    @cached_property
    def text(self) -> str:
        return (ROOT / self.name).read_text("utf-8")

    @cached_property
    def tokens(self) -> list[Token]:
        return MARKDOWN.parse(self.text)

    @cached_property
    def blocks(self) -> list[Block]:
        return [
            Block(self, token.map[0] + 1, token.info.strip(), token.content)
            for token in self.tokens
            if token.type in {"fence", "code_block"} and token.map is not None
        ]

    @cached_property
    def inline(self) -> list[Token]:
        """Text, code and links, as they follow each other."""
        return [part for token in self.tokens for part in token.children or ()]

    @property
    def code(self) -> list[str]:
        return [part.content for part in self.inline if part.type == "code_inline"]

    @property
    def links(self) -> Iterator[str]:
        """Targets, those within the repository as a path from its root, with the anchor."""
        for part in self.inline:
            target = str(part.attrGet("href") or part.attrGet("src") or "")
            if target and not re.match(r"\w+:", target):
                path, _, anchor = target.partition("#")
                folder = posixpath.dirname(self.name)
                whole = posixpath.normpath(posixpath.join(folder, path)) if path else self.name
                yield f"{whole}#{anchor}" if anchor else whole

    @cached_property
    def anchors(self) -> set[str]:
        """Of the headings, as GitHub and the site make them."""
        headings = [
            following for token, following in pairwise(self.tokens) if token.type == "heading_open"
        ]
        return {
            re.sub(r"[^\w\- ]", "", _plain(text).lower()).replace(" ", "-") for text in headings
        }

    @property
    def sentences(self) -> list[str]:
        """Of the paragraphs and lists; inline code is one word."""
        texts = [
            _plain(text, code="code")
            for before, text in pairwise(self.tokens)
            if before.type == "paragraph_open"
        ]
        found = [
            part for text in texts for part in re.split(r"(?<=[.!?])\s+(?=[A-Z0-9]|code)", text)
        ]
        return [sentence for sentence in found if len(sentence.split()) > 2]


def _plain(token: Token, code: str | None = None) -> str:
    return "".join(
        code
        if code and part.type == "code_inline"
        else part.content or " " * ("break" in part.type)
        for part in token.children or ()
        if part.type != "image"
    )


def _first_word(command: str) -> str:
    """The program of a command, without its folder; nothing of what is no command."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        return ""
    words = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    name = words[0].removeprefix(".venv/bin/") if words else ""
    return posixpath.basename(name) if name.startswith("/") else name


PAGES = {
    name: Page(name)
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if (name := path.relative_to(ROOT).as_posix())
}
