"""Three claims of a study of phones, and whether they hold on the devices measured here.

The study compared MobileNet and EfficientNet, plain and quantised, on several phones. It found that
newer hardware is faster, that memory rather than clock explains the difference, and that
quantisation is faster.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final, Literal, TypeAlias

from phiz.lab.study.plan import Combination
from phiz.lab.study.record import Study
from phiz.lab.study.summary import index_by_combination, list_plain_measurements
from phiz.runtime.variants import RUNTIME_FACTORIES, RuntimeName, Variant

Verdict: TypeAlias = Literal["holds", "holds in part", "does not hold", "cannot be told"]

MIN_SPEED_UP: Final = 1.05  # less is noise
MAX_SLOW_DOWN: Final = 1 / MIN_SPEED_UP
GIGABYTE: Final = 1_000_000_000
# The paper: Bazarevsky and others, BlazeFace, 2019 (arXiv:1907.05047), table 1, iPhone XS.
PAPER: Final = (
    "The paper has 2.1 against 0.6 ms, 3.5 times as long, on the graphics processor of one phone;"
    " and an average precision of 97.95 % against 98.61 %, on pictures that nobody else has:"
    " quoted, not repeated."
)
DETECTOR: Final = "front"
EXTRACTOR: Final = "mobilenet-ssd"


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One claim and its verdict.

    Attributes:
        claim: As the study of phones has it.
        verdict: Whether it holds here.
        figures: The reasons, a sentence or two each.
    """

    claim: str
    verdict: Verdict
    figures: tuple[str, ...]


def check_hypotheses(studies: Sequence[Study]) -> list[Hypothesis]:
    """Return the three hypotheses, for one device or several.

    Args:
        studies: The study of the oldest device first.
    """
    return [_check_hardware(studies), _check_memory(studies), _check_quantisation(studies)]


def compute_speed_up(study: Study, network: str, runtime: RuntimeName) -> float | None:
    """Return how many times as fast 8 bits are, one picture on one thread, if both were run."""
    known = index_by_combination(study)
    plain, rounded = (
        known.get(Combination(network, Variant(runtime, precision), 1, 1))
        for precision in ("float32", "int8")
    )
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
        features, detector = (
            known.get(Combination(name, variant, 1, 1)) for name in (EXTRACTOR, DETECTOR)
        )
        if features and detector:
            lines.append(
                f"{variant}: {features.median_ms:.2f} ms against {detector.median_ms:.2f} ms,"
                f" {features.median_ms / detector.median_ms:.1f} times as long."
            )
    return [*_describe_sizes(study), *lines, PAPER] if lines else []


def _describe_sizes(study: Study) -> Iterator[str]:
    for name in (EXTRACTOR, DETECTOR):
        facts = study.networks[name]
        if facts.macs and facts.parameters:
            yield (
                f"{name}: {facts.macs / 1e6:.1f} million multiplications with additions,"
                f" {facts.parameters / 1e6:.2f} million parameters."
            )


def _check_hardware(studies: Sequence[Study]) -> Hypothesis:
    lines, speed_ups = [], []
    for older, newer in combinations(studies, 2):
        ratio = compute_time_ratio(older, newer)
        is_evidence = (
            older.emulated is None
            and newer.emulated is None
            and older.machine.processor != newer.machine.processor
        )
        if ratio and (is_evidence or older is studies[0]):
            lines.append(f"{newer.device} takes {ratio:.2f} times as long as {older.device}.")
        if ratio and is_evidence:
            speed_ups.append(1 / ratio)
    if speed_ups:
        lines.append("They are compared in the order in which they were given, the oldest first.")
    elif len(studies) == 1:
        lines.append("One device cannot tell: measure another, and draw both with --compare.")
    elif len(_list_real(studies)) > 1:
        lines.append(
            "They have the same processor, or ran nothing in common: that is no evidence about"
            " newer hardware."
        )
    else:
        lines.append(
            "What is emulated is one machine, with less of it: that is no evidence about newer"
            " hardware."
        )
    return Hypothesis("Newer hardware is faster.", _judge_ratios(speed_ups), tuple(lines))


def _check_memory(studies: Sequence[Study]) -> Hypothesis:
    verdict: Verdict = "cannot be told"
    lines = [_describe_memory_share(study) for study in studies if list_plain_measurements(study)]
    real = _list_real(studies)
    ratios = [compute_time_ratio(real[0], other) for other in real[1:]]
    if len(studies) == 1:
        lines.append("One device has no difference to explain.")
    elif not ratios:
        lines.append("What is emulated is one machine, with less of it: that explains nothing.")
    elif all(_has_same_memory(real[0], other) for other in real[1:]) and any(
        ratio and _is_different(ratio) for ratio in ratios
    ):
        verdict = "does not hold"
        lines.append(
            "Memory and clock are the same on all of these devices, and yet they differ: what they"
            " have of the processor explains it."
        )
    else:
        lines += [_describe_device(real[0], study) for study in real]
    return Hypothesis("Memory rather than clock explains the difference.", verdict, tuple(lines))


def _list_real(studies: Sequence[Study]) -> list[Study]:
    return [study for study in studies if study.emulated is None]


def _describe_device(first: Study, study: Study) -> str:
    """Return the facts of a device that could explain its times."""
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
    is_one_machine = (one.processor, one.processors, one.quota) == (
        other.processor,
        other.processors,
        other.quota,
    )
    if is_one_machine or not one.clock_mhz or not other.clock_mhz:
        return False
    ratios = (
        one.memory_bytes / other.memory_bytes,
        one.copied_gb_s / other.copied_gb_s,
        one.clock_mhz / other.clock_mhz,
    )
    return not any(map(_is_different, ratios))


def _describe_memory_share(study: Study) -> str:
    """Return the largest share of a network's time that reading its weights takes."""
    machine = study.machine
    shares = {
        str(each.combination): study.get_file_bytes(each.combination)
        / (machine.copied_gb_s * 1e6)  # bytes per ms
        / each.median_ms
        for each in list_plain_measurements(study)
    }
    name, most = max(shares.items(), key=lambda item: item[1])
    return (
        f"{study.device}: memory of {machine.memory_bytes / GIGABYTE:.1f} GB, copied"
        f" at {machine.copied_gb_s:.0f} GB/s. Reading the weights once takes at most"
        f" {most:.0%} of an inference ({name}), so that at most that much would be gained"
        " by faster memory for them."
    )


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
