"""Compare a tag with the version and the changelog, and print the notes of the release.

    python deploy/release.py v0.1.0 > notes.md

Exits with 1 and says what to do if the tag differs from the version, or if the changelog has no
dated section for it. Needs only Python.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
VERSION: Final = Path("service", "phiz", "__init__.py")
CHANGELOG: Final = Path("CHANGELOG.md")


class ReleaseError(Exception):
    """The tag, the version and the changelog do not agree."""


def take_notes(tag: str, root: Path = ROOT) -> str:
    """Return the notes of the release that a tag names.

    Raises:
        ReleaseError: The tag differs from the version, or the changelog is not ready for it.
    """
    version = read_version(root)
    if tag != f"v{version}":
        raise ReleaseError(
            f"the tag is {tag}, but {VERSION} has version {version}: "
            f"tag v{version}, or change the version"
        )
    return read_notes(version, root)


def read_version(root: Path) -> str:
    """Return the version of the package."""
    found = re.search(r'^__version__ = "(.+)"$', (root / VERSION).read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise ReleaseError(f"{VERSION} has no line of the form: __version__ = ...")
    return found[1]


def read_notes(version: str, root: Path) -> str:
    """Return the changelog's section of a version, without its heading.

    Raises:
        ReleaseError: There is no such section, it is empty, or it has no date.
    """
    found = re.search(
        rf"^## {re.escape(version)} — (.+)\n((?:(?!## ).*\n)*)",
        (root / CHANGELOG).read_text("utf-8"),
        re.MULTILINE,
    )
    if found is None:
        raise ReleaseError(f"{CHANGELOG} has no section of the form: ## {version} — YYYY-MM-DD")
    day, text = found[1], found[2].strip()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", day) is None:
        raise ReleaseError(f"{CHANGELOG} has {version} as {day}: write the day, as YYYY-MM-DD")
    if not text:
        raise ReleaseError(f"{CHANGELOG} has nothing below {version}: describe the changes")
    return f"{text}\n"


def main() -> None:
    """Print the notes, or exit with the difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tag", help="for example v0.1.0")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    asked = parser.parse_args()
    try:
        sys.stdout.write(take_notes(asked.tag, asked.root))
    except ReleaseError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
