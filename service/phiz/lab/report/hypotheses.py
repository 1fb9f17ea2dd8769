"""Whether what a study of phones found holds on the devices measured here, with figures.

That study compared MobileNet and EfficientNet, plain and quantised, on several phones, and
found that newer hardware is faster, that memory rather than clock explains the difference, and
that quantisation is faster.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final, Literal, TypeAlias

from phiz.lab.study.machine import Machine
from phiz.lab.study.plan import Combination
from phiz.lab.study.record import Study
from phiz.lab.study.summary import index_by_combination
from phiz.runtime.variants import RUNTIME_FACTORIES, RuntimeName, Variant

Verdict: TypeAlias = Literal["holds", "holds in part", "does not hold", "cannot be told"]

MIN_SPEED_UP: Final = 1.05  # less is noise
MAX_SLOW_DOWN: Final = 1 / MIN_SPEED_UP
GIGABYTE: Final = 1_000_000_000
# The paper: Bazarevsky and others, BlazeFace, 2019 (arXiv:1907.05047), table 1, iPhone XS.
PAPER_MS: Final = (2.1, 0.6)
PAPER_PRECISION: Final = (97.95, 98.61)
DETECTOR: Final = "front"
EXTRACTOR: Final = "mobilenet-ssd"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One claim and what became of it.

    Attributes:
        claim: As that study has it.
        verdict: Whether it holds here.
        figures: Why, a sentence or two each.
    """

    claim: str
    verdict: Verdict
    figures: tuple[str, ...]


def check_hypotheses(studies: Sequence[Study]) -> list[Hypothesis]:
    """Return the three hypotheses, for one device or several.

    Args:
        studies: That of the oldest device first.
    """
    return [_check_hardware(studies), _check_memory(studies), _check_quantisation(studies)]


def compute_speed_up(study: Study, network: str, runtime: RuntimeName) -> float | None:
    """Return how many times as fast 8 bits are, one picture on one thread, if both were run."""
    known = index_by_combination(study)
    pair = [
        known.get(Combination(network, Variant(runtime, precision), 1, 1))
        for precision in ("float32", "int8")
    ]
    plain, rounded = pair
    return plain.median_ms / rounded.median_ms if plain and rounded else None


def compute_time_ratio(first: Study, second: Study) -> float | None:
    """Return how many times as long the second takes, the median over what both ran."""
    known, others = index_by_combination(first), index_by_combination(second)
    ratios = [
        others[each].median_ms / figures.median_ms
        for each, figures in known.items()
        if each.is_plain and each in others
    ]
    return median(ratios) if ratios else None


def compare_with_paper(study: Study) -> list[str]:
    """Return the paper's own comparison in sentences; empty if one of the two was not run."""
    known = index_by_combination(study)
    lines = []
    for variant in dict.fromkeys(each.variant for each in known):
        pair = [known.get(Combination(name, variant, 1, 1)) for name in (EXTRACTOR, DETECTOR)]
        features, detector = pair
        if features and detector:
            lines.append(
                f"{variant}: {features.median_ms:.2f} ms against {detector.median_ms:.2f} ms,"
                f" {features.median_ms / detector.median_ms:.1f} times as long."
            )
    if not lines:
        return []
    first, second = PAPER_MS
    lines.append(
        f"The paper has {first} against {second} ms, {first / second:.1f} times as long, on the"
        f" graphics processor of one phone; and an average precision of {PAPER_PRECISION[0]} %"
        f" against {PAPER_PRECISION[1]} %, on pictures that nobody else has: quoted, not repeated."
    )
    return [*_describe_sizes(study), *lines]


def _describe_sizes(study: Study) -> Iterator[str]:
    for name in (EXTRACTOR, DETECTOR):
        facts = study.networks[name]
        if facts.macs and facts.parameters:
            yield (
                f"{name}: {facts.macs / 1e6:.1f} million multiplications with additions,"
                f" {facts.parameters / 1e6:.2f} million parameters."
            )


def _list_real(studies: Sequence[Study]) -> list[Study]:
    return [study for study in studies if study.emulated is None]


def _check_hardware(studies: Sequence[Study]) -> Hypothesis:
    claim = "Newer hardware is faster."
    first, *others = studies
    lines = [
        f"{other.device} takes {ratio:.2f} times as long as {first.device}."
        for other in others
        if (ratio := compute_time_ratio(first, other))
    ]
    real = _list_real(studies)
    pairs = [
        (older, newer, ratio)
        for older, newer in combinations(real, 2)
        if older.machine.processor != newer.machine.processor
        and (ratio := compute_time_ratio(older, newer))
    ]
    if pairs:
        lines += [
            f"{newer.device} takes {ratio:.2f} times as long as {older.device}."
            for older, newer, ratio in pairs
            if older is not first
        ]
        lines.append("They are compared in the order in which they were given, the oldest first.")
        return Hypothesis(claim, _judge_ratios([1 / ratio for *_, ratio in pairs]), tuple(lines))
    if not others:
        lines.append("One device cannot tell: measure another, and draw both with --compare.")
    elif len(real) > 1:
        lines.append(
            "They have the same processor, or ran nothing in common: that is no evidence about"
            " newer hardware."
        )
    else:
        lines.append(
            "What is emulated is one machine, with less of it: that is no evidence about newer"
            " hardware."
        )
    return Hypothesis(claim, "cannot be told", tuple(lines))


