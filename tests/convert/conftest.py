import os
from collections.abc import Callable, Iterator
from pathlib import Path

import onnxruntime as ort
import pytest

from phiz.convert.conversion import convert
from phiz.convert.download import source_folder
from phiz.convert.sources import read_source
from phiz.models import catalog
from phiz.models.specs import NetworkCard

NETWORKS = [card for model in catalog.load().group("face") for card in model.networks]


@pytest.fixture(scope="session")
def sources() -> Iterator[Path]:
    """A folder of the real source packages: the one that is named, or downloaded once a run."""
    named = os.environ.get("PHIZ_MODEL_FILES")
    files = Path(named) if named else None
    with source_folder(NETWORKS, print, files, may_download=True) as folder:
        yield folder


@pytest.fixture(scope="session")
def source_of(sources: Path) -> Callable[[str], bytes]:
    """Gives the bytes that the network of a name is made from."""
    cards = {card.name: card for card in NETWORKS}
    return lambda name: read_source(cards[name].made_from, sources)


@pytest.fixture(scope="session")
def session_of(source_of: Callable[[str], bytes]) -> Callable[[str], ort.InferenceSession]:
    """Converts the network of a name and loads it."""
    cards = {card.name: card for card in NETWORKS}
    return lambda name: ort.InferenceSession(convert(cards[name], source_of(name)))


@pytest.fixture
def front() -> NetworkCard:
    """The card of a real network."""
    return next(card for card in NETWORKS if card.name == "front")
