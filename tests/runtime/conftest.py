from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from phiz.models import catalog
from phiz.models.specs import NetworkSpec
from phiz.runtime import Runtime, Session

SPECS = {
    card.name: card
    for model in catalog.load_catalog().get_models("face")
    for card in model.networks
}


@pytest.fixture
def open_in(models_folder: Path) -> Callable[[Runtime, str], Session]:
    """Opens a real network in a runtime."""

    def open_network(runtime: Runtime, name: str) -> Session:
        spec = SPECS[name]
        return runtime.open(spec, catalog.read_network(spec, models_folder))

    return open_network


@pytest.fixture
def pixels() -> Callable[..., np.ndarray]:
    """Noise for a network: uint8 for BlazeFace, else float32."""

    def make(name: str, *shape: int, seed: int = 0) -> np.ndarray:
        noise = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
        return noise if SPECS[name].architecture == "blazeface" else noise.astype(np.float32)

    return make


@pytest.fixture
def spec() -> NetworkSpec:
    return SPECS["front"]
