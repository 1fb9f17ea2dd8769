"""What the workers of the speed benchmark are given, as files that all of them can read."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from phiz.boxes.geometry import Letterbox
from phiz.convert.download import source_folder
from phiz.convert.sources import read_source
from phiz.faces import Image
from phiz.image.lazy import Picture
from phiz.image.resample import letterbox
from phiz.models import catalog

BLAZEFACE = ("front", "back", "full")
JPEG_SIZES_WH = ((640, 480), (641, 481), (4000, 3000))
JPEGS = 5  # of each size
QUALITY = 90
CASCADE_WH = (1280, 720)
CASCADE = 20


def prepare(photographs: Sequence[Path], sources: Path | None, folder: Path) -> None:
    """Write all inputs.

    - ``front.npy``, … (S, S, 3) uint8: the first photograph, letterboxed;
    - ``front.tflite``, …: the networks as they were published;
    - ``640x480/0.jpg``, …: photographs made this large or small;
    - ``cascade.npy`` (N, H, W, 3) uint8: photographs at 1280 × 720.

    Args:
        photographs: At least as many as are needed.
        sources: Folder of the published networks' packages; None to download them.
        folder: Is there, and empty.

    Raises:
        SourceError: A package cannot be had.
    """
    _write_networks(sources, folder)
    _write_squares(photographs[0], folder)
    for size_wh in JPEG_SIZES_WH:
        _write_jpegs(photographs[:JPEGS], size_wh, folder)
    np.save(folder / "cascade.npy", np.stack([*_resized(photographs[:CASCADE], CASCADE_WH)]))


def _write_networks(sources: Path | None, folder: Path) -> None:
    networks = [catalog.load().model(name).networks[0] for name in BLAZEFACE]
    with source_folder(networks, print, sources) as packages:
        for card in networks:
            (folder / f"{card.name}.tflite").write_bytes(read_source(card.made_from, packages))


def _write_squares(photograph: Path, folder: Path) -> None:
    with Pillow.open(photograph) as opened:
        picture = Picture.of(np.asarray(opened.convert("RGB")))
    for name in BLAZEFACE:
        size = catalog.load().model(name).input_size
        assert size is not None, "the catalogue gives every blazeface its input size"
        frame = Letterbox.fit(picture.width, picture.height, size)
        square = letterbox(picture.reduced(np.inf), frame, "half-pixel")  # (S, S, 3)
        np.save(folder / f"{name}.npy", square)


def _write_jpegs(photographs: Iterable[Path], size_wh: tuple[int, int], folder: Path) -> None:
    place = folder / "{}x{}".format(*size_wh)
    place.mkdir()
    for number, image in enumerate(_resized(photographs, size_wh)):
        Pillow.fromarray(image).save(place / f"{number}.jpg", quality=QUALITY)


def _resized(photographs: Iterable[Path], size_wh: tuple[int, int]) -> Iterable[Image]:
    for path in photographs:
        with Pillow.open(path) as opened:
            yield np.asarray(opened.convert("RGB").resize(size_wh, Pillow.Resampling.BILINEAR))
