"""The picture of the corpus at every depth, and one file of it in one variety."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .references import Reference

WIDTH, HEIGHT = 53, 37  # no multiple of 8, so that rows and blocks are padded
Samples: TypeAlias = NDArray[np.uint32]
"""(H, W, C), whole numbers of as many bits as a file has."""


@dataclass(frozen=True, slots=True)
class Case:
    """One file of the corpus.

    Attributes:
        name: Format and variety.
        image_bytes: The file.
        answer: The second decoder if the file is read, else the variety that the error names.
        is_lossy: Whether decoders may differ by 2 instead of 1.
        is_cut: Whether one of them cuts bits before it converts colours, and may differ by 3.
    """

    name: str
    image_bytes: bytes
    answer: Reference | str
    is_lossy: bool = False
    is_cut: bool = False


def draw_samples(bits: int, channels: int = 3) -> Samples:
    """Return ramps and an edge (H, W, C), in which no turn, swap or inversion goes unseen."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ramps = [
        x / (WIDTH - 1),
        y / (HEIGHT - 1),
        1 - (x + y) / (WIDTH + HEIGHT - 2),
        0.25 + 0.5 * ((x - 20) ** 2 + (y - 15) ** 2 < 100),
    ]
    # Grey is the third ramp alone, whose corners all differ.
    chosen = ramps[:channels] if channels > 2 else [ramps[2], ramps[0]][:channels]
    while len(chosen) < channels:
        chosen.append(ramps[3])
    largest = 2**bits - 1
    samples: Samples = np.rint(np.stack(chosen, axis=-1) * largest).astype(np.uint32)
    return samples
