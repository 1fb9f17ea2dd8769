from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from phiz.engine import build_engine
from phiz.faces import DetectOptions
from phiz.image.limits import DecodingLimits
from phiz.runtime import Runtime, Session
from phiz.runtime.batching import BatchingRuntime, BatchingSession
from phiz.runtime.onnx import CPU_PROVIDER, OnnxRuntime
from phiz.runtime.select import select_runtime
from phiz.timings import Stopwatch
from phiz.worker import answer_detection
from phiz.workers.interleave import Interleaver, yield_turn
from tests.conftest import PICTURES

Open = Callable[[Runtime, str], Session]
Pixels = Callable[..., np.ndarray]
GPU = "CUDAExecutionProvider"
LIMITS = DecodingLimits(10**7, 10**7)


class Counted:
    """A network that notes the size of each batch, and fails for those of a size."""

    def __init__(self, session: Session, fails_at: int = 0) -> None:
        self.sizes: list[int] = []
        self.fails_at = fails_at
        self._session = session

    def run(self, inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        self.sizes.append(len(inputs))
        if len(inputs) == self.fails_at:
            raise MemoryError(f"{len(inputs)} images")
        return self._session.run(inputs)


def run_together(session: Session, inputs: list[np.ndarray]) -> list[Any]:
    def run(given: np.ndarray) -> object:
        yield_turn()  # as after decoding
        try:
            return session.run(given)
        except MemoryError as error:
            return str(error)

    return Interleaver[Any]().run_all([partial(run, each) for each in inputs])


def test_images_that_wait_share_one_run(open_in: Open, pixels: Pixels) -> None:
    counted = Counted(open_in(OnnxRuntime(), "front"))
    inputs = [pixels("front", 1 + seed % 2, 128, 128, seed=seed) for seed in range(5)]
    together = run_together(BatchingSession(counted), inputs)
    assert counted.sizes == [7]
    for given, outputs in zip(inputs, together, strict=True):
        for name, alone in counted.run(given).items():
            np.testing.assert_allclose(outputs[name], alone, atol=1e-4)


def test_images_of_other_sizes_run_apart(open_in: Open, pixels: Pixels) -> None:
    counted = Counted(open_in(OnnxRuntime(), "pnet"))
    sizes = (24, 32, 24, 40, 32)
    inputs = [pixels("pnet", 1, size, size, seed=seed) for seed, size in enumerate(sizes)]
    together = run_together(BatchingSession(counted), inputs)
    assert counted.sizes == [2, 2, 1]
    for given, outputs in zip(inputs, together, strict=True):
        for name, alone in counted.run(given).items():
            np.testing.assert_allclose(outputs[name], alone, atol=1e-4)


def test_all_images_of_a_batch_have_its_error_and_later_ones_none(
    open_in: Open, pixels: Pixels
) -> None:
    session = BatchingSession(Counted(open_in(OnnxRuntime(), "front"), fails_at=3))
    given = pixels("front", 1, 128, 128)
    assert run_together(session, [given] * 3) == ["3 images"] * 3
    assert all("logits" in outputs for outputs in run_together(session, [given] * 2))


def test_an_image_alone_runs_at_once(open_in: Open, pixels: Pixels) -> None:
    counted = Counted(open_in(OnnxRuntime(), "front"))
    assert "logits" in BatchingSession(counted).run(pixels("front", 1, 128, 128))
    assert counted.sizes == [1]


@pytest.mark.parametrize("model", ["front", "back", "full"])
def test_answers_of_a_batch_are_those_of_single_images(models_folder: Path, model: str) -> None:
    plain = build_engine(models_folder, "half-pixel", LIMITS, {model}, runtime=OnnxRuntime())
    batching = build_engine(
        models_folder, "half-pixel", LIMITS, {model}, runtime=BatchingRuntime(OnnxRuntime())
    )
    images = [
        (PICTURES / name).read_bytes() for name in ("selfie_360x640.png", "group_640x480.png")
    ]
    jobs = [
        partial(answer_detection, batching, image, 0.0, model, DetectOptions()) for image in images
    ]
    for image, answer in zip(images, Interleaver[Any]().run_all(jobs), strict=True):
        alone = answer_detection(plain, image, 0.0, model, DetectOptions())
        assert answer.face_count == alone.face_count
        assert answer.face_count
    for image in images:
        faces, same = (
            engine.detect(image, model, DetectOptions(), Stopwatch()).faces
            for engine in (plain, batching)
        )
        assert faces == same


def test_a_gpu_is_given_batches_and_another_provider_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [GPU, CPU_PROVIDER])
    for providers, expected in (
        ((GPU, CPU_PROVIDER), BatchingRuntime(OnnxRuntime((GPU, CPU_PROVIDER)))),
        ((CPU_PROVIDER,), OnnxRuntime((CPU_PROVIDER,))),
    ):
        chosen = select_runtime("onnxruntime", providers, Path("nowhere.json"), [])
        assert chosen.runtime == expected
        assert not chosen.precisions