def _check_memory(studies: Sequence[Study]) -> Hypothesis:
    claim = "Memory rather than clock explains the difference."
    lines = list(_describe_memory_shares(studies))
    real = _list_real(studies)
    if len(real) < 2:  # noqa: PLR2004  a difference is between two
        lines.append(
            "What is emulated is one machine, with less of it: that explains nothing."
            if len(studies) > 1
            else "One device has no difference to explain."
        )
        return Hypothesis(claim, "cannot be told", tuple(lines))
    first, *others = real
    ratios = [ratio for other in others if (ratio := compute_time_ratio(first, other))]
    same = all(_has_same_memory(first, other) for other in others)
    if same and any(_is_different(ratio) for ratio in ratios):
        lines.append(
            "Memory and clock are the same on all of these devices, and yet they differ: what they"
            " have of the processor explains it."
        )
        return Hypothesis(claim, "does not hold", tuple(lines))
    lines += [_describe_device(first, study) for study in real]
    return Hypothesis(claim, "cannot be told", tuple(lines))


def _describe_device(first: Study, study: Study) -> str:
    """Return what is known of a device that could explain its times."""
    machine, ratio = study.machine, compute_time_ratio(first, study)
    clock = f"{machine.clock_mhz:.0f} MHz" if machine.clock_mhz else "clock not known"
    taken = f"{ratio:.2f} times the time of" if ratio else "nothing in common with"
    return (
        f"{study.device}: {machine.memory_bytes / GIGABYTE:.1f} GB, {clock}, {taken}"
        f" {first.device}."
    )


def _is_different(ratio: float) -> bool:
    return not MAX_SLOW_DOWN <= ratio <= MIN_SPEED_UP


def _has_same_memory(first: Study, second: Study) -> bool:
    """Return whether two machines that are not one have the same memory and a known, same clock.

    The processor's name, number and quota tell that they are not one.
    """
    one, other = first.machine, second.machine
    if _get_processor(one) == _get_processor(other) or not one.clock_mhz or not other.clock_mhz:
        return False
    ratios = (
        one.memory_bytes / other.memory_bytes,
        one.copied_gb_s / other.copied_gb_s,
        one.clock_mhz / other.clock_mhz,
    )
    return not any(_is_different(ratio) for ratio in ratios)


def _get_processor(machine: Machine) -> tuple[str, int, float | None]:
    return machine.processor, machine.processors, machine.quota


def _describe_memory_shares(studies: Sequence[Study]) -> Iterator[str]:
    for study in studies:
        share = _find_memory_share(study)
        if share is not None:
            name, most = share
            yield (
                f"{study.device}: memory of {study.machine.memory_bytes / GIGABYTE:.1f} GB, copied"
                f" at {study.machine.copied_gb_s:.0f} GB/s. Reading the weights once takes at most"
                f" {most:.0%} of an inference ({name}), so that at most that much would be gained"
                " by faster memory for them."
            )


def _find_memory_share(study: Study) -> tuple[str, float] | None:
    """Return the network whose weights take the largest share of its time to read, and that."""
    shares = {
        str(each.combination): study.networks[each.combination.network].file_bytes[
            each.combination.variant.network_precision
        ]
        / (study.machine.copied_gb_s * 1e6)  # bytes per ms
        / each.median_ms
        for each in study.figures
        if each.combination.is_plain
    }
    return max(shares.items(), key=lambda item: item[1]) if shares else None


def _check_quantisation(studies: Sequence[Study]) -> Hypothesis:
    lines: list[str] = []
    ratios: list[float] = []
    for study in studies:
        for runtime in RUNTIME_FACTORIES:
            found = {
                name: ratio
                for name in study.networks
                if (ratio := compute_speed_up(study, name, runtime)) is not None
            }
            if found:
                ratios += found.values()
                text = ", ".join(f"{name} {ratio:.2f}" for name, ratio in found.items())
                lines.append(f"{study.device}, {runtime}, times as fast: {text}.")
    return Hypothesis("Quantisation is faster.", _judge_ratios(ratios), tuple(lines))


def _judge_ratios(ratios: Sequence[float]) -> Verdict:
    if not ratios:
        return "cannot be told"
    faster = [ratio >= MIN_SPEED_UP for ratio in ratios]
    if all(faster):
        return "holds"
    return "holds in part" if any(faster) else "does not hold"
