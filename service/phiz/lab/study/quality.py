"""What becomes of a model's answers in each variant: what is run in its own process."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from phiz.classifiers import build_classification_engine
from phiz.errors import ImageError, OptionError
from phiz.faces import RgbImage
from phiz.image.decode import open_image
from phiz.image.lazy import LazyImage
from phiz.image.pixels import unpack_rgb
from phiz.image.synthetic import draw_crowd
from phiz.lab.accuracy.labels import (
    LEVELS,
    PHOTOGRAPH_LIMITS,
    LabelledImage,
    open_photograph,
    read_wider_labels,
)
from phiz.lab.accuracy.photos import TEST_PART, Photo, read_photos
from phiz.lab.study.networks import BuiltNetwork, find_networks, offer_all_precisions
from phiz.lab.timing.bench import (
    ModelMeasurement,
    measure_excess,
    measure_model,
    open_session,
    predict_variants,
    rotate_order,
)
from phiz.models import catalog
from phiz.models.documents import Text
from phiz.models.specs import Catalog, ModelSpec, Precision
from phiz.runtime.variants import REFERENCE_VARIANT, Variant, open_runtime
from phiz.timings import Stopwatch

T = TypeVar("T")

TOP_CLASSES: Final = 5
TIMED_PHOTOGRAPHS: Final = 60  # that whole models are timed on, at even distances
COMPARED_IMAGES: Final = 8  # pictures that numbers are compared on
DRAWN_IMAGES: Final = 8  # pictures of faces, where there are no photographs
DRAWN_SIZE_WH: Final = (960, 720)
DRAWN_CLASS_IMAGES: Final = 40  # pictures to classify, where there are none
# The share of float32's answers that have to stay.
LEAST_AGREEMENT: Final = 0.95


@dataclass(frozen=True, slots=True)
class VariantQuality:
    """The answers of one model in one variant.

    Attributes:
        model: Its name.
        variant: Of all its networks, or of those that are offered in it.
        forms: The precision of each of its networks.
        compared: How many answers the reference gave: classes of pictures, or sure faces.
        agreement: The share of them that this variant gives too.
        accuracy: By name, the share that is right; empty without labelled photographs.
        passes: Whether it may stand in for float32.
        excess: By network, the largest difference of float32 in units of what is allowed.
        visits_ms: The median of each round, of a picture: all stages but decoding, one thread.
    """

    model: Text
    variant: Variant
    forms: Annotated[Mapping[str, Precision], Field(min_length=1)]
    compared: int
    agreement: float
    accuracy: Mapping[str, float] = field(default_factory=dict)
    passes: bool = False
    excess: Mapping[str, float] = field(default_factory=dict)
    visits_ms: tuple[float, ...] = ()

    @property
    def median_ms(self) -> float:
        """Return that of a picture, in the quietest round."""
        return min(self.visits_ms)


def judge_model(folder: Path, data: Path | None, name: str) -> list[VariantQuality]:
    """Return the quality of a model in each variant that this machine has.

    Args:
        folder: Of the built models.
        data: Folder of labelled photographs, ``photos/`` for classes and ``wider/`` for faces.
        name: Of the model.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
        OptionError: The photographs cannot be read.
    """
    known = catalog.load_catalog()
    networks = _find_networks(known, folder, name)
    if networks[0].model.group == "classify":
        return _judge_classes(known, folder, data, networks[0])
    return _judge_faces(offer_all_precisions(known), folder, data, networks)


def time_model(folder: Path, data: Path | None, name: str) -> dict[str, list[float]]:
    """Return the seconds a model takes for each picture, by variant: one thread, no decoding.

    Args:
        folder: Of the built models.
        data: Of labelled photographs, of which some at even distances are taken.
        name: Of the model.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
        OptionError: The photographs cannot be read.
    """
    known = catalog.load_catalog()
    networks = _find_networks(known, folder, name)
    if networks[0].model.group == "classify":
        photos = read_photos(data, TEST_PART) if data else []
        predictions = _predict_classes(known, folder, networks[0], _sample_evenly(photos))
        seconds = {variant: taken for variant, (_, taken) in predictions.items()}
    else:
        offered = offer_all_precisions(known)
        labels = _sample_evenly(read_wider_labels(data) if data else [])
        variants = _list_variants(offered, networks)
        found, _ = predict_variants(
            offered, folder, name, variants, _iterate_labelled_images(labels)
        )
        seconds = {variant: each.seconds for variant, each in found.items()}
    return {str(variant): taken for variant, taken in seconds.items()}


def _find_networks(known: Catalog, folder: Path, name: str) -> list[BuiltNetwork]:
    return [each for each in find_networks(known, folder) if each.model.name == name]


def _judge_classes(
    known: Catalog, folder: Path, data: Path | None, network: BuiltNetwork
) -> list[VariantQuality]:
    name = network.model.name
    photos = read_photos(data, TEST_PART) if data else []
    truth = np.array([photo.class_index for photo in photos])  # (N,)
    predictions = _predict_classes(known, folder, network, photos)
    reference, _ = predictions[REFERENCE_VARIANT]  # (N, TOP)
    return [
        VariantQuality(
            name,
            variant,
            {network.spec.name: variant.network_precision},
            compared=len(found),
            agreement=(agreement := float(np.mean(found[:, 0] == reference[:, 0]))),
            accuracy=_compute_accuracy(found, truth) if photos else {},
            passes=agreement >= LEAST_AGREEMENT or (is_verified(variant) and not photos),
        )
        for variant, (found, _) in predictions.items()
    ]


def _predict_classes(
    known: Catalog, folder: Path, network: BuiltNetwork, photos: Sequence[Photo]
) -> dict[Variant, tuple[NDArray[np.intp], list[float]]]:
    """Return the best classes (N, TOP) of pictures, and the seconds without decoding each."""
    classifiers = {}
    for variant in network.variants:
        name, precision, runtime = (
            network.model.name,
            variant.network_precision,
            open_runtime(variant),
        )
        classifiers[variant] = build_classification_engine(
            known, folder, PHOTOGRAPH_LIMITS, name, precision, runtime
        ).classifier
    found: dict[Variant, list[list[int]]] = {variant: [] for variant in classifiers}
    seconds: dict[Variant, list[float]] = {variant: [] for variant in classifiers}
    for turn, image in enumerate(_iterate_images(photos)):
        for variant in rotate_order(network.variants, turn):
            stopwatch = Stopwatch()
            classes = classifiers[variant].classify(image, TOP_CLASSES, stopwatch)
            timings = stopwatch.to_timings()
            found[variant].append([each.index for each in classes])
            seconds[variant].append(timings.total_s - timings.stages.get("decode", 0.0))
    return {variant: (np.array(found[variant]), seconds[variant]) for variant in classifiers}


def is_verified(variant: Variant) -> bool:
    """Return whether a classifier in a variant was held against float32 on photographs once.

    That is so of what the catalogue offers, in onnxruntime. Drawn pictures are like nothing that
    classifiers know: between classes that are equally unlikely, 8 bits choose another.
    """
    return variant == Variant("onnxruntime", "int8")


def _compute_accuracy(found: NDArray[np.intp], truth: NDArray[np.intp]) -> dict[str, float]:
    hits = found == truth[:, None]  # (N, TOP)
    return {"top-1": float(hits[:, 0].mean()), f"top-{TOP_CLASSES}": float(hits.any(axis=1).mean())}


def _iterate_images(photos: Sequence[Photo]) -> Iterator[LazyImage]:
    """Yield the photographs, or drawn pictures where there are none."""
    for photo in photos:
        try:
            yield open_image(photo.path.read_bytes(), PHOTOGRAPH_LIMITS)
        except (OSError, ImageError) as error:
            raise OptionError(f"the photograph {photo.path} cannot be read: {error}") from error
    for seed in range(0 if photos else DRAWN_CLASS_IMAGES):
        yield LazyImage.from_array(draw_crowd(*DRAWN_SIZE_WH, seed))


def _judge_faces(
    known: Catalog, folder: Path, data: Path | None, networks: Sequence[BuiltNetwork]
) -> list[VariantQuality]:
    name = networks[0].model.name
    labels = read_wider_labels(data) if data else []
    measured = measure_model(
        known, folder, name, _list_variants(known, networks), _iterate_labelled_images(labels)
    )
    images = [
        unpack_rgb(image.decode_full())
        for image, _ in _iterate_labelled_images(_sample_evenly(labels)[:COMPARED_IMAGES])
    ]
    excess = [_measure_excess(network, folder, images) for network in networks]
    return [
        VariantQuality(
            name,
            variant,
            {
                spec.name: spec.precision
                for spec in known.with_precision(variant.network_precision).get_model(name).networks
            },
            compared=figures.change.faces,
            agreement=figures.change.kept / max(1, figures.change.faces),
            accuracy={f"AP {level}": figures.precision[level] for level in LEVELS if labels},
            passes=_can_replace_reference(
                variant, figures, [each[variant] for each in excess if variant in each]
            ),
            excess={
                network.spec.name: each[variant]
                for network, each in zip(networks, excess, strict=True)
                if variant in each
            },
        )
        for variant, figures in measured.items()
    ]


def _list_variants(known: Catalog, networks: Sequence[BuiltNetwork]) -> list[Variant]:
    """Return in what a model can be run as a whole."""
    name = networks[0].model.name
    return [
        variant
        for variant in dict.fromkeys(each for network in networks for each in network.variants)
        if _is_built(
            known.with_precision(variant.network_precision).get_model(name), variant, networks
        )
    ]


def _sample_evenly(items: Sequence[T]) -> Sequence[T]:
    """Return some at even distances."""
    count = min(len(items), TIMED_PHOTOGRAPHS)
    return [items[place * len(items) // count] for place in range(count)]


def _is_built(model: ModelSpec, variant: Variant, networks: Sequence[BuiltNetwork]) -> bool:
    """Return whether a model's networks are there in their precisions, one in the variant's."""
    precisions = {spec.name: spec.precision for spec in model.networks}
    return variant.network_precision in precisions.values() and all(
        precisions[network.spec.name] in network.specs for network in networks
    )


def _iterate_labelled_images(
    labels: Sequence[LabelledImage],
) -> Iterator[tuple[LazyImage, LabelledImage | None]]:
    """Yield the photographs with their labels, or drawn pictures where there are none."""
    for label in labels:
        yield open_photograph(label, PHOTOGRAPH_LIMITS), label
    for seed in range(0 if labels else DRAWN_IMAGES):
        yield LazyImage.from_array(draw_crowd(*DRAWN_SIZE_WH, seed)), None


def _measure_excess(
    network: BuiltNetwork, folder: Path, images: Sequence[RgbImage]
) -> dict[Variant, float]:
    """Return by variant of float32 how far a network's numbers are from the reference's."""
    loaded = network.read(folder)
    sessions = {
        variant: open_session(loaded, (variant, 1))
        for variant in network.variants
        if variant.precision == "float32"
    }
    return measure_excess(loaded, sessions, images)


def _can_replace_reference(
    variant: Variant, measurement: ModelMeasurement, excess: Sequence[float]
) -> bool:
    if variant.precision == "float32":
        return all(each <= 1 for each in excess)
    return measurement.change.passes
