"""From the runs of all visits to figures, and from figures to what is noise."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

import numpy as np

from phiz.lab.study.plan import Combination
from phiz.lab.study.record import Figures, Study
from phiz.lab.study.timing import Turns

# The 99th percentile of fewer is the noise of four runs or less.
RUNS_FOR_P99: Final = 500
# Others on a machine make it slower and never faster. So a visit counts if its median is at most
# so much above that of the quietest one, and that one is trusted if another counts.
NOISY: Final = 0.10
STOLEN: Final = 0.05  # share of the time; where the host does that all the time, no visit is quiet


def figures_of(combination: Combination, visits: Sequence[Turns], peak: int | None) -> Figures:
    """Return the figures of a combination: the quietest visit's median, and else of the quiet ones.

    Args:
        combination: In question.
        visits: Its runs in each visit.
        peak: Bytes of memory; None where they were not measured.
    """
    visits_ms = tuple(round(median(visit.run_us) / 1000, 4) for visit in visits)
    visits = [visit for visit, is_quiet in zip(visits, quiet(visits_ms), strict=True) if is_quiet]
    runs_ms = np.concatenate([visit.run_us for visit in visits]) / 1000  # (N,)
    nine, last = np.percentile(runs_ms, (90, 99)).tolist()
    processor_s = sum(visit.processor_s for visit in visits)
    return Figures(
        combination=combination,
        runs=len(runs_ms),
        median_ms=min(visits_ms),
        mean_ms=round(float(runs_ms.mean()), 4),
        p90_ms=round(nine, 4),
        p99_ms=round(last, 4) if len(runs_ms) >= RUNS_FOR_P99 else None,
        visits_ms=visits_ms,
        processor_ms=round(1000 * processor_s / len(runs_ms) / combination.batch, 4),
        peak_bytes=peak,
    )


def quiet(visits_ms: Sequence[float]) -> list[bool]:
    """Return of each visit, by its median, whether it counts."""
    most = (1 + NOISY) * min(visits_ms)
    return [each <= most for each in visits_ms]


def plain_figures(study: Study) -> list[Figures]:
    """Return the figures of one picture on one thread."""
    return [each for each in study.figures if each.combination.is_plain]


def timed(study: Study) -> dict[str, tuple[float, ...]]:
    """Return the medians of the visits, ms, of all that is compared with each other.

    That is every combination of one picture on one thread, and every face model as a whole.
    """
    return {str(each.combination): each.visits_ms for each in plain_figures(study)} | {
        f"{each.model} as a whole, {each.variant}": each.visits_ms
        for each in study.qualities
        if study.group_of(each.model) == "face"
    }


def counting(study: Study) -> list[bool]:
    """Return of each visit to what is ``timed`` whether it counts."""
    return [is_quiet for visits_ms in timed(study).values() for is_quiet in quiet(visits_ms)]


def noisy(study: Study) -> list[str]:
    """Return what was quiet in a single visit, so that nothing bears out what it took then."""
    return [
        name
        for name, visits_ms in timed(study).items()
        if len(visits_ms) > 1 and sum(quiet(visits_ms)) == 1
    ]


def is_too_noisy(study: Study) -> bool:
    """Return whether the machine was too noisy.

    That is if nothing bears out a tenth or more of the times, if more than half of the visits do
    not count, or if the host gave much of the time away.
    """
    counted = counting(study)
    return (
        len(noisy(study)) * 10 >= len(timed(study))
        or sum(counted) * 2 < len(counted)
        or (study.stolen or 0.0) > STOLEN
    )


def by_combination(study: Study) -> Mapping[Combination, Figures]:
    """Return the figures by what they are of."""
    return {each.combination: each for each in study.figures}
