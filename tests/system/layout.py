"""Folders as a system has them, to be read from."""

from pathlib import Path


def write(root: Path, files: dict[str, str]) -> None:
    """Write texts under a folder, by their paths there."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
