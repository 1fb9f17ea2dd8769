"""Who is put under load: phiz, and its peers, each in an environment of its own."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.kit.environments import PEERS
from benchmarks.kit.requests import HOST, Request, encode_form, encode_raw

PHIZ = "phiz"
RAW = "phiz, body as it is"
MEDIAPIPE, FACENET = "mediapipe", "facenet"
LITSERVE, BENTOML, MOSEC = "litserve", "bentoml", "mosec"
SERVE = (sys.executable, "-m", "phiz", "serve", "--host", HOST, "--port", "{port}")

Command: TypeAlias = Sequence[str | Path]
"""Starts a server; ``{port}`` stands for its port."""

EncodeRequest: TypeAlias = Callable[[str, bytes], Request]


@dataclass(frozen=True, slots=True)
class Contender:
    """A server that can be started.

    Attributes:
        name: Short, also of its environment.
        title: What it is, for a reader.
        command: That starts it.
        path: Where it detects.
        encode: How it is sent a picture.
        has_same_detector: Whether it detects with what phiz detects with, and so answers the same.
        is_slow: Whether it takes so long for an answer that what a warm-up leaves is in the way.
        environment: Variables that it needs.
    """

    name: str
    title: str
    command: Command
    path: str = "/detect"
    encode: EncodeRequest = encode_form
    has_same_detector: bool = True
    is_slow: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)

    def build_request(self, image_bytes: bytes) -> Request:
        """Return what it is sent."""
        return self.encode(self.path, image_bytes)


def make_phiz(workers: int = 1) -> Contender:
    """Return phiz with so many workers."""
    command = (*SERVE, "--workers", str(workers))
    return Contender(PHIZ, "phiz", command, "/detect?model=front")


def make_phiz_raw() -> Contender:
    """Return phiz, sent the picture as the whole body."""
    return Contender(RAW, RAW, make_phiz().command, "/detect?model=front", encode_raw)


def make_peers(pythons: Mapping[str, str | Path]) -> list[Contender]:
    """Return the peers whose environments there are.

    Args:
        pythons: The interpreters of the environments, by their names.
    """
    return [MAKERS[name](python) for name, python in pythons.items()]


def _make_mosec(python: str | Path) -> Contender:
    command = (python, PEERS / "in_mosec.py", "--address", HOST, "--port", "{port}")
    return Contender(MOSEC, "same detector, mosec", command, "/inference", encode_raw)


def _make_litserve(python: str | Path) -> Contender:
    command = (python, PEERS / "in_litserve.py", "{port}")
    return Contender(LITSERVE, "same detector, LitServe", command)


def _make_bentoml(python: str | Path) -> Contender:
    serve = ("serve", "in_bentoml:Detector", "--working-dir", PEERS)
    command = (python, "-m", "bentoml", *serve, "--host", HOST, "--port", "{port}")
    # It would tell its makers what is run here, and keep files in the user's home.
    environment = {
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(Path(python).parents[1] / "home"),
    }
    return Contender(BENTOML, "same detector, BentoML", command, environment=environment)


def _make_mediapipe(python: str | Path) -> Contender:
    command = (python, PEERS / "mediapipe_in_fastapi.py", "{port}")
    return Contender(MEDIAPIPE, "MediaPipe, FastAPI", command, has_same_detector=False)


def _make_facenet(python: str | Path) -> Contender:
    command = (python, PEERS / "facenet_in_fastapi.py", "{port}")
    return Contender(
        FACENET, "facenet-pytorch's MTCNN, FastAPI", command, has_same_detector=False, is_slow=True
    )


MAKERS: Final[Mapping[str, Callable[[str | Path], Contender]]] = {
    MOSEC: _make_mosec,
    LITSERVE: _make_litserve,
    BENTOML: _make_bentoml,
    MEDIAPIPE: _make_mediapipe,
    FACENET: _make_facenet,
}
DETECTOR_PACKAGES: Final = ("onnxruntime", "numpy", "pillow", "simplejpeg")
PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {
    MOSEC: ("mosec", *DETECTOR_PACKAGES),
    LITSERVE: ("litserve", "fastapi", "uvicorn", *DETECTOR_PACKAGES),
    BENTOML: ("bentoml", "starlette", "uvicorn", *DETECTOR_PACKAGES),
    MEDIAPIPE: ("mediapipe", "fastapi", "uvicorn", "opencv-contrib-python"),
    FACENET: ("facenet-pytorch", "torch", "fastapi", "uvicorn", "pillow"),
}
"""What is told of each environment."""
