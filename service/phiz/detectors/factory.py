"""Builds detectors by name from their specs."""

from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Final, TypeAlias

from phiz.detectors import anchor_free, blazeface, mtcnn
from phiz.detectors.anchor_free import AnchorFree, AnchorFreeSpec
from phiz.detectors.anchors import GRIDS_896, GRIDS_2304, build_anchors
from phiz.detectors.blazeface import BlazeFace
from phiz.detectors.detector import Detector
from phiz.detectors.mtcnn import Mtcnn
from phiz.detectors.router import FIRST_MODEL, SEARCH_MODEL, Router, measure_step_costs
from phiz.errors import OptionError
from phiz.image.resample import Sampling
from phiz.models import router_config
from phiz.models.catalog import read_network
from phiz.models.specs import AUTO, Catalog, ModelKind, ModelSpec, NetworkSpec
from phiz.runtime import Runtime, Session
from phiz.runtime.onnx import OnnxRuntime

__all__ = ["LANDMARKS_BY_KIND", "Detector", "list_model_names", "load_detectors"]

CASCADE_MODEL: Final = "mtcnn"  # whose O-Net the router asks
ROUTER_MODELS: Final = (FIRST_MODEL, SEARCH_MODEL, CASCADE_MODEL)
LANDMARKS_BY_KIND: Final[Mapping[ModelKind, tuple[str, ...]]] = {
    "blazeface": blazeface.BLAZEFACE_LANDMARKS,
    "mtcnn": mtcnn.MTCNN_LANDMARKS,
    "yunet": mtcnn.MTCNN_LANDMARKS,
    "centerface": mtcnn.MTCNN_LANDMARKS,
}
"""The landmarks of each kind of model."""
GRIDS_BY_MODEL: Final = {"front": GRIDS_896, "back": GRIDS_896, "full": GRIDS_2304}

OpenNetwork: TypeAlias = Callable[[NetworkSpec], Session]
"""Loads a network."""


def list_model_names(catalog: Catalog) -> tuple[str, ...]:
    """Return the names of all detectors: the face models of the catalogue, and ``auto``."""
    return (*(spec.name for spec in catalog.get_models("face")), AUTO)


def load_detectors(
    catalog: Catalog,
    folder: Path,
    sampling: Sampling,
    wanted: Collection[str] | None = None,
    runtime: Runtime | None = None,
) -> dict[str, Detector]:
    """Return loaded detectors by name.

    Args:
        catalog: The catalogue of models.
        folder: Folder of the built models.
        sampling: How images are resized for BlazeFace.
        wanted: Names of the detectors; None means all.
        runtime: Runtime of the networks; None means onnxruntime on the processor.

    Raises:
        OptionError: A wanted detector does not exist.
        ModelNotBuiltError: A model file does not exist.
        ModelCorruptError: A model file differs from the catalogue.
    """
    known = list_model_names(catalog)
    wanted = known if wanted is None else wanted
    for name in wanted:
        if name not in known:
            raise OptionError(f"model is {name!r}; it must be one of {', '.join(known)}")
    runs = runtime or OnnxRuntime()

    def open_network(spec: NetworkSpec) -> Session:
        return runs.open(spec, read_network(spec, folder))

    needed = {*wanted, *(ROUTER_MODELS if AUTO in wanted else ())}
    loaded: dict[str, Detector] = {
        spec.name: DETECTOR_FACTORIES[spec.kind](spec, open_network, sampling)
        for spec in catalog.get_models("face")
        if spec.name in needed
    }
    if AUTO in wanted:
        loaded[AUTO] = _build_router(loaded)
    return {name: loaded[name] for name in known if name in wanted}


def _build_router(loaded: Mapping[str, Detector]) -> Router:
    networks: dict[str, AnchorFree] = {}
    for name in (FIRST_MODEL, SEARCH_MODEL):
        network = loaded[name]
        assert isinstance(network, AnchorFree), "the router's passes are anchor-free"
        networks[name] = network
    cascade = loaded[CASCADE_MODEL]
    assert isinstance(cascade, Mtcnn), "the cascade of the router is an Mtcnn"
    get_costs = cache(partial(measure_step_costs, networks, cascade))
    return Router(router_config.load_router_config(), networks, cascade, get_costs)


def _build_blazeface(spec: ModelSpec, open_network: OpenNetwork, sampling: Sampling) -> Detector:
    assert spec.input_size is not None, "the catalogue gives every blazeface an input size"
    grids = GRIDS_BY_MODEL[spec.name]
    blazeface_spec = blazeface.BlazeFaceSpec(
        size=spec.input_size,
        cell_px=spec.input_size / max(cells for cells, _ in grids),
        min_score=spec.min_score,
        overlap_limit=spec.thresholds["overlap_limit"],
    )
    session = open_network(spec.networks[0])
    reference = sampling == "reference"
    return BlazeFace(spec.name, blazeface_spec, session, build_anchors(grids), sampling, reference)


def _build_mtcnn(spec: ModelSpec, open_network: OpenNetwork, sampling: Sampling) -> Detector:
    numbers = spec.thresholds
    mtcnn_spec = mtcnn.MtcnnSpec(
        min_face=numbers["min_face"],
        factor=numbers["factor"],
        min_scores=(numbers["pnet_score"], numbers["rnet_score"], spec.min_score),
        level_overlap=numbers["level_overlap"],
        cross_overlap=numbers["cross_overlap"],
        onet_overlap_limit=numbers["onet_overlap_limit"],
    )
    pnet, rnet, onet = (open_network(spec.get_network(name)) for name in ("pnet", "rnet", "onet"))
    return Mtcnn(spec.name, mtcnn_spec, pnet, rnet, onet, sampling == "reference")


def _build_anchor_free(
    decode: anchor_free.Decoder, spec: ModelSpec, open_network: OpenNetwork, sampling: Sampling
) -> Detector:
    numbers = AnchorFreeSpec(min_score=spec.min_score, **spec.thresholds)
    session = open_network(spec.networks[0])
    # Only BlazeFace's original resizes as in the reference mode.
    sampling = "half-pixel" if sampling == "reference" else sampling
    get_cost_s = cache(partial(anchor_free.measure_cost_s, session))
    return AnchorFree(spec.name, numbers, session, decode, sampling, get_cost_s)


DETECTOR_FACTORIES: Final[
    Mapping[ModelKind, Callable[[ModelSpec, OpenNetwork, Sampling], Detector]]
] = {
    "blazeface": _build_blazeface,
    "mtcnn": _build_mtcnn,
    "yunet": partial(_build_anchor_free, anchor_free.decode_yunet),
    "centerface": partial(_build_anchor_free, anchor_free.decode_centerface),
}
