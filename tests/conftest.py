import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from phiz.convert import calibration
from phiz.convert.conversion import convert
from phiz.convert.download import source_folder
from phiz.convert.quantise import quantise
from phiz.convert.sources import read_source
from phiz.detectors import factory
from phiz.detectors.detector import Detector
from phiz.image.lazy import Picture
from phiz.image.resample import Sampling
from phiz.models import catalog
from phiz.models.specs import NetworkCard
from phiz.runtime.profile import Choice, Profile, processor_name, write_profile
from phiz.runtime.variants import REFERENCE, Variant, version_of

# A shell that begins something in the background has it ignore this, and all that it begins
# too; the tests end what they begin with it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A loaded machine takes its time; the tests ask for results.
settings.register_profile("phiz", deadline=None)
settings.load_profile("phiz")

# Programs that not every machine has.
pytest_plugins = ("tests.tools",)

PICTURES = Path(__file__).parent / "pictures"
INT8 = Variant("onnxruntime", "int8")
CLASSIFIERS = [card for model in catalog.load().group("classify") for card in model.networks]


NETWORKS = [card for model in catalog.load().group("face") for card in model.networks]


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """Where ``make setup`` has built the models."""
    return catalog.default_folder()


@pytest.fixture(scope="session")
def int8_folder(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every built face model, and with every network in 8 bits that is offered."""
    folder = tmp_path_factory.mktemp("int8")
    known, calibrations = catalog.load(), calibration.load()
    for card in (card for model in known.group("face") for card in model.networks):
        graph = catalog.read_network(card, models_folder)
        (folder / card.file).write_bytes(graph)
        if (variant := card.in_form("int8")) != card:
            ranges = calibration.ranges_of(card.name, graph, calibrations)
            (folder / variant.file).write_bytes(quantise(graph, ranges))
    return folder


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """A profile by which O-Net runs in 8 bits and all else as the reference."""
    cards = [card for model in catalog.load().group("face") for card in model.networks]
    chosen = {
        card.name: _choice(card, INT8 if card.name == "onet" else REFERENCE) for card in cards
    }
    write_profile(Profile(processor_name(), chosen), tmp_path / "profile.json")
    return tmp_path / "profile.json"


def _choice(card: NetworkCard, variant: Variant) -> Choice:
    version = version_of(variant.runtime)
    assert version
    return Choice(card.in_form(variant.form).sha256, variant, version, 1.9, 2.8)


@pytest.fixture(scope="session")
def load_with(models_folder: Path) -> Callable[[Sampling], dict[str, Detector]]:
    """Loads the real detectors with a sampling, once for each."""
    loaded: dict[Sampling, dict[str, Detector]] = {}

    def load(sampling: Sampling) -> dict[str, Detector]:
        if sampling not in loaded:
            loaded[sampling] = factory.load(catalog.load(), models_folder, sampling)
        return loaded[sampling]

    return load


@pytest.fixture(scope="session")
def picture() -> Callable[[str], Picture]:
    """Reads one of the test pictures."""

    def read(name: str) -> Picture:
        return Picture.of(np.asarray(Image.open(PICTURES / name).convert("RGB")))

    return read


@pytest.fixture(scope="session")
def classifier_sources() -> Iterator[Path]:
    """A folder of the classifiers' packages: the one that is named, or downloaded once a run."""
    named = os.environ.get("PHIZ_MODEL_FILES")
    files = Path(named) if named else None
    with source_folder(CLASSIFIERS, print, files, may_download=True) as folder:
        yield folder


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
def classifier_source(classifier_sources: Path) -> Callable[[NetworkCard], bytes]:
    """Gives the bytes that a classifier is made from."""
    read = {card.made_from: read_source(card.made_from, classifier_sources) for card in CLASSIFIERS}
    return lambda card: read[card.made_from]


@pytest.fixture(scope="session")
def built_classifier(
    classifier_source: Callable[[NetworkCard], bytes], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Builds the classifier of a name in both forms, once, and gives the folder."""
    folder = tmp_path_factory.mktemp("classifiers")
    cards = {card.name: card for card in CLASSIFIERS}

    def give(name: str) -> Path:
        for card in (cards[name], *cards[name].variants):
            if not (folder / card.file).exists():
                (folder / card.file).write_bytes(convert(card, classifier_source(card)))
        return folder

    return give


@pytest.fixture(scope="module")
def one_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Wait until no other process of this run has a Ray cluster: two may not start in time."""
    folder = tmp_path_factory.getbasetemp()
    # Of pytest-xdist each process has a folder of its own in the one of the run.
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with (shared / "cluster.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
