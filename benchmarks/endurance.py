"""Whether the service stays as it is: many requests of all kinds, some malformed, some cut off.

::

    python benchmarks/endurance.py
    python benchmarks/endurance.py --requests 20000 --workers 2 --clients 16

Starts ``phiz serve`` from this environment and asks it for what a random choice of picture, size,
model and options gives; one request in a hundred is malformed, and one is cut off in the middle of
its body. Prints memory, open files and threads of all its processes as it goes.

The exit status is 1 if a request is answered with a status that its kind cannot have, if the memory
grows by more than ``--growth`` percent over the last half, or if a file or a thread is left over.
"""

import asyncio
import contextlib
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from soak import draw_files

MODELS: Final = ("front",) * 6 + ("back",) * 2 + ("full", "mtcnn", "auto")
ONE_IN: Final = 100  # requests is malformed, and as many are cut off
BOUNDARY: Final = b"------------------------phiz"
PARTS: Final = 20  # lines of the report
PATIENCE_S: Final = 30


@dataclass(frozen=True, slots=True)
class Sample:
    """What all processes of the service hold: memory in MB, open files, threads."""

    memory: float
    files: int
    threads: int


@dataclass(frozen=True, slots=True)
class Request:
    """A request, and which statuses it may be answered with; none if it is cut off."""

    head: bytes
    body: bytes
    allowed: frozenset[int]


@click.command()
@click.option("--requests", type=click.IntRange(100), default=100_000, show_default=True)
@click.option("--clients", type=click.IntRange(1), default=8, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True)
@click.option("--longest", type=click.IntRange(64), default=640, show_default=True, help="Pixels.")
@click.option("--growth", type=float, default=5.0, show_default=True, help="Percent allowed.")
def main(*, requests: int, clients: int, workers: int, longest: int, growth: float) -> None:
    """Ask the service for many things, and watch it."""
    files = draw_files(longest)
    with serving(workers) as (process, port):
        samples, statuses = asyncio.run(ask_all(files, requests, clients, process, port))
    half, last = samples[len(samples) // 2 - 1], samples[-1]
    grown = 100 * (last.memory / half.memory - 1)
    left_over = last.files > half.files or last.threads > half.threads
    told = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
    click.echo(f"statuses {told}; memory of the last half {grown:+.1f} %")
    if grown > growth or left_over or any("unexpected" in status for status in statuses):
        sys.exit(1)


@contextlib.contextmanager
def serving(workers: int) -> Iterator[tuple[int, int]]:
    """Yield the process and the port of a service."""
    command = [sys.executable, "-m", "phiz", "serve", "--port", "0", "--workers", str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            yield process.pid, int(words[3].rpartition(":")[2])
        finally:
            process.terminate()


async def ask_all(
    files: Sequence[bytes], requests: int, clients: int, process: int, port: int
) -> tuple[list[Sample], Counter[str]]:
    """Return what the service held after each part of the requests, and how often each status."""
    samples: list[Sample] = []
    statuses: Counter[str] = Counter()
    chance = random.Random(0)  # noqa: S311 (the same requests in every run)
    for part in range(PARTS):
        count = (part + 1) * requests // PARTS - part * requests // PARTS
        todo = iter([draw(chance, files) for _ in range(count)])
        await asyncio.gather(*(ask_each(todo, port, statuses) for _ in range(clients)))
        await asyncio.sleep(0.2)  # for what was cut off to be noticed
        samples.append(sample(process))
        click.echo(
            f"{(part + 1) * requests // PARTS:8} requests {samples[-1].memory:8.1f} MB"
            f" {samples[-1].files:4} files {samples[-1].threads:4} threads"
        )
    return samples, statuses


async def ask_each(todo: Iterator[Request], port: int, statuses: Counter[str]) -> None:
    """Send one request after the other over a connection, a new one where it was cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in todo:
        if not request.allowed:
            writer.write(request.head + request.body[: len(request.body) // 2])
            await writer.drain()
            await closed(writer)
            statuses["cut off"] += 1
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            continue
        writer.write(request.head + request.body)
        status, keeps = await asyncio.wait_for(answer(reader), PATIENCE_S)
        statuses[str(status) if status in request.allowed else f"{status} unexpected"] += 1
        if not keeps:
            await closed(writer)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await closed(writer)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, whatever the other end has done with it."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Return the status of an answer, and whether the connection goes on."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.partition(b"content-length: ")[2].split(None, 1)[0]))
    return int(head.split(None, 2)[1]), b"connection: close" not in head


def draw(chance: random.Random, files: Sequence[bytes]) -> Request:
    """Return a request by chance."""
    kind = chance.randrange(ONE_IN)
    picture = chance.choice(files)
    if kind == 0:
        picture, allowed = spoilt(chance, picture), frozenset({400, 413, 415})
    else:
        allowed = frozenset({200}) if kind > 1 else frozenset()
    fields = {"model": chance.choice(MODELS), "max_faces": str(chance.randint(1, 50))}
    if chance.random() < 1 / 2:
        fields["min_score"] = f"{chance.random():.3f}"
    if chance.random() < 1 / 2:
        fields["min_face"] = str(chance.randint(1, 100))
    if chance.random() < 1 / 2:
        fields["overlap"] = chance.choice(("blend", "nms"))
    if chance.random() < 1 / 2:
        return raw(picture, fields, allowed)
    return form(picture, fields, allowed)


def spoilt(chance: random.Random, picture: bytes) -> bytes:
    """Return a picture that no decoder takes: cut within its header, or without its start."""
    return picture[: chance.randint(0, 150)] if chance.random() < 1 / 2 else picture[7:]


def raw(picture: bytes, fields: dict[str, str], allowed: frozenset[int]) -> Request:
    """Return a request with the picture as its body."""
    query = "&".join(f"{name}={text}" for name, text in fields.items()).encode()
    return Request(head(b"?" + query, b"image/jpeg", len(picture)), picture, allowed)


def form(picture: bytes, fields: dict[str, str], allowed: frozenset[int]) -> Request:
    """Return a request with everything in a form."""
    start = b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
    parts = [start % (name.encode(), b"", text.encode()) for name, text in fields.items()]
    parts.append(start % (b"image", b'; filename="a.jpg"', picture))
    body = b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"
    return Request(
        head(b"", b"multipart/form-data; boundary=" + BOUNDARY, len(body)), body, allowed
    )


def head(query: bytes, kind: bytes, length: int) -> bytes:
    """Return the head of a request."""
    return (
        b"POST /detect%b HTTP/1.1\r\nhost: phiz\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
        % (query, kind, length)
    )


def sample(process: int) -> Sample:
    """Return what a process and its children hold."""
    here = [Path("/proc") / str(process)]
    for task in (here[0] / "task").iterdir():
        here += [Path("/proc") / child for child in (task / "children").read_text().split()]
    memory = sum(_rss(folder) for folder in here)
    return Sample(
        memory,
        sum(len(list((folder / "fd").iterdir())) for folder in here),
        sum(len(list((folder / "task").iterdir())) for folder in here),
    )


def _rss(folder: Path) -> float:
    lines = (folder / "status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(kilobytes) / 1000


if __name__ == "__main__":
    main()
