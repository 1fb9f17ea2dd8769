"""What a study chooses for each network of the service, for its profile."""

from collections.abc import Mapping, Sequence

from phiz.lab.accuracy.gates import fastest
from phiz.lab.study.networks import Subject
from phiz.lab.study.quality import Quality
from phiz.lab.study.record import Figures
from phiz.runtime.profile import Choice
from phiz.runtime.variants import REFERENCE, Variant, version_of


def choose(
    subjects: Sequence[Subject], figures: Sequence[Figures], qualities: Sequence[Quality]
) -> dict[str, Choice]:
    """Return by network the fastest variant, one picture on one thread, that passes its gate.

    Classifiers always run in onnxruntime; of the others, 8 bits only where they are offered.

    Args:
        subjects: The networks.
        figures: Of all combinations.
        qualities: Of all models.
    """
    plain = {
        (each.combination.network, each.combination.variant): each.median_ms
        for each in figures
        if each.combination.is_plain
    }
    judged = {(each.model, each.variant): each for each in qualities}
    return {
        subject.card.name: _choose(subject, plain, judged)
        for subject in subjects
        if (subject.model.name, REFERENCE) in judged
    }


def _choose(
    subject: Subject,
    times_ms: Mapping[tuple[str, Variant], float],
    judged: Mapping[tuple[str, Variant], Quality],
) -> Choice:
    name = subject.card.name
    variants = [each for each in subject.variants if _is_served(subject, each)]
    taken_ms = [times_ms[name, variant] for variant in variants]
    passing = [_passes(subject, variant, judged) for variant in variants]
    best = fastest(taken_ms, passing)
    variant = variants[best]
    version = version_of(variant.runtime)
    assert version is not None, "what was measured is installed"
    sha256 = subject.card.in_form(variant.form).sha256
    return Choice(sha256, variant, version, taken_ms[best], taken_ms[0])


def _is_served(subject: Subject, variant: Variant) -> bool:
    if subject.model.group == "classify" and variant.runtime != "onnxruntime":
        return False
    return subject.card.in_form(variant.form).form == variant.form


def _passes(
    subject: Subject, variant: Variant, judged: Mapping[tuple[str, Variant], Quality]
) -> bool:
    quality = judged.get((subject.model.name, variant))
    if quality is None:
        return False
    if variant.precision == "float32" and subject.card.name in quality.excess:
        return quality.excess[subject.card.name] <= 1
    return quality.passes
