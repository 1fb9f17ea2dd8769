"""What each network is timed with, and what two of its sessions are compared on."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from phiz.detectors.pyramid import scales_of, tiles
from phiz.faces import Image
from phiz.models.specs import Architecture, ModelCard

Inputs: TypeAlias = list[NDArray[Any]]
"""Each for one run, (N, H, W, 3)."""

# A cascade on a picture of 1280 × 720, a little smaller in every round, because sizes that
# were not seen before cost some runtimes a compilation.
PICTURE_HW: Final = (720, 1280)
STEP_PX: Final = 7
STEPS: Final = 30  # after which the first size comes back
STRIDE: Final = 19  # through these, so that the first few runs already see all of them evenly
CROPS: Final[dict[Architecture, tuple[int, int]]] = {"rnet": (32, 24), "onet": (16, 48)}
"""How many in one run, and their side in pixels."""

SPREAD: Final = 3  # sizes that P-Net is compared at, from 12 pixels on
SMALLEST: Final = 12
TILES: Final = 4  # what is made for parts sees a picture in 4 rows of 4 tiles


def timing_inputs(
    model: ModelCard, architecture: Architecture, turn: int, batch: int = 1
) -> Inputs:
    """Return what a network computes for one picture (for R- and O-Net: one batch of crops).

    Args:
        model: That the network belongs to.
        architecture: Of the network.
        turn: Of the measurement, from 0.
        batch: So many pictures at once; MTCNN's networks see one.
    """
    random = np.random.default_rng(turn)
    if model.input_size is not None:
        return [_noise(random, batch, _side(model), _side(model))]
    if architecture == "pnet":
        height, width = (side - turn * STRIDE % STEPS * STEP_PX for side in PICTURE_HW)
        scales = scales_of(height, width, model.thresholds["min_face"], model.thresholds["factor"])
        return [
            _noise(random, 1, len(rows), len(columns)).astype(np.float32)
            for scale in scales
            for _, (rows, columns) in tiles((int(height * scale + 1), int(width * scale + 1)))
        ]
    count, side = CROPS[architecture]
    return [_noise(random, count, side, side).astype(np.float32)]


def parity_inputs(
    model: ModelCard, architecture: Architecture, pictures: Sequence[Image]
) -> Iterator[NDArray[Any]]:
    """Yield batches (N, H, W, 3) of pictures, of parts of them, and of noise.

    Args:
        model: That the network belongs to.
        architecture: Of the network.
        pictures: (H, W, 3) each, with faces.
    """
    if architecture == "blazeface":
        yield _batch(pictures, (_side(model), _side(model)))
        return
    tiles = [tile for picture in pictures for tile in _tiles(picture)]
    sizes_hw = [(CROPS[architecture][1],) * 2] if architecture in CROPS else _any_sizes()
    for size_hw in sizes_hw:
        yield _batch(tiles, size_hw).astype(np.float32)


def _side(model: ModelCard) -> int:
    assert model.input_size is not None, "what sees whole pictures has one size of them"
    return model.input_size


def _any_sizes() -> list[tuple[int, int]]:
    return [(SMALLEST + 7 * step, SMALLEST + 30 * step) for step in range(SPREAD)]


def _tiles(picture: Image) -> Iterator[Image]:
    for row in np.array_split(picture, TILES):
        yield from np.array_split(row, TILES, axis=1)


def _batch(pictures: Sequence[Image], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = size_hw
    images = (Pillow.fromarray(np.ascontiguousarray(picture)) for picture in pictures)
    fitted = [np.asarray(ImageOps.pad(image, (width, height))) for image in images]
    return np.stack([*fitted, *_noise(np.random.default_rng(0), 4, height, width)])


def _noise(random: np.random.Generator, count: int, height: int, width: int) -> NDArray[np.uint8]:
    return random.integers(0, 256, (count, height, width, 3), np.uint8)
