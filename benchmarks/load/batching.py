"""A worker that takes all calls that wait, and runs the network once for up to so many.

::

    python -m benchmarks.load.batching MOST SOCKET INDEX

``batched`` begins it in the place of phiz's own worker. It answers the same, for the front
model alone; the stages of an answer hold the time of its whole batch.
"""

import gc
import json
import os
import socket
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import Letterbox
from phiz.detectors.blazeface import OVERSAMPLING, BlazeFace
from phiz.detectors.factory import LANDMARKS
from phiz.engine import Engine, Result
from phiz.faces import DetectOptions
from phiz.image.decode import open_picture
from phiz.image.lazy import Picture
from phiz.image.resample import letterbox
from phiz.loading import load_engine
from phiz.models import router_config
from phiz.settings import load
from phiz.timings import Stopwatch
from phiz.wire.encode import payload
from phiz.wire.messages import Answer, Stock
from phiz.worker import warm_up
from phiz.workers.loop import READY
from phiz.workers.protocol import Call, Decoder, Outcome, encode

MODEL = "front"
CHUNK = 1 << 18


class Calls:
    """The calls of a service, as many at a time as have come."""

    __slots__ = ("_connection", "_decoder", "_most", "_waiting")

    def __init__(self, connection: socket.socket, most: int) -> None:
        """Take none yet.

        Args:
            connection: To the service.
            most: Calls at a time.
        """
        self._connection = connection
        self._most = most
        self._decoder = Decoder()
        self._waiting: deque[tuple[Call, bytes]] = deque()

    def next(self) -> list[tuple[Call, bytes]]:
        """Return calls with their pictures; none once the service has gone."""
        while True:
            try:
                flags = socket.MSG_DONTWAIT if self._waiting else 0
                received = self._connection.recv(CHUNK, flags)
            except BlockingIOError:
                break
            if not received:
                return []
            calls = self._decoder.feed(received)
            # Nobody here gives up; a call that were withdrawn would be answered all the same.
            self._waiting += [(call, picture) for call, picture in calls if isinstance(call, Call)]
        return [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]


def answer(engine: Engine, calls: Sequence[tuple[Call, bytes]]) -> list[Answer]:
    """Return the answers to so many calls, in their order, by one run of the network.

    Raises:
        ImageError: One of the pictures cannot be read.
    """
    detector = engine.detectors[MODEL]
    assert isinstance(detector, BlazeFace), "the catalogue says so"
    started = min(call.since for call, _ in calls)
    stopwatch = Stopwatch(started)
    stopwatch.lap("queue")
    size = detector.spec.size
    pictures = [open_picture(picture, engine.limits) for _, picture in calls]
    reduced = [picture.reduced(OVERSAMPLING * size) for picture in pictures]
    stopwatch.lap("decode")
    frames = [Letterbox.fit(picture.width, picture.height, size) for picture in pictures]
    squares = np.stack(
        [
            letterbox(pixels, frame, detector.sampling)
            for pixels, frame in zip(reduced, frames, strict=True)
        ]
    )  # (N, S, S, 3)
    stopwatch.lap("preprocess")
    outputs = detector.session.run(squares)
    stopwatch.lap("inference")
    each = [
        {name: values[place : place + 1] for name, values in outputs.items()}
        for place in range(len(calls))
    ]
    rows = zip(pictures, frames, each, strict=True)
    results = [found(detector, *row) for row in rows]
    contents = [payload(result) for result in results]
    stopwatch.lap("postprocess")
    return [
        encoded(result, content, stopwatch)
        for result, content in zip(results, contents, strict=True)
    ]


def found(
    detector: BlazeFace,
    picture: Picture,
    frame: Letterbox,
    outputs: Mapping[str, NDArray[np.float32]],
) -> Result:
    """Return the faces of one picture of a batch, by what the network gave for it (1, ...)."""
    size_wh = picture.width, picture.height
    faces = detector.read(outputs, frame, size_wh, DetectOptions())
    return Result(MODEL, *size_wh, faces, ())


def encoded(result: Result, content: Mapping[str, Any], stopwatch: Stopwatch) -> Answer:
    """Return the answer to one picture of a batch."""
    timings = stopwatch.timings()
    timing_ms = timings.milliseconds()
    body = json.dumps({**content, "timing_ms": timing_ms}, separators=(",", ":")).encode()
    server_timing = ", ".join(f"{name};dur={ms}" for name, ms in timing_ms.items())
    return Answer(body, server_timing, len(result.faces), timings)


def work(connection: socket.socket, most: int) -> None:
    """Say what there is, and answer so many at a time until the service has gone."""
    engine, models = load_engine(load())
    stock = Stock(
        models.group("face"), router_config.load(), LANDMARKS, warm_up(engine), (), Path(), {}
    )
    _settle()
    connection.sendall(b"".join(encode(Outcome(READY, stock))))
    calls = Calls(connection, most)
    while waiting := calls.next():
        outcomes = [
            Outcome(call.number, answered.plain())
            for (call, _), answered in zip(waiting, answer(engine, waiting), strict=True)
        ]
        connection.sendall(b"".join(b"".join(encode(outcome)) for outcome in outcomes))


def _settle() -> None:
    """Do what phiz's own worker does before it is ready, and for its reasons."""
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    gc.freeze()


if __name__ == "__main__":
    limit, number, _ = map(int, sys.argv[1:])
    with socket.socket(fileno=number) as given:
        work(given, limit)
