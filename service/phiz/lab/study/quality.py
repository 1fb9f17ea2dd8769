"""The quality of a model's answers in each variant; a process of its own measures it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from phiz.faces import Face, RgbImage
from phiz.image.pixels import unpack_rgb
from phiz.lab.accuracy.gates import AccuracyChange, compute_excess, count_kept
from phiz.lab.accuracy.labels import LEVELS, LabelledImage, read_wider_labels
from phiz.lab.accuracy.photos import TEST_PART, Photo, read_photos
from phiz.lab.accuracy.precision import (
    compute_average_precision,
    judge_detections,
    merge_judgements,
)
from phiz.lab.accuracy.predictions import to_boxes, to_scores
from phiz.lab.study.inference import (
    TOP_CLASSES,
    classify_in_variants,
    detect_in_variants,
    list_model_variants,
)
from phiz.lab.study.networks import BuiltNetwork
from phiz.lab.study.photographs import open_photographs, sample_evenly
from phiz.lab.study.workloads import make_parity_inputs
from phiz.models.documents import Text
from phiz.models.specs import Precision
from phiz.runtime.variants import REFERENCE_VARIANT, Variant

TIMED_PHOTOGRAPHS: Final = 60  # that whole models are timed on
COMPARED_IMAGES: Final = 8  # that numbers are compared on
DRAWN_IMAGES: Final = 8  # of faces, where there are no photographs
DRAWN_CLASS_IMAGES: Final = 40  # to classify, where there are no photographs
# The share of float32's classes that has to stay.
LEAST_AGREEMENT: Final = 0.95


@dataclass(frozen=True, slots=True)
class VariantQuality:
    """The quality of one model in one variant.

    Attributes:
        model: Name of the model.
        variant: Variant of all its networks, or of those that are offered in it.
        forms: Precision of each of its networks.
        compared: Number of the reference's answers: classes of images, or sure faces.
        agreement: Share of these that this variant gives too.
        accuracy: Share that is right, by name; empty without labelled photographs.
        passes: Whether it may replace float32.
        excess: Largest difference from the reference, by network, in units of the tolerance.
        visits_ms: Median of each round for an image: all stages but decoding, one thread.
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
        """Return the median of the quietest round."""
        return min(self.visits_ms)

    def compare_faces(self, reference: "VariantQuality") -> AccuracyChange:
        """Return how the faces of a face model differ from the reference's."""
        return AccuracyChange(
            faces=self.compared,
            kept=round(self.agreement * self.compared),
            precision_loss={
                name.removeprefix("AP "): reference.accuracy[name] - share
                for name, share in self.accuracy.items()
            },
        )


def judge_model(data: Path | None, networks: Sequence[BuiltNetwork]) -> list[VariantQuality]:
    """Return the quality of a model in each variant that this machine has.

    Args:
        data: Folder of labelled photographs, ``photos/`` for classes and ``wider/`` for faces.
        networks: All networks of the model.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
        OptionError: The photographs cannot be read.
    """
    if networks[0].model.group == "classify":
        return _judge_classes(networks[0], _read_photos(data))
    return _judge_faces(networks, _read_labels(data))


def time_model(data: Path | None, networks: Sequence[BuiltNetwork]) -> dict[str, list[float]]:
    """Return the seconds a model takes for each image, by variant: one thread, no decoding.

    Args:
        data: Folder of labelled photographs; some at even distances are taken.
        networks: All networks of the model.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
        OptionError: The photographs cannot be read.
    """
    if networks[0].model.group == "classify":
        photos = sample_evenly(_read_photos(data), TIMED_PHOTOGRAPHS)
        classes = classify_in_variants(networks[0], open_photographs(photos, DRAWN_CLASS_IMAGES))
        return {str(variant): each.seconds for variant, each in classes.items()}
    labels = sample_evenly(_read_labels(data), TIMED_PHOTOGRAPHS)
    faces = detect_in_variants(networks, open_photographs(labels, DRAWN_IMAGES))
    return {str(variant): each.seconds for variant, each in faces.items()}


def measure_excess(network: BuiltNetwork, images: Sequence[RgbImage]) -> dict[Variant, float]:
    """Return the largest difference from the reference in units of the tolerance, by variant.

    Args:
        network: The network.
        images: (H, W, 3) each, with faces, to compare the variants on.
    """
    sessions = {variant: network.open(variant) for variant in network.variants}
    batches = list(make_parity_inputs(network.model, network.spec.architecture, images))
    expected = [sessions[REFERENCE_VARIANT].run(batch) for batch in batches]
    return {
        # numpy's maximum, for which NaN is the largest
        variant: float(
            np.max(
                [
                    compute_excess(session.run(batch), answer)
                    for batch, answer in zip(batches, expected, strict=True)
                ]
            )
        )
        for variant, session in sessions.items()
    }


