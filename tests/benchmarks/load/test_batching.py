import io
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from benchmarks.kit.requests import encode_test_image
from benchmarks.load.batching import MODEL, answer_batch, read_batches
from phiz import engine
from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.image.limits import DecodingLimits
from phiz.image.synthetic import draw_crowd
from phiz.worker import answer_detection
from phiz.workers.protocol import WorkPing, WorkRequest, encode_message

MOST = 3
LIMITS = DecodingLimits(max_bytes=1_000_000, max_pixels=1_000_000)


@pytest.fixture(scope="module")
def loaded(models_folder: Path) -> Engine:
    return engine.build_engine(models_folder, "half-pixel", LIMITS, (MODEL,))


def called(images: list[bytes]) -> list[tuple[WorkRequest, bytes]]:
    arguments = (MODEL, DetectOptions(), time.perf_counter())
    return [
        (WorkRequest(n, "detect", arguments), image_bytes)
        for n, image_bytes in enumerate(images, 1)
    ]


def content(body: bytes) -> Any:
    document = json.loads(body)
    del document["timing_ms"]
    return document


def drawn() -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(draw_crowd(320, 240, 1)).save(file, "JPEG")
    return file.getvalue()


def test_a_batch_is_answered_as_its_pictures_are_one_by_one(loaded: Engine) -> None:
    images = [encode_test_image(), drawn(), encode_test_image()]
    batch = answer_batch(loaded, called(images))
    singly = [
        answer_detection(loaded, image_bytes, time.perf_counter(), MODEL, DetectOptions())
        for image_bytes in images
    ]
    assert [content(each.body) for each in batch] == [content(each.body) for each in singly]
    assert [each.face_count for each in batch] == [each.face_count for each in singly]
    assert all(content(each.body)["faces"] for each in batch)


def test_all_calls_that_wait_are_taken_as_far_as_a_batch_goes() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        calls = called([b"picture"] * (MOST + 2))
        for request, image_bytes in calls:
            ours.sendall(b"".join(encode_message(request, image_bytes)))
        batches = read_batches(theirs, MOST)
        assert [next(batches), next(batches)] == [calls[:MOST], calls[MOST:]]


def test_ping_is_answered_before_the_calls_behind_it() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        (call,) = called([b"picture"])
        ping = b"".join(encode_message(WorkPing(7)))
        ours.sendall(ping + b"".join(encode_message(*call)))
        assert next(read_batches(theirs, MOST)) == [call]
        assert ours.recv(1000) == ping


def test_there_are_no_calls_once_the_service_has_gone() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.close()
        assert list(read_batches(theirs, MOST)) == []
