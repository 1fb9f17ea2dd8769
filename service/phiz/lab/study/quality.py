"""What becomes of a model's answers in each variant: what is run in its own process."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from phiz.classifiers import load
from phiz.errors import ImageError, OptionError
from phiz.faces import Image
from phiz.image.decode import open_picture
from phiz.image.lazy import Picture
from phiz.image.pixels import rgb
from phiz.image.synthetic import draw_crowd
from phiz.lab.accuracy.labels import LEVELS, LIMITS, Labelled, open_photograph, read_labels
from phiz.lab.accuracy.photos import JUDGED, Photo, read_photos
from phiz.lab.study.networks import Subject, find_subjects, offer_all
from phiz.lab.timing.bench import (
    ModelFigures,
    answer,
    measure_excess,
    measure_model,
    open_session,
    rotated,
)
from phiz.models import catalog
from phiz.models.specs import Catalog, Form, ModelCard
from phiz.runtime.variants import REFERENCE, Variant, open_runtime
from phiz.timings import Stopwatch

T = TypeVar("T")

TOP: Final = 5
PHOTOGRAPHS: Final = 60  # that whole models are timed on, at even distances
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
        forms: The form of each of its networks.
        compared: How many answers the reference gave: classes of pictures, or sure faces.
        agreement: The share of them that this variant gives too.
        accuracy: By name, the share that is right; empty without labelled photographs.
        passes: Whether it may stand in for float32.
        excess: By network, the largest difference of float32 in units of what is allowed.
        visits_ms: The median of each visit, of a picture: all stages but decoding, one thread.
    """

    model: str
    variant: Variant
    forms: Mapping[str, Form]
    compared: int
    agreement: float
    accuracy: Mapping[str, float] = field(default_factory=dict)
    passes: bool = False
    excess: Mapping[str, float] = field(default_factory=dict)
    visits_ms: tuple[float, ...] = ()

    @property
    def median_ms(self) -> float:
        """Return that of a picture, in the quietest visit."""
        return min(self.visits_ms)


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
    subjects = _subjects(known, folder, name)
    if subjects[0].model.group == "classify":
        return _judge_classes(known, folder, data, subjects[0])
    return _judge_faces(offer_all(known), folder, data, subjects)


def pace(folder: Path, data: Path | None, name: str) -> dict[str, list[float]]:
    """Return the seconds a model takes for each picture, by variant: one thread, no decoding.

    Args:
        folder: Of the built models.
        data: Of labelled photographs, of which some at even distances are taken.
        name: Of the model.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
        OptionError: The photographs cannot be read.
    """
    known = catalog.load()
    subjects = _subjects(known, folder, name)
    if subjects[0].model.group == "classify":
        photos = read_photos(data, JUDGED) if data else []
        answers = _answer_classes(known, folder, subjects[0], _some(photos))
        seconds = {variant: taken for variant, (_, taken) in answers.items()}
    else:
        offered = offer_all(known)
        labels = _some(read_labels(data) if data else [])
        variants = _variants(offered, subjects)
        found, _ = answer(offered, folder, name, variants, _faces(labels))
        seconds = {variant: each.seconds for variant, each in found.items()}
    return {str(variant): taken for variant, taken in seconds.items()}


def _subjects(known: Catalog, folder: Path, name: str) -> list[Subject]:
    return [each for each in find_subjects(known, folder) if each.model.name == name]


def _judge_classes(
    known: Catalog, folder: Path, data: Path | None, subject: Subject
) -> list[Quality]:
    name = subject.model.name
    photos = read_photos(data, JUDGED) if data else []
    truth = np.array([photo.class_index for photo in photos])  # (N,)
    answers = _answer_classes(known, folder, subject, photos)
    reference, _ = answers[REFERENCE]  # (N, TOP)
    return [
        Quality(
            name,
            variant,
            {subject.card.name: variant.form},
            compared=len(found),
            agreement=(agreement := float(np.mean(found[:, 0] == reference[:, 0]))),
            accuracy=_shares(found, truth) if photos else {},
            passes=agreement >= LEAST_AGREEMENT or (is_vouched_for(variant) and not photos),
        )
        for variant, (found, _) in answers.items()
    ]


def _answer_classes(
    known: Catalog, folder: Path, subject: Subject, photos: Sequence[Photo]
) -> dict[Variant, tuple[NDArray[np.intp], list[float]]]:
    """Return the best classes (N, TOP) of pictures, and the seconds without decoding each."""
    classifiers = {}
    for variant in subject.variants:
        chosen = {(subject.model.name, variant.form)}
        loaded = load(known, folder, LIMITS, chosen, open_runtime(variant))
        classifiers[variant] = loaded.find(subject.model.name, variant.form)
    found: dict[Variant, list[list[int]]] = {variant: [] for variant in classifiers}
    seconds: dict[Variant, list[float]] = {variant: [] for variant in classifiers}
    for turn, picture in enumerate(_pictures(photos)):
        for variant in rotated(subject.variants, turn):
            stopwatch = Stopwatch()
            classes = classifiers[variant].classify(picture, TOP, stopwatch)
            timings = stopwatch.timings()
            found[variant].append([each.index for each in classes])
            seconds[variant].append(timings.total_s - timings.stages.get("decode", 0.0))
    return {variant: (np.array(found[variant]), seconds[variant]) for variant in classifiers}


def is_vouched_for(variant: Variant) -> bool:
    """Return whether a classifier in a variant was held against float32 on photographs once.

    That is so of what the catalogue offers, in onnxruntime. Drawn pictures are like nothing that
    classifiers know: between classes that are equally unlikely, 8 bits choose another.
    """
    return variant == Variant("onnxruntime", "int8")


def _shares(found: NDArray[np.intp], truth: NDArray[np.intp]) -> dict[str, float]:
    hits = found == truth[:, None]  # (N, TOP)
    return {"top-1": float(hits[:, 0].mean()), f"top-{TOP}": float(hits.any(axis=1).mean())}


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
    labels = read_labels(data) if data else []
    measured = measure_model(known, folder, name, _variants(known, subjects), _faces(labels))
    pictures = [rgb(picture.whole()) for picture, _ in _faces(_some(labels)[:COMPARED])]
    excess = [_excess(subject, folder, pictures) for subject in subjects]
    return [
        Quality(
            name,
            variant,
            {card.name: card.form for card in known.in_form(variant.form).model(name).networks},
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


def _variants(known: Catalog, subjects: Sequence[Subject]) -> list[Variant]:
    """Return in what a model can be run as a whole."""
    name = subjects[0].model.name
    return [
        variant
        for variant in dict.fromkeys(each for subject in subjects for each in subject.variants)
        if _is_built(known.in_form(variant.form).model(name), variant, subjects)
    ]


def _some(all_of_them: Sequence[T]) -> Sequence[T]:
    """Return some at even distances."""
    count = min(len(all_of_them), PHOTOGRAPHS)
    return [all_of_them[place * len(all_of_them) // count] for place in range(count)]


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
