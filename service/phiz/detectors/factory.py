"""Detectors by name, made from their cards."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Final, TypeAlias

from phiz.detectors import blazeface, mtcnn
from phiz.detectors.anchors import GRIDS_896, GRIDS_2304, anchors
from phiz.detectors.blazeface import BlazeFace
from phiz.detectors.detector import Detector
from phiz.detectors.fusion import CASCADE
from phiz.detectors.mtcnn import Mtcnn
from phiz.detectors.router import Auto
from phiz.detectors.time_budget import measure_costs
from phiz.errors import OptionError
from phiz.image.resample import Sampling
from phiz.models import router_config
from phiz.models.catalog import read_network
from phiz.models.specs import Catalog, Kind, ModelCard, NetworkCard
from phiz.runtime import Runtime, Session
from phiz.runtime.onnx import OnnxRuntime

__all__ = ["AUTO", "LANDMARKS", "Detector", "load", "names"]

AUTO: Final = "auto"
GLANCES: Final = ("back", "full", "front")  # of the router, the strongest first
LANDMARKS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "blazeface": blazeface.LANDMARKS,
    "mtcnn": mtcnn.LANDMARKS,
}
"""What each kind of model finds in a face."""
GRIDS: Final = {"front": GRIDS_896, "back": GRIDS_896, "full": GRIDS_2304}

Open: TypeAlias = Callable[[NetworkCard], Session]
"""Loads a network."""


def names(catalog: Catalog) -> tuple[str, ...]:
    """Return what a caller may ask for: the face models of the catalogue, and ``auto``."""
    return (*(card.name for card in catalog.group("face")), AUTO)


def load(
    catalog: Catalog,
    folder: Path,
    sampling: Sampling,
    wanted: Collection[str] | None = None,
    runtime: Runtime | None = None,
) -> dict[str, Detector]:
    """Return loaded detectors by name.

    Args:
        catalog: What there is.
        folder: Where the built models lie.
        sampling: How pictures are resized for BlazeFace.
        wanted: Which detectors; None means all.
        runtime: What runs the networks; None means onnxruntime on the processor.

    Raises:
        OptionError: One that is wanted does not exist.
        ModelNotBuiltError: A model's file is not there.
        ModelCorruptError: A model's file is not the one that the catalogue names.
    """
    known = names(catalog)
    wanted = known if wanted is None else wanted
    for name in wanted:
        if name not in known:
            raise OptionError(f"model is {name!r}; it must be one of {', '.join(known)}")

    runs = OnnxRuntime() if runtime is None else runtime

    def open_network(card: NetworkCard) -> Session:
        return runs.open(card, read_network(card, folder))

    needed = {*wanted, *((*GLANCES, CASCADE) if AUTO in wanted else ())}
    loaded: dict[str, Detector] = {
        card.name: KINDS[card.kind](card, open_network, sampling)
        for card in catalog.group("face")
        if card.name in needed
    }
    if AUTO in wanted:
        loaded[AUTO] = _auto(loaded)
    return {name: loaded[name] for name in known if name in wanted}


def _auto(loaded: Mapping[str, Detector]) -> Auto:
    card = router_config.load()
    glances: dict[str, BlazeFace] = {}
    for name in GLANCES:
        glance = loaded[name]
        assert isinstance(glance, BlazeFace), "the router glances with BlazeFace"
        glances[name] = glance
    cascade = loaded[CASCADE]
    assert isinstance(cascade, Mtcnn), "the router climbs with the cascade"
    spec = replace(cascade.spec, factor=card.factor, min_scores=card.min_scores)
    cascade = replace(cascade, spec=spec)
    return Auto(card, glances, cascade, cache(partial(measure_costs, glances, cascade)))


def _blazeface(card: ModelCard, open_network: Open, sampling: Sampling) -> Detector:
    assert card.input_size is not None, "the catalogue gives every blazeface its input size"
    grids = GRIDS[card.name]
    spec = blazeface.Spec(
        size=card.input_size,
        cell=card.input_size / max(cells for cells, _ in grids),
        min_score=card.min_score,
        overlap_limit=card.thresholds["overlap_limit"],
    )
    session = open_network(card.networks[0])
    faithful = sampling == "reference"
    return BlazeFace(card.name, spec, session, anchors(grids), sampling, faithful)


def _mtcnn(card: ModelCard, open_network: Open, sampling: Sampling) -> Detector:
    numbers = card.thresholds
    spec = mtcnn.Spec(
        min_face=numbers["min_face"],
        factor=numbers["factor"],
        min_scores=(numbers["pnet_score"], numbers["rnet_score"], card.min_score),
        level_overlap=numbers["level_overlap"],
        cross_overlap=numbers["cross_overlap"],
        min_overlap=numbers["min_overlap"],
    )
    pnet, rnet, onet = (open_network(card.network(name)) for name in ("pnet", "rnet", "onet"))
    return Mtcnn(card.name, spec, pnet, rnet, onet, sampling == "reference")


KINDS: Final[Mapping[Kind, Callable[[ModelCard, Open, Sampling], Detector]]] = {
    "blazeface": _blazeface,
    "mtcnn": _mtcnn,
}
