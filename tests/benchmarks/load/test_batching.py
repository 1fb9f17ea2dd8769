import io
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from benchmarks.load.batching import MODEL, Calls, answer
from benchmarks.load.requests import read_picture
from phiz import engine
from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.image.limits import Limits
from phiz.image.synthetic import draw_crowd
from phiz.worker import find
from phiz.workers.protocol import Call, encode

MOST = 3
LIMITS = Limits(max_bytes=1_000_000, max_pixels=1_000_000)


@pytest.fixture(scope="module")
def loaded(models_folder: Path) -> Engine:
    return engine.load(models_folder, "half-pixel", LIMITS, (MODEL,))


def called(pictures: list[bytes]) -> list[tuple[Call, bytes]]:
    arguments = (MODEL, DetectOptions(), time.perf_counter())
    return [(Call(n, "detect", arguments), picture) for n, picture in enumerate(pictures, 1)]


def content(body: bytes) -> Any:
    document = json.loads(body)
    del document["timing_ms"]
    return document


def drawn() -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(draw_crowd(320, 240, 1)).save(file, "JPEG")
    return file.getvalue()


def test_a_batch_is_answered_as_its_pictures_are_one_by_one(loaded: Engine) -> None:
    pictures = [read_picture(), drawn(), read_picture()]
    batch = answer(loaded, called(pictures))
    singly = [
        find(loaded, picture, MODEL, DetectOptions(), time.perf_counter()) for picture in pictures
    ]
    assert [content(each.body) for each in batch] == [content(each.body) for each in singly]
    assert [each.faces for each in batch] == [each.faces for each in singly]
    assert all(content(each.body)["faces"] for each in batch)


def test_all_calls_that_wait_are_taken_as_far_as_a_batch_goes() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        calls = called([b"picture"] * (MOST + 2))
        for call, picture in calls:
            ours.sendall(b"".join(encode(call, picture)))
        taking = Calls(theirs, MOST)
        assert [taking.next(), taking.next()] == [calls[:MOST], calls[MOST:]]


def test_there_are_no_calls_once_the_service_has_gone() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.close()
        assert Calls(theirs, MOST).next() == []
