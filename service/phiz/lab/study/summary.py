"""Figures from the runs of all rounds, and the noise in them."""

from collections.abc import Mapping, Sequence
from itertools import compress
from statistics import median
from typing import Final

import numpy as np

from phiz.lab.study.plan import Combination
from phiz.lab.study.record import Measurement, Study
from phiz.lab.study.timing import RunTimes

# The 99th percentile of fewer is the noise of four runs or less.
RUNS_FOR_P99: Final = 500
# Others on a machine make it slower and never faster. So a round counts if its median is at most
# so much above that of the quietest one, and that one is trusted if another counts.
MAX_ROUND_EXCESS: Final = 0.10
# Share of the time; if the host takes this much at all times, no round is quiet.
MAX_STOLEN_SHARE: Final = 0.05


def build_measurement(
    combination: Combination, rounds: Sequence[RunTimes], peak_bytes: int | None
) -> Measurement:
    """Return the figures of a combination: the quietest round's median, and else of the quiet ones.

    Args:
        combination: The combination.
        rounds: Its runs in each round.
        peak_bytes: Bytes of memory; None if they were not measured.
    """
    medians_ms = tuple(round(median(each_round.run_us) / 1000, 4) for each_round in rounds)
    quiet = list(compress(rounds, mark_quiet(medians_ms)))
    runs_ms = np.concatenate([round_times.run_us for round_times in quiet]) / 1000  # (N,)
    nine, last = np.percentile(runs_ms, (90, 99)).tolist()
    processor_s = sum(round_times.processor_s for round_times in quiet)
    return Measurement(
        combination=combination,
        runs=len(runs_ms),
        median_ms=min(medians_ms),
        mean_ms=round(float(runs_ms.mean()), 4),
        p90_ms=round(nine, 4),
        p99_ms=round(last, 4) if len(runs_ms) >= RUNS_FOR_P99 else None,
        visits_ms=medians_ms,
        processor_ms=round(1000 * processor_s / len(runs_ms) / combination.batch, 4),
        peak_bytes=peak_bytes,
    )


def mark_quiet(medians_ms: Sequence[float]) -> list[bool]:
    """Return of each round, by its median, whether it counts."""
    most = (1 + MAX_ROUND_EXCESS) * min(medians_ms)
    return [each <= most for each in medians_ms]


def list_plain_measurements(study: Study) -> list[Measurement]:
    """Return the figures of one picture on one thread."""
    return [each for each in study.figures if each.combination.is_plain]


def collect_round_medians(study: Study) -> dict[str, tuple[float, ...]]:
    """Return the medians of the rounds, ms, of all that is compared with each other.

    These are all combinations of one image on one thread, and all face models as a whole.
    """
    return {str(each.combination): each.visits_ms for each in list_plain_measurements(study)} | {
        f"{each.model} as a whole, {each.variant}": each.visits_ms
        for each in study.qualities
        if study.get_group(each.model) == "face"
    }


def mark_counted_rounds(study: Study) -> list[bool]:
    """Return of each round to what is ``timed`` whether it counts."""
    return [
        is_quiet
        for medians_ms in collect_round_medians(study).values()
        for is_quiet in mark_quiet(medians_ms)
    ]


def list_noisy(study: Study) -> list[str]:
    """Return what was quiet in a single round, so that nothing bears out what it took then."""
    return [
        name
        for name, medians_ms in collect_round_medians(study).items()
        if len(medians_ms) > 1 and sum(mark_quiet(medians_ms)) == 1
    ]


def is_too_noisy(study: Study) -> bool:
    """Return whether the machine was too noisy.

    It was if a tenth or more of the times rest on a single round, if more than half of the rounds
    do not count, or if the host gave much of the time to others.
    """
    counted = mark_counted_rounds(study)
    return (
        len(list_noisy(study)) * 10 >= len(collect_round_medians(study))
        or sum(counted) * 2 < len(counted)
        or (study.stolen or 0.0) > MAX_STOLEN_SHARE
    )


def index_by_combination(study: Study) -> Mapping[Combination, Measurement]:
    """Return the figures by what they are of."""
    return {each.combination: each for each in study.figures}
