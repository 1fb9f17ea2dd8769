"""Asks a service with the client of another server: ``python clients.py CLIENT HOST PORT IMAGE…``.

It runs with the packages of the client alone, and prints what the client returns as JSON.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final


def ask_deepstack(host: str, port: int, images: Sequence[Path]) -> Any:
    from deepstack.core import DeepstackException, DeepstackFace  # noqa: PLC0415  one at a time

    face = DeepstackFace(host, port, timeout=60)
    answer: dict[str, Any] = {"faces": [face.detect(image.read_bytes()) for image in images]}
    for name, call in (("recognize", face.recognize), ("text", face.detect)):
        try:
            call(b"no image")
        except DeepstackException as error:
            answer[name] = str(error)
    return answer


def ask_codeproject(host: str, port: int, images: Sequence[Path]) -> Any:
    from codeprojectai.core import CodeProjectAIFace  # noqa: PLC0415

    face = CodeProjectAIFace(host, port, timeout=60)
    return {"faces": [face.detect(image.read_bytes()) for image in images]}


def ask_compreface(host: str, port: int, images: Sequence[Path]) -> Any:
    from compreface import CompreFace  # noqa: PLC0415

    options = {"det_prob_threshold": 0.8, "face_plugins": "landmarks,age", "status": True}
    client = CompreFace(f"http://{host}", str(port), options)
    service = client.init_face_detection("any key")
    first, *_ = images
    return {
        "faces": [service.detect(str(image)) for image in images],
        "bytes": service.detect(first.read_bytes(), {"limit": 1}),
        "unlikely": service.detect(str(first), {"det_prob_threshold": 1.0}),
        "recognize": client.init_face_recognition("any key").recognize(str(first)),
    }


def ask_triton(host: str, port: int, _images: Sequence[Path]) -> Any:
    from tritonclient import http  # noqa: PLC0415
    from tritonclient.utils import InferenceServerException  # noqa: PLC0415

    with http.InferenceServerClient(f"{host}:{port}") as client:
        answer = {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "server": client.get_server_metadata(),
            "model": client.get_model_metadata("auto"),
            "version": client.get_model_metadata("front", "1"),
            "model_ready": client.is_model_ready("auto"),
            "version_ready": client.is_model_ready("auto", "1"),
            "other_ready": client.is_model_ready("resnet"),
        }
        image = http.InferInput("image", [1], "BYTES")
        calls: dict[str, Callable[[], object]] = {
            "other": lambda: client.get_model_metadata("resnet"),
            "inference": lambda: client.infer("auto", [image]),
        }
        for name, call in calls.items():
            try:
                call()
            except InferenceServerException as error:
                answer[name] = [error.status(), error.message()]
    return answer


CLIENTS: Final[dict[str, Callable[[str, int, Sequence[Path]], Any]]] = {
    "deepstack": ask_deepstack,
    "codeproject": ask_codeproject,
    "compreface": ask_compreface,
    "triton": ask_triton,
}

if __name__ == "__main__":
    name, host, port, *images = sys.argv[1:]
    answer = CLIENTS[name](host, int(port), [Path(image) for image in images])
    sys.stdout.write(json.dumps(answer))
