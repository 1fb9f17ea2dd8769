"""Inputs of the workers of the speed benchmark, as files that all of them can read."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from benchmarks.kit.options import BLAZEFACE
from phiz.boxes.geometry import Letterbox
from phiz.convert.download import open_source_folder
from phiz.convert.sources import read_source
from phiz.faces import RgbImage
from phiz.image.lazy import LazyImage
from phiz.image.resample import letterbox_image
from phiz.models import catalog

JPEG_SIZES_WH = ((640, 480), (641, 481), (4000, 3000))
JPEGS_PER_SIZE = 5  # of each size
JPEG_QUALITY = 90
CASCADE_WH = (1280, 720)
CASCADE_IMAGES = 20


def write_inputs(photographs: Sequence[Path], sources: Path | None, folder: Path) -> None:
    """Write all inputs.

    - ``front.npy``, … (S, S, 3) uint8: the first photograph, letterboxed;
    - ``front.tflite``, … and ``yunet.onnx``: the networks as they were published;
    - ``640x480/0.jpg``, …: photographs made this large or small;
    - ``cascade.npy`` (N, H, W, 3) uint8: photographs at 1280 × 720.

    Args:
        photographs: At least ``CASCADE_IMAGES``.
        sources: Folder of the published networks' packages; None to download them.
        folder: Exists, and is empty.

    Raises:
        SourceError: A package cannot be had.
    """
    _write_networks(sources, folder)
    _write_squares(photographs[0], folder)
    for size_wh in JPEG_SIZES_WH:
        _write_jpegs(photographs[:JPEGS_PER_SIZE], size_wh, folder)
    np.save(
        folder / "cascade.npy",
        np.stack([*resize_photographs(photographs[:CASCADE_IMAGES], CASCADE_WH)]),
    )


def _write_networks(sources: Path | None, folder: Path) -> None:
    models = catalog.load_catalog()
    networks = [models.get_model(name).networks[0] for name in (*BLAZEFACE, "yunet")]
    with open_source_folder(networks, print, sources) as packages:
        for spec in networks:
            ending = "onnx" if spec.name == "yunet" else "tflite"
            source = read_source(spec.made_from, packages)
            (folder / f"{spec.name}.{ending}").write_bytes(source)


def _write_squares(photograph: Path, folder: Path) -> None:
    with Pillow.open(photograph) as opened:
        image = LazyImage.from_array(np.asarray(opened.convert("RGB")))
    for name in BLAZEFACE:
        size = catalog.load_catalog().get_model(name).input_size
        assert size is not None, "the catalogue gives every blazeface its input size"
        frame = Letterbox.fit(image.width, image.height, size)
        square = letterbox_image(image.decode_scaled(np.inf), frame, "half-pixel")  # (S, S, 3)
        np.save(folder / f"{name}.npy", square)


def _write_jpegs(photographs: Iterable[Path], size_wh: tuple[int, int], folder: Path) -> None:
    place = folder / "{}x{}".format(*size_wh)
    place.mkdir()
    for number, image in enumerate(resize_photographs(photographs, size_wh)):
        Pillow.fromarray(image).save(place / f"{number}.jpg", quality=JPEG_QUALITY)


def resize_photographs(photographs: Iterable[Path], size_wh: tuple[int, int]) -> Iterable[RgbImage]:
    """Yield photographs in one size (H, W, 3)."""
    for path in photographs:
        with Pillow.open(path) as opened:
            yield np.asarray(opened.convert("RGB").resize(size_wh, Pillow.Resampling.BILINEAR))
