"""A worker that takes all queued requests, and runs the network once for a batch of them.

::

    python -m benchmarks.load.batching MOST serve --workers 1 --port PORT
    python -m benchmarks.load.batching MOST SOCKET INDEX

The first starts phiz's service, which starts the second in the place of its own worker. The
answers are the same, for the front model alone; the stages of an answer have the time of its whole
batch.
"""

import gc
import socket
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from phiz.boxes.geometry import Letterbox
from phiz.cli import serve_run as cli_serve
from phiz.cli.main import main
from phiz.detectors.blazeface import OVERSAMPLING, BlazeFace
from phiz.detectors.factory import LANDMARKS_BY_KIND
from phiz.engine import Engine
from phiz.faces import DetectionResult, DetectOptions
from phiz.image.decode import open_image
from phiz.image.resample import letterbox_image
from phiz.loading import load_engine
from phiz.models import router_config
from phiz.settings import load_settings
from phiz.system.scheduling import set_batch_policy
from phiz.timings import Stopwatch
from phiz.wire.encode import encode_answer, encode_result
from phiz.wire.messages import EncodedAnswer, ModelInventory
from phiz.worker import warm_up_engine
from phiz.workers import pool
from phiz.workers.loop import READY_NUMBER
from phiz.workers.protocol import (
    MessageDecoder,
    WorkPing,
    WorkRequest,
    WorkResult,
    encode_message,
)

MODEL = "front"
CHUNK_BYTES = 1 << 18
# phiz gives a worker as much work ahead as it needs to go on without delay; to batch requests, it
# needs all that are queued.
LOOKAHEAD_S = 60.0


def read_batches(connection: socket.socket, most: int) -> Iterator[list[tuple[WorkRequest, bytes]]]:
    """Yield the requests of a service that have arrived, at most so many, with their images."""
    decoder = MessageDecoder()
    pending: deque[tuple[WorkRequest, bytes]] = deque()
    while True:
        try:
            received = connection.recv(CHUNK_BYTES, socket.MSG_DONTWAIT if pending else 0)
        except BlockingIOError:
            yield [pending.popleft() for _ in range(min(most, len(pending)))]
            continue
        if not received:
            return
        # Cancellations are ignored; no client of the benchmark disconnects.
        for message, image_bytes in decoder.feed(received):
            if isinstance(message, WorkRequest):
                pending.append((message, image_bytes))
            elif isinstance(message, WorkPing):  # a worker without an answer is replaced
                connection.sendall(b"".join(encode_message(message)))


def answer_batch(
    engine: Engine, requests: Sequence[tuple[WorkRequest, bytes]]
) -> list[EncodedAnswer]:
    """Return the answers to requests, in their order, by one run of the network.

    Raises:
        ImageError: One of the images cannot be read.
    """
    detector = engine.detectors[MODEL]
    assert isinstance(detector, BlazeFace), "the catalogue says so"
    received_at_s = min(request.received_at_s for request, _ in requests)
    stopwatch = Stopwatch(received_at_s)
    stopwatch.lap("queue")
    size = detector.spec.size
    images = [open_image(image_bytes, engine.limits) for _, image_bytes in requests]
    scaled = [image.decode_scaled(OVERSAMPLING * size) for image in images]
    stopwatch.lap("decode")
    frames = [Letterbox.fit(image.width, image.height, size) for image in images]
    squares = np.stack(
        [
            letterbox_image(pixels, frame, detector.sampling)
            for pixels, frame in zip(scaled, frames, strict=True)
        ]
    )  # (N, S, S, 3)
    stopwatch.lap("preprocess")
    outputs = detector.session.run(squares)
    stopwatch.lap("inference")
    results = []
    for place, (image, frame) in enumerate(zip(images, frames, strict=True)):
        own = {name: values[place : place + 1] for name, values in outputs.items()}  # (1, ...)
        size_wh = image.width, image.height
        faces = detector.decode_faces(own, frame, size_wh, DetectOptions())
        results.append(DetectionResult(MODEL, *size_wh, faces, ()))
    return [encode_answer(encode_result(each), len(each.faces), stopwatch) for each in results]


def serve_batches(connection: socket.socket, most: int) -> None:
    """Send the inventory, and answer requests in batches until the service has ended."""
    engine, models = load_engine(load_settings())
    inventory = ModelInventory(
        models.get_models("face"),
        router_config.load_router_config(),
        LANDMARKS_BY_KIND,
        warm_up_engine(engine),
        (),
        Path(),
        {},
    )
    set_batch_policy()  # as phiz's own worker does before it is ready, like the next line
    gc.freeze()
    connection.sendall(b"".join(encode_message(WorkResult(READY_NUMBER, inventory))))
    for batch in read_batches(connection, most):
        results = [
            WorkResult(request.number, answer)
            for (request, _), answer in zip(batch, answer_batch(engine, batch), strict=True)
        ]
        connection.sendall(b"".join(b"".join(encode_message(result)) for result in results))


def serve(most: int) -> None:
    """Run the command line of phiz with this worker in the place of its own."""
    command = (sys.executable, "-m", "benchmarks.load.batching", str(most))
    cli_serve.WORKER_COMMAND = command  # type: ignore[assignment,attr-defined]  # phiz's is shorter
    pool.LOOKAHEAD_S = LOOKAHEAD_S  # type: ignore[misc]  # phiz does not change it
    main()


if __name__ == "__main__":
    limit = int(sys.argv.pop(1))
    if sys.argv[1] == "serve":
        serve(limit)
    else:
        with socket.socket(fileno=int(sys.argv[1])) as given:
            serve_batches(given, limit)
