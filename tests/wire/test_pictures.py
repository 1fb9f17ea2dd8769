"""The handlers of images, with real models."""

import io
import json
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from phiz.editing.options import BlurOptions, CropOptions
from phiz.engine import Engine, build_engine
from phiz.faces import DetectOptions
from phiz.image.limits import DecodingLimits
from phiz.timings import Stopwatch, Timings
from phiz.wire.messages import EncodedAnswer
from phiz.wire.pictures import answer_annotated, answer_blur, answer_crops
from tests.conftest import PICTURES

GROUP = (PICTURES / "group_640x480.png").read_bytes()
OPTIONS = DetectOptions()
STAGES = ["queue", "decode", "preprocess", "inference", "postprocess", "render"]


@pytest.fixture(scope="module")
def engine(models_folder: Path) -> Engine:
    return build_engine(models_folder, "half-pixel", DecodingLimits(1 << 22, 1 << 20), {"front"})


def check_answer(answer: EncodedAnswer, media_type: str) -> None:
    assert answer.media_type == media_type
    assert answer.face_count == 2
    timings = Timings(answer.stages, answer.parts, answer.total_s)
    assert list(timings.stages) == STAGES
    assert timings.stages["render"] > 0
    assert sum(timings.stages.values()) == pytest.approx(answer.total_s)
    assert f"render;dur={timings.to_milliseconds()['render']}" in answer.server_timing


def test_faces_are_drawn_where_the_detection_finds_them(engine: Engine) -> None:
    answer = answer_annotated(engine, GROUP, time.perf_counter(), "front", OPTIONS, "png")
    check_answer(answer, "image/png")
    drawn = np.asarray(Pillow.open(io.BytesIO(answer.body)))
    plain = np.asarray(Pillow.open(io.BytesIO(GROUP)).convert("RGB"))
    changed = (drawn != plain).any(axis=2)
    assert 0 < changed.mean() < 0.1
    for face in engine.detect(GROUP, "front", OPTIONS, Stopwatch()).faces:
        x, y = (round(value) for value in face.landmarks["nose"])
        assert changed[y - 2 : y + 2, x - 2 : x + 2].any()


def test_crops_are_the_faces_of_the_detection(engine: Engine) -> None:
    crop = CropOptions(64, align="eyes")
    answer = answer_crops(engine, GROUP, time.perf_counter(), "front", OPTIONS, crop, "zip")
    check_answer(answer, "application/zip")
    assert answer.headers == (("content-disposition", 'attachment; filename="faces.zip"'),)
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        document = json.loads(archive.read("faces.json"))
        assert list(document["timing_ms"])[:6] == STAGES
        assert len(document["faces"]) == 2
        for face in document["faces"]:
            image = Pillow.open(io.BytesIO(archive.read(face["crop"]["file"])))
            assert image.size == (64, 64)
            points = (face["landmarks"][name] for name in ("left_eye", "right_eye"))
            eyes = np.array([[point["x"], point["y"]] for point in points])
            transform = np.array(face["crop"]["transform"])
            places = eyes @ transform[:, :2].T + transform[:, 2]
            assert places[0] == pytest.approx([0.342 * 64, 0.461 * 64], abs=0.05)
            assert places[1] == pytest.approx([0.658 * 64, 0.461 * 64], abs=0.05)


def test_no_face_is_found_again_after_it_was_covered(engine: Engine) -> None:
    answer = answer_blur(engine, GROUP, time.perf_counter(), "front", OPTIONS, BlurOptions(), None)
    check_answer(answer, "image/png")
    assert engine.detect(answer.body, "front", OPTIONS, Stopwatch()).faces == ()
