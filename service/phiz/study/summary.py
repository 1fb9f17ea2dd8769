"""From the runs of all visits to figures, and from figures to what is noise."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

import numpy as np

from phiz.study.plan import Combination
from phiz.study.record import Figures, Study
from phiz.study.timing import Turns

# The 99th percentile of fewer is the noise of four runs or less.
RUNS_FOR_P99: Final = 500
NOISY: Final = 0.10  # apart, the medians of two visits say nothing of smaller differences


def figures_of(combination: Combination, visits: Sequence[Turns], peak: int | None) -> Figures:
    """Return the figures of a combination.

    Args:
        combination: In question.
        visits: Its runs in each visit.
        peak: Bytes of memory; None where they were not measured.
    """
    runs_ms = np.concatenate([visit.run_us for visit in visits]) / 1000  # (N,)
    middle, nine, last = np.percentile(runs_ms, (50, 90, 99)).tolist()
    processor_s = sum(visit.processor_s for visit in visits)
    return Figures(
        combination=combination,
        runs=len(runs_ms),
        median_ms=round(middle, 4),
        p90_ms=round(nine, 4),
        p99_ms=round(last, 4) if len(runs_ms) >= RUNS_FOR_P99 else None,
        visits_ms=tuple(round(median(visit.run_us) / 1000, 4) for visit in visits),
        processor_ms=round(1000 * processor_s / len(runs_ms) / combination.batch, 4),
        peak_bytes=peak,
    )


def plain_figures(study: Study) -> list[Figures]:
    """Return the figures of one picture on one thread."""
    return [each for each in study.figures if each.combination.is_plain]


def noisy(figures: Sequence[Figures]) -> list[Figures]:
    """Return those whose medians differ from visit to visit by more than they may."""
    return [each for each in figures if each.spread > NOISY]


def is_too_noisy(study: Study) -> bool:
    """Return whether the machine was too noisy for what a study says of one thread.

    That is if a tenth of the combinations or more, of one picture on one thread, came out
    differently from visit to visit.
    """
    plain = plain_figures(study)
    return len(noisy(plain)) * 10 >= len(plain)


def by_combination(study: Study) -> Mapping[Combination, Figures]:
    """Return the figures by what they are of."""
    return {each.combination: each for each in study.figures}
