from collections.abc import Callable

import onnxruntime as ort
import pytest

from phiz.convert.conversion import convert
from phiz.models.specs import NetworkCard
from tests.conftest import NETWORKS


@pytest.fixture(scope="session")
def session_of(source_of: Callable[[str], bytes]) -> Callable[[str], ort.InferenceSession]:
    """Converts the network of a name and loads it."""
    cards = {card.name: card for card in NETWORKS}
    return lambda name: ort.InferenceSession(convert(cards[name], source_of(name)))


@pytest.fixture
def front() -> NetworkCard:
    """The card of a real network."""
    return next(card for card in NETWORKS if card.name == "front")
