"""The tasks of a study, their order, and an estimate of their time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final, Literal, TypeAlias

from phiz.models.documents import PositiveInt, Text
from phiz.models.specs import DYNAMIC_ARCHITECTURES, Architecture, ModelSpec
from phiz.runtime.variants import Variant

TaskKind: TypeAlias = Literal["times", "pace", "quality", "memory"]

# As it was on one machine of 2026; the times of this one replace it.
EXPECTED_S: Final[Mapping[TaskKind, float]] = {
    "times": 6.0,
    "pace": 6.0,
    "quality": 25.0,
    "memory": 1.3,
}
# Their input is one picture's work already: a pyramid, a whole picture, or the crops of one.
WHOLE_IMAGE: Final[frozenset[Architecture]] = frozenset({"rnet", "onet", *DYNAMIC_ARCHITECTURES})


@dataclass(frozen=True, slots=True)
class Combination:
    """One way to run one network.

    Attributes:
        network: Name of the network.
        variant: Runtime and precision.
        threads: Threads of one inference.
        batch: Images in one inference.
    """

    network: Text
    variant: Variant
    threads: PositiveInt
    batch: PositiveInt

    def __str__(self) -> str:
        return f"{self.network} {self.variant}, {self.threads} thr., batch {self.batch}"

    @property
    def is_plain(self) -> bool:
        """Whether it is one image on one thread, as the service runs a network."""
        return self.threads == self.batch == 1


@dataclass(frozen=True, slots=True)
class Preset:
    """The amount of measuring.

    Attributes:
        rounds: Number of times that every network is timed; noisy rounds do not count.
        every: Every so many rounds, batches, several threads and whole models are timed too.
        runs: Maximum number of runs of a combination in one round.
        plain_s: Maximum time of a plain combination in one round.
        other_s: Maximum time of any other combination.
        batches: Numbers of images in one inference.
        threads: Maximum number of threads of an inference; None for all.
        has_memory: Whether the memory of each combination is measured too.
    """

    rounds: int
    every: int
    runs: int
    plain_s: float
    other_s: float
    batches: tuple[int, ...]
    threads: int | None = None
    has_memory: bool = True

    def get_budget_s(self, combination: Combination) -> float:
        """Return the maximum time of a combination in one round."""
        return self.plain_s if combination.is_plain else self.other_s


# 3 × 170 runs: with 500 and more, 5 are beyond the 99th percentile. So if three rounds count,
# there is one.
FULL: Final = Preset(rounds=6, every=2, runs=170, plain_s=1.2, other_s=0.35, batches=(1, 4, 16))
QUICK: Final = Preset(4, every=2, runs=60, plain_s=0.4, other_s=0.2, batches=(1,), threads=1)


@dataclass(frozen=True, slots=True)
class StudyTask:
    """A measurement in a process of its own; the results of finished tasks are kept.

    Attributes:
        kind: Times of a network, pace of a model on whole images, quality of its answers, or
            memory of one combination.
        target: Name of the network or the model.
        round_index: Index of the round, from 0.
        combinations: The combinations to measure.
    """

    kind: TaskKind
    target: str
    round_index: int = 0
    combinations: tuple[Combination, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether nothing in it is in batches or on several threads."""
        return all(each.is_plain for each in self.combinations)

    def __str__(self) -> str:
        if self.kind == "memory":
            return f"memory of {self.combinations[0]}"
        more = "" if self.is_plain else " in batches or on several threads"
        return f"{self.kind} of {self.target}{more}, visit {self.round_index + 1}"


def iterate_thread_counts(available: int) -> Iterator[int]:
    """Yield 1, 2, 4 and so on up to what is available."""
    threads = 1
    while threads <= available:
        yield threads
        threads *= 2


def list_combinations(
    network: str,
    architecture: Architecture,
    variants: Sequence[Variant],
    threads: Sequence[int],
    preset: Preset,
) -> tuple[Combination, ...]:
    """Return every combination of a network, the reference on one thread first."""
    batches = (1,) if architecture in WHOLE_IMAGE else preset.batches
    most = preset.threads or max(threads)
    return tuple(
        Combination(network, variant, count, batch)
        for batch in batches
        for count in threads
        if count <= most
        for variant in variants
    )


def plan_tasks(
    combinations: Mapping[str, tuple[Combination, ...]],
    models: Sequence[ModelSpec],
    preset: Preset,
) -> Iterator[StudyTask]:
    """Yield all tasks; the rounds of a network are far apart, so that they meet other noise.

    Args:
        combinations: The combinations by network.
        models: The models whose answers are compared.
        preset: The amount of measuring.
    """
    for round_index in range(preset.rounds):
        is_whole = round_index % preset.every == 0
        for name, of_network in combinations.items():
            # By themselves, because threads and batches of others leave them cold caches.
            plain = tuple(each for each in of_network if each.is_plain)
            others = tuple(each for each in of_network if is_whole and not each.is_plain)
            yield from (
                StudyTask("times", name, round_index, each) for each in (plain, others) if each
            )
        if is_whole:
            yield from (StudyTask("pace", model.name, round_index) for model in models)
        if round_index == 0:
            yield from (StudyTask("quality", model.name) for model in models)
    yield from (
        StudyTask("memory", name, combinations=(each,))
        for name, of_network in combinations.items()
        for each in of_network
        # Threads beyond the first add next to nothing.
        if preset.has_memory and each.threads == 1
    )


def estimate_seconds_left(left: Sequence[StudyTask], taken_s: Mapping[StudyTask, float]) -> float:
    """Return an estimate of the seconds that the remaining tasks will take.

    A task takes as long as in another round, or else as the mean of its kind.

    Args:
        left: The remaining tasks.
        taken_s: Seconds of the finished tasks.
    """
    like_s = {(task.kind, task.target, task.is_plain): s for task, s in taken_s.items()}
    keys = ((task.kind, task.target, task.is_plain) for task in left)
    return sum(like_s.get(key) or _expect_s(key[0], taken_s) for key in keys)


def _expect_s(kind: TaskKind, taken_s: Mapping[StudyTask, float]) -> float:
    seconds = [each for task, each in taken_s.items() if task.kind == kind]
    return fmean(seconds) if seconds else EXPECTED_S[kind]
