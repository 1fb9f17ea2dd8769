"""What becomes of a model's answers in each variant: what is run in its own process."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phiz import catalog
from phiz.cards import Catalog, ModelCard
from phiz.classifiers import Classifier, load
from phiz.errors import ImageError, OptionError
from phiz.faces import Image
from phiz.image import open_picture
from phiz.measure.bench import ModelFigures, measure_excess, measure_model, open_session
from phiz.measure.labels import LEVELS, LIMITS, Labelled, open_photograph, read_labels
from phiz.measure.photos import JUDGED, Photo, read_photos
from phiz.picture import Picture, rgb
from phiz.runtime.variants import REFERENCE, Variant, open_runtime
from phiz.scenes import draw_crowd
from phiz.study.subjects import Subject, find_subjects, offer_all
from phiz.timings import Stopwatch

TOP: Final = 5
PHOTOGRAPHS: Final = 60  # of faces, at even distances
COMPARED: Final = 8  # pictures that numbers are compared on
DRAWN: Final = 8  # pictures of faces, where there are no photographs
DRAWN_SIZE_WH: Final = (960, 720)
DRAWN_CLASSES: Final = 40  # pictures to classify, where there are none
# The share of float32's answers that have to stay.
LEAST_AGREEMENT: Final = 0.95


@dataclass(frozen=True, slots=True)
class Quality:
    """The answers of one model in one variant.

    Attributes:
        model: Its name.
        variant: Of all its networks, or of those that are offered in it.
        median_ms: Of a picture, all stages but decoding, one thread; in the quietest visit.
        visits_ms: That of each visit.
        compared: How many answers the reference gave: classes of pictures, or sure faces.
        agreement: The share of them that this variant gives too.
        accuracy: By name, the share that is right; empty without labelled photographs.
        passes: Whether it may stand in for float32.
        excess: By network, the largest difference of float32 in units of what is allowed.
    """

    model: str
    variant: Variant
    median_ms: float
    visits_ms: tuple[float, ...]
    compared: int
    agreement: float
    accuracy: Mapping[str, float] = field(default_factory=dict)
    passes: bool = False
    excess: Mapping[str, float] = field(default_factory=dict)


def judge(folder: Path, data: Path | None, name: str) -> list[Quality]:
    """Return the quality of a model in each variant that this machine has.

    Args:
        folder: Of the built models.
        data: Folder of labelled photographs, ``photos/`` for classes and ``wider/`` for faces.
        name: Of the model.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
        OptionError: The photographs cannot be read.
    """
    known = catalog.load()
    model = known.model(name)
    subjects = [each for each in find_subjects(known, folder) if each.model.name == name]
    if model.group == "classify":
        return _judge_classes(known, folder, data, subjects[0])
    return _judge_faces(offer_all(known), folder, data, subjects)


def _judge_classes(
    known: Catalog, folder: Path, data: Path | None, subject: Subject
) -> list[Quality]:
    name = subject.model.name
    photos = read_photos(data, JUDGED) if data else []
    truth = np.array([photo.class_index for photo in photos])  # (N,)
    answers = {}
    for variant in subject.variants:
        loaded = load(known, folder, LIMITS, {(name, variant.form)}, open_runtime(variant))
        answers[variant] = _answer(loaded.find(name, variant.form), photos)
    (reference, _) = answers[REFERENCE]  # (N, TOP)
    return [
        Quality(
            name,
            variant,
            median_ms=(median_ms := 1000 * float(np.median(seconds))),
            visits_ms=(median_ms,),
            compared=len(found),
            agreement=(agreement := float(np.mean(found[:, 0] == reference[:, 0]))),
            accuracy=_shares(found, truth) if photos else {},
            passes=agreement >= LEAST_AGREEMENT or (is_vouched_for(variant) and not photos),
        )
        for variant, (found, seconds) in answers.items()
    ]


def is_vouched_for(variant: Variant) -> bool:
    """Return whether a classifier in a variant was held against float32 on photographs once.

    That is so of what the catalogue offers, in onnxruntime. Drawn pictures are like nothing that
    classifiers know: between classes that are equally unlikely, 8 bits choose another.
    """
    return variant == Variant("onnxruntime", "int8")


def _shares(found: NDArray[np.intp], truth: NDArray[np.intp]) -> dict[str, float]:
    hits = found == truth[:, None]  # (N, TOP)
    return {"top-1": float(hits[:, 0].mean()), f"top-{TOP}": float(hits.any(axis=1).mean())}


def _answer(
    classifier: Classifier, photos: Sequence[Photo]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the best classes (N, TOP) of pictures, and the seconds (N,) without decoding."""
    found, seconds = [], []
    for picture in _pictures(photos):
        stopwatch = Stopwatch()
        classes = classifier.classify(picture, TOP, stopwatch)
        timings = stopwatch.timings()
        found.append([each.index for each in classes])
        seconds.append(timings.total_s - timings.stages["decode"])
    return np.array(found), np.array(seconds)


