"""The entries of the curve: models at several sizes, precisions, face sizes and budgets."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from phiz.detectors.anchor_free import AnchorFree
from phiz.detectors.detector import Detector
from phiz.detectors.factory import DETECTOR_FACTORIES, list_model_names, load_detectors
from phiz.engine import Engine, build_engine
from phiz.errors import ModelError
from phiz.faces import DetectOptions
from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS
from phiz.models.catalog import load_catalog, read_network
from phiz.models.specs import AUTO, ModelSpec
from phiz.runtime.onnx import OnnxRuntime

BASELINE: Final = "mtcnn"
ANCHOR_FREE: Final = ("yunet", "centerface")
SIDES_PX: Final = (320, 480, 640, 1024, 1536)
MIN_FACES_PX: Final = (20, 40)
BUDGETS_MS: Final = (5, 10, 20, 50)
SAMPLING: Final = "half-pixel"
FAMILIES: Final[Mapping[str, tuple[int, bool]]] = {
    "yunet": (0, False),
    "yunet int8": (0, True),
    "centerface": (1, False),
    "centerface int8": (1, True),
    AUTO: (2, False),
    BASELINE: (3, False),
    "facenet-pytorch": (3, True),
    "BlazeFace": (4, False),
    "MediaPipe": (4, True),
    "OpenCV": (5, False),
}
"""The curves: the place of the colour, and whether they are dashed."""
PEER_FAMILIES: Final = {
    "facenet-pytorch": "facenet-pytorch",
    "MediaPipe, short range": "MediaPipe",
    "MediaPipe, full range": "MediaPipe",
    "OpenCV, YuNet": "OpenCV",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A model with its options; ``model`` is its name in the engine, ``family`` its curve."""

    name: str
    family: str
    model: str
    options: DetectOptions = field(default_factory=DetectOptions)


def build_entries(folder: Path, report_step: Callable[[str], None]) -> tuple[Engine, list[Entry]]:
    """Return an engine and all entries.

    Args:
        folder: Folder of the built models.
        report_step: Called with a line for each network whose variant in 8 bits is left out.

    Raises:
        ModelError: A model in float32 is missing or differs from the catalogue.
    """
    detectors = load_detectors(load_catalog(), folder, SAMPLING)
    try:  # as it is served, with the networks in their preferred precision
        served = build_engine(folder, SAMPLING, PHOTOGRAPH_LIMITS, (AUTO,))
    except ModelError as error:
        report_step(f"{AUTO} runs in float32: {error}")
    else:
        detectors[AUTO] = served.detectors[AUTO]
    entries = [*list_fixed_entries()]
    for family, detector in list_anchor_free(detectors, folder, report_step):
        for side in SIDES_PX:
            name = f"{family}, {side} px"
            detectors[name] = resize_detector(detector, side)
            entries.append(Entry(name, family, name))
    return Engine(detectors, PHOTOGRAPH_LIMITS), entries


def list_fixed_entries() -> Iterator[Entry]:
    """Yield the entries of models whose input has one size, the cascade's and the router's."""
    for name in list_model_names(load_catalog()):
        if name == BASELINE:
            for side in MIN_FACES_PX:
                label = name if side == MIN_FACES_PX[0] else f"{name}, faces from {side} px"
                yield Entry(label, name, name, DetectOptions(min_face=side))
        elif name == AUTO:
            yield Entry(name, name, name)
            for budget in BUDGETS_MS:
                yield Entry(f"{name}, {budget} ms", name, name, DetectOptions(budget_ms=budget))
        elif name not in ANCHOR_FREE:
            yield Entry(name, "BlazeFace", name)


def list_anchor_free(
    detectors: Mapping[str, Detector], folder: Path, report_step: Callable[[str], None]
) -> Iterator[tuple[str, AnchorFree]]:
    """Yield family and detector of the models for images of any size, in both precisions."""
    for name in ANCHOR_FREE:
        detector = detectors[name]
        assert isinstance(detector, AnchorFree), "it takes images of any size"
        yield name, detector
        try:
            quantised = load_int8(load_catalog().get_model(name), folder)
        except ModelError as error:
            report_step(f"{name} in 8 bits is left out: {error}")
        else:
            yield f"{name} int8", quantised


def load_int8(model: ModelSpec, folder: Path) -> AnchorFree:
    """Return a model with its network in 8 bits, offered or not.

    Raises:
        ModelError: It is not built, or differs from the catalogue.
    """
    (network,) = model.networks
    (variant,) = network.variants
    runtime = OnnxRuntime()
    detector = DETECTOR_FACTORIES[model.kind](
        replace(model, networks=(variant,)),
        lambda spec: runtime.open(spec, read_network(spec, folder)),
        SAMPLING,
    )
    assert isinstance(detector, AnchorFree), "it takes images of any size"
    return detector


def resize_detector(detector: AnchorFree, side_px: float) -> AnchorFree:
    """Return a detector whose input's longer side has at most so many pixels."""
    return replace(detector, spec=replace(detector.spec, input_size=side_px))
