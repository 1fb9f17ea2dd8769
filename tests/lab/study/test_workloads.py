from statistics import mean

import numpy as np
import pytest

from phiz.lab.study.workloads import SIZE_STEPS, make_parity_inputs, make_timing_inputs
from phiz.models import catalog
from phiz.models.specs import Architecture

CATALOG = catalog.load_catalog()


@pytest.mark.parametrize(
    ("model", "architecture", "shape", "dtype"),
    [
        ("front", "blazeface", (1, 128, 128, 3), "uint8"),
        ("back", "blazeface", (1, 256, 256, 3), "uint8"),
        ("mtcnn", "rnet", (32, 24, 24, 3), "float32"),
        ("mtcnn", "onet", (16, 48, 48, 3), "float32"),
    ],
)
def test_network_of_one_size_has_one_input(
    model: str, architecture: Architecture, shape: tuple[int, ...], dtype: str
) -> None:
    (only,) = make_timing_inputs(CATALOG.get_model(model), architecture, 0)
    assert only.shape == shape
    assert only.dtype == dtype


def test_pnet_has_a_pyramid_of_another_size_in_every_run() -> None:
    model = CATALOG.get_model("mtcnn")
    widest, area = [], []
    for turn in range(SIZE_STEPS + 1):
        levels = make_timing_inputs(model, "pnet", turn)
        assert min(level.shape[1] for level in levels) >= 11
        widest.append(max(level.shape[2] for level in levels))
        area.append(sum(level.shape[1] * level.shape[2] for level in levels))
    # The first level of 1280 × 720 at 12/20, plus one.
    assert widest[0] == widest[SIZE_STEPS] == max(widest) == 769
    assert len(set(widest[:SIZE_STEPS])) == SIZE_STEPS
    # Whoever has few runs has sizes as large as whoever has many.
    several = [mean(area[:few]) for few in range(5, SIZE_STEPS)]
    assert several == pytest.approx([mean(area[:SIZE_STEPS])] * len(several), rel=0.05)


@pytest.mark.parametrize(
    ("model", "architecture", "shapes"),
    [
        ("front", "blazeface", [(6, 128, 128, 3)]),
        ("mtcnn", "pnet", [(36, 12, 12, 3), (36, 19, 42, 3), (36, 26, 72, 3)]),
        ("mtcnn", "rnet", [(36, 24, 24, 3)]),
        ("mtcnn", "onet", [(36, 48, 48, 3)]),
    ],
)
def test_parity_inputs_are_images_and_noise(
    model: str, architecture: Architecture, shapes: list[tuple[int, ...]]
) -> None:
    images = [np.full((90, 160, 3), grey, np.uint8) for grey in (10, 200)]
    batches = list(make_parity_inputs(CATALOG.get_model(model), architecture, images))
    assert [batch.shape for batch in batches] == shapes
    for batch in batches:
        _, height, width, _ = batch.shape
        assert (batch[0, height // 2, width // 2] == 10).all()
        assert len(np.unique(batch[-1])) > 100, "noise"
