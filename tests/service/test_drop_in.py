"""Clients of other servers, unchanged, ask the service."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import phiz
from phiz.api.security.keys import create_key, format_line

from .running import GROUP, IMAGE, PICTURES, SELFIE, Running, Starter

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
CANVASES = [GROUP, PICTURES / "row_960x540.png", SELFIE]
# Boxes of another implementation of the cascade (facenet-pytorch).
EXPECTED = json.loads((PICTURES / "expected.json").read_text())["mtcnn_facenet_pytorch"]
PATIENCE_S = 300  # with a registry that answers slowly

Asking = Callable[..., Any]


def install(requirements: str, folder: Path) -> Path:
    """Install locked packages into a folder: no environment can have both groups, nor ours."""
    # Our own configuration constrains packages of other groups.
    command: list[str | Path] = [
        Path(sys.executable).with_name("uv"),
        "pip",
        "install",
        "--quiet",
        "--no-config",
    ]
    where: list[str | Path] = ["--python", sys.executable, "--target", folder]
    locked: list[str | Path] = [
        "--require-hashes",
        "--requirement",
        ROOT / "requirements" / requirements,
    ]
    subprocess.run([*command, *where, *locked], check=True, timeout=PATIENCE_S)
    return folder


def asking(packages: Path) -> Asking:
    def ask(client: str, address: tuple[str, int], *images: Path) -> Any:
        host, port = address
        ran = subprocess.run(
            [
                sys.executable,
                Path(__file__).with_name("clients.py"),
                client,
                host,
                str(port),
                *images,
            ],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(packages)},
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return ask


@pytest.fixture(scope="module")
def ask_vision(tmp_path_factory: pytest.TempPathFactory) -> Asking:
    return asking(install("clients.txt", tmp_path_factory.mktemp("clients")))


@pytest.fixture(scope="module")
def ask_triton(tmp_path_factory: pytest.TempPathFactory) -> Asking:
    return asking(install("triton.txt", tmp_path_factory.mktemp("triton")))


def assert_are_faces(boxes: list[list[float]], picture: Path) -> None:
    """Each expected face has one box, and each box has a face."""
    found = np.array(boxes)
    expected = np.array([face["box"] for face in EXPECTED[picture.name]])
    assert len(found) == len(expected)
    least = np.minimum(found[:, None, 2:], expected[None, :, 2:])
    most = np.maximum(found[:, None, :2], expected[None, :, :2])
    shared = np.clip(least - most, 0, None).prod(axis=2)  # (found, expected)
    areas = [(each[:, 2:] - each[:, :2]).prod(axis=1) for each in (found, expected)]
    iou = shared / (areas[0][:, None] + areas[1][None, :] - shared)
    assert (iou.max(axis=0) > 0.5).all()


def corners(box: dict[str, float]) -> list[float]:
    return [box["x_min"], box["y_min"], box["x_max"], box["y_max"]]


def test_deepstack_client_finds_the_faces(service: Running, ask_vision: Asking) -> None:
    answer = ask_vision("deepstack", service.address, *CANVASES)
    for picture, faces in zip(CANVASES, answer["faces"], strict=True):
        assert_are_faces([corners(face) for face in faces], picture)
        assert all(0.95 < face["confidence"] <= 1 for face in faces)
    assert answer["recognize"].endswith("status code: 501")
    assert answer["text"].endswith("status code: 400")


def test_codeproject_client_finds_the_faces(service: Running, ask_vision: Asking) -> None:
    answer = ask_vision("codeproject", service.address, *CANVASES)
    for picture, faces in zip(CANVASES, answer["faces"], strict=True):
        assert_are_faces([corners(face) for face in faces], picture)


def test_compreface_client_finds_the_faces(service: Running, ask_vision: Asking) -> None:
    answer = ask_vision("compreface", service.address, *CANVASES)
    for picture, found in zip(CANVASES, answer["faces"], strict=True):
        boxes = [corners(face["box"]) for face in found["result"]]
        assert_are_faces(boxes, picture)
        areas = [(right - left) * (lower - upper) for left, upper, right, lower in boxes]
        assert areas == sorted(areas, reverse=True)
        for face in found["result"]:
            assert len(face["landmarks"]) == 5
            assert face["execution_time"]["detector"] > 0
            assert "age" not in face
        assert found["plugins_versions"] == dict.fromkeys(("detector", "landmarks"), "phiz.auto")
    assert answer["bytes"] == {"result": [{"box": answer["faces"][0]["result"][0]["box"]}]}
    assert answer["unlikely"] == {"message": "No face is found in the given image", "code": 28}
    assert answer["recognize"]["code"] == 41


def test_triton_client_reads_health_and_metadata(service: Running, ask_triton: Asking) -> None:
    answer = ask_triton("triton", service.address)
    ready = ("live", "ready", "model_ready", "version_ready", "other_ready")
    assert [answer[name] for name in ready] == [True, True, True, True, False]
    assert answer["server"] == {"name": "phiz", "version": phiz.__version__, "extensions": []}
    assert (answer["model"]["name"], answer["version"]["name"]) == ("auto", "front")
    assert answer["model"]["versions"] == ["1"]
    assert answer["other"][0] == "404"
    assert "the models are front" in answer["other"][1]
    assert answer["inference"] == [
        "501",
        (
            "phiz has health and metadata of the Open Inference Protocol alone; send the image to"
            " POST /detect"
        ),
    ]


def test_clients_send_the_key_of_the_service(start: Starter, ask_vision: Asking) -> None:
    key = create_key()
    keys = format_line(key, "door")
    with start(PHIZ_API_KEYS=keys, PHIZ_LOG="json") as service:
        host, port = service.address
        answer = ask_vision("deepstack", (f"x:{key}@{host}", port), SELFIE)
        assert [len(faces) for faces in answer["faces"]] == [1]
        url = f"{service.url}/api/v1/detection/detect"
        accepted = httpx.post(url, files={"file": IMAGE}, headers={"x-api-key": key})
        refused = httpx.post(url, files={"file": IMAGE})
        assert (accepted.status_code, refused.status_code) == (200, 401)
        assert refused.json()["code"] == 20
        lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    told = [(line["path"], line["status"], line.get("client")) for line in lines if "path" in line]
    assert told == [
        ("/v1/vision/face", 200, "door"),
        ("-", 401, None),  # the password is for the detection alone
        ("/v1/vision/face", 400, "door"),
        ("/api/v1/detection/detect", 200, "door"),
        ("/api/v1/detection/detect", 401, None),
    ]


def test_interfaces_can_be_turned_off(start: Starter) -> None:
    with start(PHIZ_COMPAT="kserve") as service:
        statuses = [
            httpx.post(f"{service.url}/v1/vision/face", files={"image": IMAGE}).status_code,
            httpx.get(f"{service.url}/v1/status/ping").status_code,
            httpx.get(f"{service.url}/v2/health/ready").status_code,
        ]
    assert statuses == [404, 404, 200]