def _pictures(photos: Sequence[Photo]) -> Iterator[Picture]:
    """Yield the photographs, or drawn pictures where there are none."""
    for photo in photos:
        try:
            yield open_picture(photo.path.read_bytes(), LIMITS)
        except (OSError, ImageError) as error:
            raise OptionError(f"the photograph {photo.path} cannot be read: {error}") from error
    for seed in range(0 if photos else DRAWN_CLASSES):
        yield Picture.of(draw_crowd(*DRAWN_SIZE_WH, seed))


def _judge_faces(
    known: Catalog, folder: Path, data: Path | None, subjects: Sequence[Subject]
) -> list[Quality]:
    name = subjects[0].model.name
    variants = [
        variant
        for variant in dict.fromkeys(each for subject in subjects for each in subject.variants)
        if _is_built(known.in_form(variant.form).model(name), variant, subjects)
    ]
    labels = read_labels(data) if data else []
    labels = labels[:: max(1, len(labels) // PHOTOGRAPHS)]
    measured = measure_model(known, folder, name, variants, _faces(labels))
    pictures = [rgb(picture.whole()) for picture, _ in _faces(labels[:COMPARED])]
    excess = [_excess(subject, folder, pictures) for subject in subjects]
    return [
        Quality(
            name,
            variant,
            figures.median_ms,
            (figures.median_ms,),
            compared=figures.change.faces,
            agreement=figures.change.kept / max(1, figures.change.faces),
            accuracy={f"AP {level}": figures.precision[level] for level in LEVELS if labels},
            passes=_passes(variant, figures, [each[variant] for each in excess if variant in each]),
            excess={
                subject.card.name: each[variant]
                for subject, each in zip(subjects, excess, strict=True)
                if variant in each
            },
        )
        for variant, figures in measured.items()
    ]


def _is_built(model: ModelCard, variant: Variant, subjects: Sequence[Subject]) -> bool:
    """Return whether a model's networks are there in their forms, one of them in the variant's."""
    forms = {card.name: card.form for card in model.networks}
    return variant.form in forms.values() and all(
        forms[subject.card.name] in subject.files for subject in subjects
    )


def _faces(labels: Sequence[Labelled]) -> Iterator[tuple[Picture, Labelled | None]]:
    """Yield the photographs with their labels, or drawn pictures where there are none."""
    for label in labels:
        yield open_photograph(label, LIMITS), label
    for seed in range(0 if labels else DRAWN):
        yield Picture.of(draw_crowd(*DRAWN_SIZE_WH, seed)), None


def _excess(subject: Subject, folder: Path, pictures: Sequence[Image]) -> dict[Variant, float]:
    """Return by variant of float32 how far a network's numbers are from the reference's."""
    network = subject.read(folder)
    sessions = {
        variant: open_session(network, (variant, 1))
        for variant in subject.variants
        if variant.precision == "float32"
    }
    return measure_excess(network, sessions, pictures)


def _passes(variant: Variant, figures: ModelFigures, excess: Sequence[float]) -> bool:
    if variant.precision == "float32":
        return all(each <= 1 for each in excess)
    return figures.change.passes
