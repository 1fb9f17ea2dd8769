from collections.abc import Callable

import onnxruntime as ort
import pytest

from phiz.convert.conversion import convert_network
from phiz.models.specs import NetworkSpec
from tests.conftest import NETWORKS


@pytest.fixture(scope="session")
def session_of(source_of: Callable[[str], bytes]) -> Callable[[str], ort.InferenceSession]:
    """Converts the network of a name and loads it."""
    specs = {spec.name: spec for spec in NETWORKS}
    return lambda name: ort.InferenceSession(convert_network(specs[name], source_of(name)))


@pytest.fixture
def front() -> NetworkSpec:
    """The spec of a real network."""
    return next(spec for spec in NETWORKS if spec.name == "front")
