from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from phiz import catalog, detectors
from phiz.build import calibration
from phiz.build.quantise import quantise
from phiz.detectors import Detector
from phiz.picture import Picture
from phiz.resample import Sampling

# A loaded machine takes its time; the tests ask for results.
settings.register_profile("phiz", deadline=None)
settings.load_profile("phiz")

PICTURES = Path(__file__).parent / "pictures"


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """Where ``make setup`` has built the models."""
    return catalog.default_folder()


@pytest.fixture(scope="session")
def int8_folder(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every built model, and with every network in 8 bits that is offered."""
    folder = tmp_path_factory.mktemp("int8")
    known, calibrations = catalog.load(), calibration.load()
    for card in (card for model in known.models for card in model.networks):
        graph = catalog.read_network(card, models_folder)
        (folder / card.file).write_bytes(graph)
        if (variant := card.in_form("int8")) != card:
            ranges = calibration.ranges_of(card.name, graph, calibrations)
            (folder / variant.file).write_bytes(quantise(graph, ranges))
    return folder


@pytest.fixture(scope="session")
def load_with(models_folder: Path) -> Callable[[Sampling], dict[str, Detector]]:
    """Loads the real detectors with a sampling, once for each."""
    loaded: dict[Sampling, dict[str, Detector]] = {}

    def load(sampling: Sampling) -> dict[str, Detector]:
        if sampling not in loaded:
            loaded[sampling] = detectors.load(catalog.load(), models_folder, sampling)
        return loaded[sampling]

    return load


@pytest.fixture(scope="session")
def picture() -> Callable[[str], Picture]:
    """Reads one of the test pictures."""

    def read(name: str) -> Picture:
        return Picture.of(np.asarray(Image.open(PICTURES / name).convert("RGB")))

    return read