def is_verified(variant: Variant) -> bool:
    """Return whether a classifier in a variant was held against float32 on photographs once.

    The precisions that the catalogue offers were, in onnxruntime. Drawn images are like nothing
    that classifiers know: between classes that are equally unlikely, 8 bits choose another.
    """
    return variant == Variant("onnxruntime", "int8")


def _read_photos(data: Path | None) -> list[Photo]:
    return read_photos(data, TEST_PART) if data else []


def _read_labels(data: Path | None) -> list[LabelledImage]:
    return read_wider_labels(data) if data else []


def _judge_classes(network: BuiltNetwork, photos: Sequence[Photo]) -> list[VariantQuality]:
    truth = np.array([photo.class_index for photo in photos])  # (N,)
    given = classify_in_variants(network, open_photographs(photos, DRAWN_CLASS_IMAGES))
    classes = {variant: np.array(each.answers) for variant, each in given.items()}  # (N, TOP)
    reference = classes[REFERENCE_VARIANT]
    return [
        VariantQuality(
            network.model.name,
            variant,
            {network.spec.name: variant.network_precision},
            compared=len(found),
            agreement=(agreement := float(np.mean(found[:, 0] == reference[:, 0]))),
            accuracy=_compute_accuracy(found, truth) if photos else {},
            passes=agreement >= LEAST_AGREEMENT or (is_verified(variant) and not photos),
        )
        for variant, found in classes.items()
    ]


def _compute_accuracy(found: NDArray[np.intp], truth: NDArray[np.intp]) -> dict[str, float]:
    hits = found == truth[:, None]  # (N, TOP)
    return {"top-1": float(hits[:, 0].mean()), f"top-{TOP_CLASSES}": float(hits.any(axis=1).mean())}


def _judge_faces(
    networks: Sequence[BuiltNetwork], labels: Sequence[LabelledImage]
) -> list[VariantQuality]:
    given = detect_in_variants(networks, open_photographs(labels, DRAWN_IMAGES))
    few = sample_evenly(sample_evenly(labels, TIMED_PHOTOGRAPHS), COMPARED_IMAGES)
    images = [unpack_rgb(image.decode_full()) for image in open_photographs(few, DRAWN_IMAGES)]
    excess = {network.spec.name: measure_excess(network, images) for network in networks}
    expected = given[REFERENCE_VARIANT].answers
    qualities = []
    for variant, model in list_model_variants(networks).items():
        found = given[variant].answers
        faces, kept = _count_kept(found, expected)
        quality = VariantQuality(
            model.name,
            variant,
            {spec.name: spec.precision for spec in model.networks},
            compared=faces,
            agreement=kept / max(1, faces),
            accuracy={
                f"AP {level}": _compute_precision(found, labels, level)
                for level in (LEVELS if labels else ())
            },
            excess={name: each[variant] for name, each in excess.items() if variant in each},
        )
        qualities.append(quality)
    return [replace(each, passes=_is_as_good(each, qualities[0])) for each in qualities]


def _is_as_good(quality: VariantQuality, reference: VariantQuality) -> bool:
    """Return whether a face model in a variant may replace the reference."""
    if quality.variant.precision == "float32":
        return all(each <= 1 for each in quality.excess.values())
    return quality.compare_faces(reference).passes


def _count_kept(
    found: Sequence[Sequence[Face]], expected: Sequence[Sequence[Face]]
) -> tuple[int, int]:
    """Return how many faces the reference is sure of, and how many have a counterpart."""
    counts = [
        count_kept(to_boxes(faces), to_boxes(reference), to_scores(reference))
        for faces, reference in zip(found, expected, strict=True)
    ]
    return sum(faces for faces, _ in counts), sum(kept for _, kept in counts)


def _compute_precision(
    found: Sequence[Sequence[Face]], labels: Sequence[LabelledImage], level: str
) -> float:
    judged = [
        judge_detections(to_boxes(faces), to_scores(faces), label.faces, label.counted[level])
        for faces, label in zip(found, labels, strict=True)
    ]
    return compute_average_precision(merge_judgements(judged))
