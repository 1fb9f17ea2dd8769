"""Models of phiz and detectors of others, which answer the same encoded images.

Each answers twice: at its default score limit, which is timed from the encoded image to the faces,
and down to a very low score, for figures at other limits.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from benchmarks.kit.environments import PEERS, make_environment
from benchmarks.kit.options import PEERS_FOLDER, read_pythons
from benchmarks.kit.precision import Detected
from benchmarks.kit.workers import WorkerSet, open_workers
from phiz.boxes.geometry import clip_boxes
from phiz.convert.download import open_source_folder
from phiz.convert.sources import read_source
from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.image.decode import open_image
from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS
from phiz.lab.accuracy.predictions import to_boxes, to_scores
from phiz.models import catalog
from phiz.models.specs import AUTO
from phiz.timings import Stopwatch

LOWEST_SCORE: Final = 0.05
LOWEST_SCORES: Final = {AUTO: 0.0}  # whose scores are confidences
PEER_WORKERS: Final = {
    "facenet": "facenet.py",
    "mediapipe": "mediapipe_faces.py",  # mediapipe.py would be imported for the package
    "opencv": "opencv.py",
}
"""The scripts by environment."""
SERVED, LOWEST = "faces", "faces of any score"
"""The workers' contests."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The faces of one image.

    Attributes:
        served: Those at the default limit.
        lowest: Those down to a very low score.
        served_ms: The time of the former.
    """

    served: Detected
    lowest: Detected
    served_ms: float


AskFaces: TypeAlias = Callable[[bytes], Answer]
"""Asks a participant for the faces of an encoded image."""


def ask_model(engine: Engine, model: str, options: DetectOptions, image_bytes: bytes) -> Answer:
    """Return the answer of a model of phiz."""
    stopwatch = Stopwatch()
    served = engine.detect(image_bytes, model, options, stopwatch).faces
    served_ms = 1000 * stopwatch.to_timings().total_s
    lowest = replace(options, min_score=LOWEST_SCORES.get(model, LOWEST_SCORE))
    every = engine.detect(image_bytes, model, lowest, Stopwatch()).faces
    return Answer(
        (to_boxes(served), to_scores(served)), (to_boxes(every), to_scores(every)), served_ms
    )


@contextmanager
def open_peers(
    pairs: Sequence[str], sources: Path | None, *, wanted: bool
) -> Iterator[dict[str, AskFaces]]:
    """Give the peers by name, or none unless they are wanted.

    Args:
        pairs: Interpreters as NAME=PYTHON; other environments are made beside the benchmarks.
        sources: Folder of the networks' packages; None downloads the one of YuNet.
        wanted: Whether to give any.

    Raises:
        BadParameter: An interpreter is of no peer.
        BenchmarkError: An environment cannot be made, or a worker does not start.
        SourceError: The file of YuNet cannot be had.
    """
    named = read_pythons(pairs, PEER_WORKERS)
    if not wanted:
        yield {}
        return
    pythons = {
        name: named.get(name) or make_environment(name, PEERS_FOLDER) for name in PEER_WORKERS
    }
    with tempfile.TemporaryDirectory(prefix="phiz-peers-") as folder:
        image, paths, yunet = (Path(folder) / name for name in ("image", "paths", "yunet.onnx"))
        paths.write_text(f"{image}\n", "utf-8")
        yunet.write_bytes(read_yunet(sources))
        commands: dict[str, list[str | Path]] = {
            name: [python, PEERS / PEER_WORKERS[name], paths] for name, python in pythons.items()
        }
        commands["opencv"].append(yunet)
        with open_workers(commands) as workers:
            names = workers.list_contests()[SERVED]
            yield {name: partial(ask_peer, workers, name, image) for name in names}


def read_yunet(sources: Path | None) -> bytes:
    """Return YuNet as it was published.

    Raises:
        SourceError: It cannot be had.
    """
    (network,) = catalog.load_catalog().get_model("yunet").networks
    with open_source_folder([network], print, sources) as packages:
        return read_source(network.made_from, packages)


def ask_peer(workers: WorkerSet, name: str, path: Path, image_bytes: bytes) -> Answer:
    """Return the answer of a peer, which reads the image from a file."""
    path.write_bytes(image_bytes)
    size_wh = get_size(image_bytes)
    (served,) = workers.run((SERVED, name), 0, 1)
    (lowest,) = workers.run((LOWEST, name), 0, 1)
    return Answer(parse_faces(served, size_wh), parse_faces(lowest, size_wh), served["wall"])


def get_size(image_bytes: bytes) -> tuple[int, int]:
    """Return width and height of an encoded image."""
    image = open_image(image_bytes, PHOTOGRAPH_LIMITS)
    return image.width, image.height


def parse_faces(facts: Mapping[str, Any], size_wh: tuple[int, int]) -> Detected:
    """Return the boxes of a worker, clipped to the image as ours are, and their scores."""
    boxes = np.array(facts["boxes"], np.float32).reshape(-1, 4)
    return clip_boxes(boxes, *size_wh), np.array(facts["scores"], np.float32)
