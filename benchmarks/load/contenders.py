"""The servers under load: phiz, and its peers, each in an environment of its own."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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

    ``name`` is also that of its environment. ``encode`` makes a request of an image.
    ``has_same_detector`` means that its answers are phiz's. ``is_slow`` means that requests of a
    warm-up would still be queued. The versions of ``packages`` are reported.
    """

    name: str
    title: str
    command: Command
    path: str = "/detect"
    encode: EncodeRequest = encode_form
    has_same_detector: bool = True
    is_slow: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    packages: tuple[str, ...] = ()


def make_phiz(workers: int = 1) -> Contender:
    """Return phiz with so many workers."""
    command = (*SERVE, "--workers", str(workers))
    return Contender(PHIZ, "phiz", command, "/detect?model=front")


def make_phiz_raw() -> Contender:
    """Return phiz, with the image as the whole body."""
    return Contender(RAW, RAW, make_phiz().command, "/detect?model=front", encode_raw)


def make_peers(pythons: Mapping[str, str | Path]) -> list[Contender]:
    """Return the peers with interpreters, by name, of their environments."""
    peers = []
    for name, python in pythons.items():
        peer, home = PEER_SERVERS[name], Path(python).parent.parent / "home"
        variables = {key: value.format(home=home) for key, value in peer.environment.items()}
        peers.append(replace(peer, command=(python, *peer.command), environment=variables))
    return peers


DETECTOR_PACKAGES: Final = ("onnxruntime", "numpy", "pillow", "simplejpeg")
PEER_SERVERS: Final[Mapping[str, Contender]] = {
    MOSEC: Contender(
        MOSEC,
        "same detector, mosec",
        (PEERS / "in_mosec.py", "--address", HOST, "--port", "{port}"),
        "/inference",
        encode_raw,
        packages=("mosec", *DETECTOR_PACKAGES),
    ),
    LITSERVE: Contender(
        LITSERVE,
        "same detector, LitServe",
        (PEERS / "in_litserve.py", "{port}"),
        packages=("litserve", "fastapi", "uvicorn", *DETECTOR_PACKAGES),
    ),
    BENTOML: Contender(
        BENTOML,
        "same detector, BentoML",
        (
            *("-m", "bentoml", "serve", "in_bentoml:Detector", "--working-dir", PEERS),
            *("--host", HOST, "--port", "{port}"),
        ),
        # Otherwise it reports its use to its makers, and keeps files in the user's home.
        environment={"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": "{home}"},
        packages=("bentoml", "starlette", "uvicorn", *DETECTOR_PACKAGES),
    ),
    MEDIAPIPE: Contender(
        MEDIAPIPE,
        "MediaPipe, FastAPI",
        (PEERS / "in_fastapi.py", MEDIAPIPE, "{port}"),
        has_same_detector=False,
        packages=("mediapipe", "fastapi", "uvicorn", "opencv-contrib-python"),
    ),
    FACENET: Contender(
        FACENET,
        "facenet-pytorch's MTCNN, FastAPI",
        (PEERS / "in_fastapi.py", FACENET, "{port}"),
        has_same_detector=False,
        is_slow=True,
        packages=("facenet-pytorch", "torch", "fastapi", "uvicorn", "pillow"),
    ),
}
"""Their commands follow an interpreter; ``{home}`` stands for a folder beside it."""
