"""What is measured, in which order, and how long that takes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from phiz.models.specs import Architecture, ModelCard
from phiz.runtime.variants import Variant

Kind: TypeAlias = Literal["times", "pace", "quality", "memory"]

# Their input is one picture's work already: a pyramid, or the crops of a picture.
WHOLE_PICTURE: Final[frozenset[Architecture]] = frozenset({"pnet", "rnet", "onet"})


@dataclass(frozen=True, slots=True)
class Combination:
    """One way to run one network.

    Attributes:
        network: Its name.
        variant: Runtime and precision.
        threads: That one inference is spread over.
        batch: Pictures in one inference.
    """

    network: str
    variant: Variant
    threads: int
    batch: int

    def __str__(self) -> str:
        return f"{self.network} {self.variant}, {self.threads} thr., batch {self.batch}"

    @property
    def is_plain(self) -> bool:
        """Whether it is one picture on one thread, as the service runs a network."""
        return self.threads == self.batch == 1


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured.

    Attributes:
        visits: How often all networks are come back to; those in which others used the
            machine do not count.
        every: Each so many visits also batches, several threads and whole pictures are timed.
        runs: Most of a combination in one visit.
        plain_s: A plain combination's time in one visit, if its runs take as long.
        other_s: Any other's.
        batches: Pictures in one inference.
        threads: Most that an inference is spread over; None for all there are.
    """

    visits: int
    every: int
    runs: int
    plain_s: float
    other_s: float
    batches: tuple[int, ...]
    threads: int | None = None

    def budget_s(self, combination: Combination) -> float:
        """Return how long a combination is run in one visit."""
        return self.plain_s if combination.is_plain else self.other_s


# 3 × 170 runs: with 500 and more, 5 are beyond the 99th percentile. So if three visits count,
# there is one.
FULL: Final = Effort(visits=6, every=2, runs=170, plain_s=1.2, other_s=0.35, batches=(1, 4, 16))
QUICK: Final = Effort(4, every=2, runs=60, plain_s=0.4, other_s=0.2, batches=(1,), threads=1)


@dataclass(frozen=True, slots=True)
class Lot:
    """What is measured in one go, in a process of its own; what was finished is kept.

    Attributes:
        kind: Times of a network, pace of a model on whole pictures, quality of its answers, or
            memory of one combination.
        subject: The network, or the model.
        visit: From 0.
        combinations: That are measured.
    """

    kind: Kind
    subject: str
    visit: int = 0
    combinations: tuple[Combination, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether nothing in it is in batches or on several threads."""
        return all(each.is_plain for each in self.combinations)

    def __str__(self) -> str:
        if self.kind == "memory":
            return f"memory of {self.combinations[0]}"
        more = "" if self.is_plain else " in batches or on several threads"
        return f"{self.kind} of {self.subject}{more}, visit {self.visit + 1}"


def combinations_of(
    network: str,
    architecture: Architecture,
    variants: Sequence[Variant],
    threads: Sequence[int],
    effort: Effort,
) -> tuple[Combination, ...]:
    """Return every combination of a network, the reference on one thread first."""
    batches = (1,) if architecture in WHOLE_PICTURE else effort.batches
    most = effort.threads or max(threads)
    return tuple(
        Combination(network, variant, count, batch)
        for batch in batches
        for count in threads
        if count <= most
        for variant in variants
    )


def lots_of(
    combinations: Mapping[str, tuple[Combination, ...]],
    models: Sequence[ModelCard],
    effort: Effort,
) -> Iterator[Lot]:
    """Yield all lots; the visits to a network are far apart, so that they meet other noise.

    Args:
        combinations: By network.
        models: Whose answers are compared.
        effort: How much is measured.
    """
    for visit in range(effort.visits):
        is_whole = visit % effort.every == 0
        for name, ways in combinations.items():
            # By themselves, because threads and batches of others leave them cold caches.
            plain = tuple(each for each in ways if each.is_plain)
            others = tuple(each for each in ways if is_whole and not each.is_plain)
            yield from (Lot("times", name, visit, part) for part in (plain, others) if part)
        if is_whole:
            yield from (Lot("pace", model.name, visit) for model in models)
        if visit == 0:
            yield from (Lot("quality", model.name) for model in models)
    for name, ways in combinations.items():
        # Threads beyond the first add next to nothing.
        yield from (Lot("memory", name, combinations=(each,)) for each in ways if each.threads == 1)


def seconds_left(left: Sequence[Lot], taken: Mapping[Lot, float], effort: Effort) -> float:
    """Return an estimate of the seconds that some lots will take.

    A lot counts as what its like took before: that of another visit, else those of its kind
    in proportion to what was expected of them.

    Args:
        left: Still to be measured.
        taken: Seconds of those that were.
        effort: How much is measured.
    """
    like = {(lot.kind, lot.subject, lot.is_plain): s for lot, s in taken.items()}
    scale = {kind: _scale(kind, taken, effort) for kind in get_args(Kind)}
    return sum(
        like.get((lot.kind, lot.subject, lot.is_plain))
        or scale[lot.kind] * _expected_s(lot, effort)
        for lot in left
    )


def _scale(kind: str, taken: Mapping[Lot, float], effort: Effort) -> float:
    done = {lot: seconds for lot, seconds in taken.items() if lot.kind == kind}
    expected_s = sum(_expected_s(lot, effort) for lot in done)
    return sum(done.values()) / expected_s if expected_s else 1.0


def _expected_s(lot: Lot, effort: Effort) -> float:
    # As it was on one machine of 2026; what was measured on this one corrects it.
    if lot.kind == "times":
        return 2.0 + sum(0.8 * effort.budget_s(each) for each in lot.combinations)
    return {"pace": 6.0, "quality": 25.0, "memory": 1.3}[lot.kind]
