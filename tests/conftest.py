import fcntl
import gc
import os
import shutil
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from phiz.convert import calibration
from phiz.convert.conversion import convert_network
from phiz.convert.download import open_source_folder
from phiz.convert.quantise import quantise_graph
from phiz.convert.sources import read_source
from phiz.detectors import factory
from phiz.detectors.detector import Detector
from phiz.image.lazy import LazyImage
from phiz.image.resample import Sampling
from phiz.models import catalog
from phiz.models.specs import NetworkSpec
from phiz.runtime.profile import Profile, ProfileEntry, get_processor_name, write_profile
from phiz.runtime.variants import REFERENCE_VARIANT, Variant, get_version

# A shell that begins something in the background has it ignore this, and all that it begins
# too; the tests end what they begin with it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A loaded machine takes its time; the tests ask for results.
settings.register_profile("phiz", deadline=None)
settings.load_profile("phiz")

# Programs that not every machine has.
pytest_plugins = ("tests.tools",)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what the collection of the tests has made out of the garbage collector.

    A full collection takes half a second with it, and tests that look for what is left do many.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take long first, so that all processes of pytest-xdist end together."""
    long = {item.path for item in items if item.get_closest_marker("integration")}
    items.sort(key=lambda item: item.path not in long)


PICTURES = Path(__file__).parent / "pictures"
INT8 = Variant("onnxruntime", "int8")
CLASSIFIERS = [
    card for model in catalog.load_catalog().get_models("classify") for card in model.networks
]


NETWORKS = [card for model in catalog.load_catalog().get_models("face") for card in model.networks]


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """Where ``make setup`` has built the models."""
    return catalog.get_default_folder()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the run, which the processes of pytest-xdist share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Wait until no other process of the run has this lock."""
    with path.with_suffix(".lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def int8_folder(models_folder: Path, run_folder: Path) -> Path:
    """A folder with every built face model, and with every network in 8 bits that is offered."""
    folder = run_folder / "int8"
    with lock(folder):
        if folder.exists():
            return folder
        folder.mkdir()
        calibrations = calibration.load_calibrations()
        for spec in NETWORKS:
            graph = catalog.read_network(spec, models_folder)
            (folder / spec.file_name).write_bytes(graph)
            if (variant := spec.with_precision("int8")) != spec:
                ranges = calibration.get_ranges(spec.name, graph, calibrations)
                (folder / variant.file_name).write_bytes(quantise_graph(graph, ranges))
        return folder


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """A profile by which O-Net runs in 8 bits and all else as the reference."""
    specs = [spec for model in catalog.load_catalog().get_models("face") for spec in model.networks]
    chosen = {
        spec.name: _choice(spec, INT8 if spec.name == "onet" else REFERENCE_VARIANT)
        for spec in specs
    }
    write_profile(Profile(get_processor_name(), chosen), tmp_path / "profile.json")
    return tmp_path / "profile.json"


def _choice(spec: NetworkSpec, variant: Variant) -> ProfileEntry:
    version = get_version(variant.runtime)
    assert version
    return ProfileEntry(
        spec.with_precision(variant.network_precision).sha256, variant, version, 1.9, 2.8
    )


@pytest.fixture(scope="session")
def load_with(models_folder: Path) -> Callable[[Sampling], dict[str, Detector]]:
    """Loads the real detectors with a sampling, once for each."""
    loaded: dict[Sampling, dict[str, Detector]] = {}

    def load(sampling: Sampling) -> dict[str, Detector]:
        if sampling not in loaded:
            loaded[sampling] = factory.load_detectors(
                catalog.load_catalog(), models_folder, sampling
            )
        return loaded[sampling]

    return load


@pytest.fixture(scope="session")
def read_image() -> Callable[[str], LazyImage]:
    """Reads one of the test pictures."""

    def read(name: str) -> LazyImage:
        return LazyImage.from_array(np.asarray(Image.open(PICTURES / name).convert("RGB")))

    return read


def open_sources(networks: list[NetworkSpec], folder: Path) -> Path:
    """Return a folder of the packages, from the one that is named or downloaded once a run."""
    named = os.environ.get("PHIZ_MODEL_FILES")
    files = Path(named) if named else None
    with lock(folder):
        if not folder.exists():
            with open_source_folder(networks, print, files, may_download=True) as opened:
                shutil.copytree(opened, folder)
    return folder


@pytest.fixture(scope="session")
def classifier_sources(run_folder: Path) -> Path:
    """A folder of the packages of the classifiers."""
    return open_sources(CLASSIFIERS, run_folder / "classifier-sources")


@pytest.fixture(scope="session")
def sources(run_folder: Path) -> Path:
    """A folder of the packages of the face models."""
    return open_sources(NETWORKS, run_folder / "sources")


@pytest.fixture(scope="session")
def source_of(sources: Path) -> Callable[[str], bytes]:
    """Gives the bytes that the network of a name is made from."""
    specs = {spec.name: spec for spec in NETWORKS}
    return lambda name: read_source(specs[name].made_from, sources)


@pytest.fixture(scope="session")
def classifier_source(classifier_sources: Path) -> Callable[[NetworkSpec], bytes]:
    """Gives the bytes that a classifier is made from."""
    read = {spec.made_from: read_source(spec.made_from, classifier_sources) for spec in CLASSIFIERS}
    return lambda spec: read[spec.made_from]


@pytest.fixture(scope="session")
def built_classifier(
    classifier_source: Callable[[NetworkSpec], bytes], run_folder: Path
) -> Callable[[str], Path]:
    """Builds the classifier of a name in both forms, once a run, and gives the folder."""
    folder = run_folder / "classifiers"
    folder.mkdir(exist_ok=True)
    specs = {spec.name: spec for spec in CLASSIFIERS}

    def give(name: str) -> Path:
        with lock(folder):
            for spec in (specs[name], *specs[name].variants):
                if not (folder / spec.file_name).exists():
                    graph = convert_network(spec, classifier_source(spec))
                    (folder / spec.file_name).write_bytes(graph)
        return folder

    return give


@pytest.fixture(scope="module")
def one_cluster(run_folder: Path) -> Iterator[None]:
    """Wait until no other process of this run has a Ray cluster: two may not start in time."""
    with lock(run_folder / "cluster"):
        yield
