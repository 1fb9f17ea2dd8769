"""The cost of streams for other requests: times of ``/detect`` with and without four streams.

::

    python -m benchmarks.load.streams
    python -m benchmarks.load.streams --kind silent --kind dribbling

Short rounds with and without streams take turns, so that a machine that is used by others as well
disturbs both alike. Clients of ``/detect`` wait for a random time between two requests. The streams
have a process of their own.
"""

import asyncio
import itertools
import multiprocessing
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from multiprocessing.synchronize import Event
from typing import Any, Final

import click
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.kit.requests import HOST, encode_form, encode_test_image
from benchmarks.kit.service import start_service

SETTLE_S: Final = 0.5  # of a round, before its requests are timed
DRIBBLE_BYTES: Final = 500
DRIBBLE_S: Final = 0.2


async def send_like_camera(stream: ClientConnection, frame: bytes, fps: float) -> None:
    """Send frames at a rate, and read all answers."""
    reader = asyncio.create_task(_read_all(stream))
    try:
        await send_silently(stream, frame, fps)
    finally:
        reader.cancel()


async def send_silently(stream: ClientConnection, frame: bytes, fps: float) -> None:
    """Send frames at a rate, and read nothing."""
    while True:
        await stream.send(frame)
        await asyncio.sleep(1 / fps)


async def send_dribbling(stream: ClientConnection, frame: bytes, _fps: float) -> None:
    """Send each frame in small pieces, with pauses."""

    async def cut() -> Any:  # noqa: ANN401  an iterator, as the library wants it
        for start in range(0, len(frame), DRIBBLE_BYTES):
            yield frame[start : start + DRIBBLE_BYTES]
            await asyncio.sleep(DRIBBLE_S)

    while True:
        await stream.send(cut())


async def _read_all(stream: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        async for _ in stream:
            pass


SENDERS: Final[dict[str, Callable[..., Coroutine[Any, Any, None]]]] = {
    "camera": send_like_camera,
    "silent": send_silently,
    "dribbling": send_dribbling,
}


def run_streams(  # noqa: PLR0913, PLR0917  of a process of their own
    port: int, query: str, kind: str, count: int, fps: float, frame: bytes, on: Event, end: Event
) -> None:
    """Keep streams open while ``on`` is set, until ``end`` is."""

    async def send_one() -> None:
        while True:
            # A silent client's stream is ended by the service, and begins again.
            with suppress(ConnectionClosed, OSError):
                # A small queue: this library would read all answers otherwise.
                async with connect(f"ws://{HOST}:{port}/stream?{query}", max_queue=1) as stream:
                    await SENDERS[kind](stream, frame, fps)

    async def run() -> None:
        while not end.is_set():
            tasks = [asyncio.create_task(send_one()) for _ in range(count if on.is_set() else 0)]
            was_on = on.is_set()
            while on.is_set() == was_on and not end.is_set():  # noqa: ASYNC110  of another process
                await asyncio.sleep(0.02)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())


async def time_requests(
    message: bytes, port: int, clients: int, pause_s: float, seconds: float
) -> list[float]:
    """Return the seconds of each request of some clients."""
    end_s = time.perf_counter() + seconds
    random = np.random.default_rng()
    times: list[float] = []

    async def ask() -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        while time.perf_counter() < end_s:
            await asyncio.sleep(random.exponential(pause_s))
            start_s = time.perf_counter()
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().split(b"content-length: ")[1].split()[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - start_s)
        writer.close()

    await asyncio.gather(*(ask() for _ in range(clients)))
    return times


@click.command()
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(tuple(SENDERS)), default=["camera"]
)
@click.option("--streams", "count", default=4, show_default=True)
@click.option("--fps", default=5.0, show_default=True, help="Frames per second of each stream.")
@click.option("--model", default="front", show_default=True, help="Of both.")
@click.option("--clients", default=2, show_default=True, help="Clients of /detect.")
@click.option(
    "--pause",
    "pause_s",
    default=0.02,
    show_default=True,
    help="Mean seconds between two requests of a client.",
)
@click.option("--workers", default=2, show_default=True)
@click.option("--rounds", default=15, show_default=True)
@click.option("--seconds", default=2.0, show_default=True, help="Of each half of a round.")
def main(  # noqa: PLR0913  one for each option
    *,
    kinds: Sequence[str],
    count: int,
    fps: float,
    model: str,
    clients: int,
    pause_s: float,
    workers: int,
    rounds: int,
    seconds: float,
) -> None:
    """Time requests with and without streams."""
    frame = encode_test_image()
    for kind in kinds:
        context = multiprocessing.get_context("spawn")
        on, end = context.Event(), context.Event()
        with start_service(workers) as service:
            message = encode_form(f"/detect?model={model}", frame).to_message(service.port)
            arguments = (service.port, f"model={model}", kind, count, fps, frame, on, end)
            process = context.Process(target=run_streams, args=arguments)
            process.start()
            times: dict[bool, list[list[float]]] = {False: [], True: []}
            with_streams = itertools.cycle([False, True, True, False])
            for _ in range(2 * rounds):
                if is_on := next(with_streams):
                    on.set()
                else:
                    on.clear()
                time.sleep(SETTLE_S)
                times[is_on].append(
                    asyncio.run(time_requests(message, service.port, clients, pause_s, seconds))
                )
            end.set()
            process.join()
            samples = service.read_samples()
        figures = {}
        for is_on, each in times.items():
            all_times = list(itertools.chain(*each))
            figures[is_on] = np.percentile(all_times, [50, 99]) * 1000
            click.echo(
                f"{kind}, {'with' if is_on else 'without'} {count} streams:"
                f" {len(all_times)} requests, p50 {figures[is_on][0]:.2f} ms,"
                f" p99 {figures[is_on][1]:.2f} ms"
            )
        frames = sum(value for (name, _), value in samples.items() if name == "phiz_frames_total")
        ratio = figures[True] / figures[False]
        rounds_p99 = [
            np.percentile(on_times, 99) / np.percentile(off_times, 99)
            for on_times, off_times in zip(times[True], times[False], strict=True)
        ]
        click.echo(
            f"{kind}: p50 × {ratio[0]:.3f}, p99 × {ratio[1]:.3f} of all requests, ×"
            f" {np.median(rounds_p99):.3f} in the median of the rounds; {frames:g} frames answered"
        )


if __name__ == "__main__":
    main()
