"""The inputs that networks are timed with, and those that variants are compared on."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from phiz.detectors.anchor_free import compute_input_shape
from phiz.detectors.pyramid import compute_scales, split_into_tiles
from phiz.faces import RgbImage
from phiz.models.specs import Architecture, ModelSpec

Inputs: TypeAlias = list[NDArray[Any]]
"""Each for one run, (N, H, W, 3)."""

# A cascade on a picture of 1280 × 720, a little smaller in every round, because sizes that
# were not seen before cost some runtimes a compilation.
IMAGE_HW: Final = (720, 1280)
STEP_PX: Final = 7
SIZE_STEPS: Final = 30  # after which the first size comes back
SIZE_STRIDE: Final = 19  # through these, so that the first few runs already see all of them evenly
CROP_BATCHES: Final[dict[Architecture, tuple[int, int]]] = {"rnet": (32, 24), "onet": (16, 48)}
"""How many in one run, and their side in pixels."""

ANCHOR_FREE: Final[frozenset[Architecture]] = frozenset({"yunet", "centerface"})
ANCHOR_FREE_SIDE: Final = 640  # longer side of the input that they are timed with
ANCHOR_FREE_SIZES_HW: Final = ((32, 32), (96, 160), (480, 640))
"""The sizes that they are compared at."""

PARITY_SIZES: Final = 3  # sizes that P-Net is compared at, from 12 pixels on
MIN_SIDE_PX: Final = 12
TILES_PER_SIDE: Final = 4  # what is made for parts sees a picture in 4 rows of 4 tiles


def make_timing_inputs(
    model: ModelSpec, architecture: Architecture, turn: int, batch: int = 1
) -> Inputs:
    """Return the inputs of a network for one image (for R- and O-Net: one batch of crops).

    Args:
        model: The model of the network.
        architecture: Architecture of the network.
        turn: Index of the run, from 0.
        batch: Number of images at once; MTCNN's networks see one.
    """
    random = np.random.default_rng(turn)
    if model.input_size is not None:
        return [_make_noise(random, batch, _get_input_size(model), _get_input_size(model))]
    if architecture in ANCHOR_FREE:
        shape_hw = compute_input_shape(IMAGE_HW[::-1], max(IMAGE_HW) / ANCHOR_FREE_SIDE)
        return [_make_noise(random, batch, *shape_hw)]
    if architecture == "pnet":
        height, width = (side - turn * SIZE_STRIDE % SIZE_STEPS * STEP_PX for side in IMAGE_HW)
        scales = compute_scales(
            height, width, model.thresholds["min_face"], model.thresholds["factor"]
        )
        return [
            _make_noise(random, 1, len(rows), len(columns)).astype(np.float32)
            for scale in scales
            for _, (rows, columns) in split_into_tiles(
                (int(height * scale + 1), int(width * scale + 1))
            )
        ]
    count, side = CROP_BATCHES[architecture]
    return [_make_noise(random, count, side, side).astype(np.float32)]


def make_parity_inputs(
    model: ModelSpec, architecture: Architecture, images: Sequence[RgbImage]
) -> Iterator[NDArray[Any]]:
    """Yield batches (N, H, W, 3) of images, of parts of them, and of noise.

    Args:
        model: The model of the network.
        architecture: Architecture of the network.
        images: (H, W, 3) each, with faces.
    """
    if architecture == "blazeface":
        yield _stack_batch(images, (_get_input_size(model), _get_input_size(model)))
        return
    if architecture in ANCHOR_FREE:
        yield from (_stack_batch(images, size_hw) for size_hw in ANCHOR_FREE_SIZES_HW)
        return
    tiles = [tile for image in images for tile in _split_tiles(image)]
    sizes_hw = (
        [(CROP_BATCHES[architecture][1],) * 2] if architecture in CROP_BATCHES else _list_sizes()
    )
    for size_hw in sizes_hw:
        yield _stack_batch(tiles, size_hw).astype(np.float32)


def _get_input_size(model: ModelSpec) -> int:
    assert model.input_size is not None, "what sees whole pictures has one size of them"
    return model.input_size


def _list_sizes() -> list[tuple[int, int]]:
    return [(MIN_SIDE_PX + 7 * step, MIN_SIDE_PX + 30 * step) for step in range(PARITY_SIZES)]


def _split_tiles(image: RgbImage) -> Iterator[RgbImage]:
    for row in np.array_split(image, TILES_PER_SIDE):
        yield from np.array_split(row, TILES_PER_SIDE, axis=1)


def _stack_batch(images: Sequence[RgbImage], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = size_hw
    pillow_images = (Pillow.fromarray(np.ascontiguousarray(image)) for image in images)
    fitted = [np.asarray(ImageOps.pad(image, (width, height))) for image in pillow_images]
    return np.stack([*fitted, *_make_noise(np.random.default_rng(0), 4, height, width)])


def _make_noise(
    random: np.random.Generator, count: int, height: int, width: int
) -> NDArray[np.uint8]:
    return random.integers(0, 256, (count, height, width, 3), np.uint8)
