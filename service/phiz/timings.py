"""The time of each stage of one request, measured as laps so that the stages add up."""

import time
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

Stage: TypeAlias = Literal["queue", "decode", "preprocess", "inference", "postprocess"]
Part: TypeAlias = Literal["pnet", "rnet", "onet"]

STAGES: Final[tuple[Stage, ...]] = get_args(Stage)


class Timings(NamedTuple):
    """Seconds of each stage.

    Attributes:
        stages: All of them, 0 for one that never ran; disjoint, they add up to ``total_s``.
        parts: What belongs to one network of a cascade, if it ran: parts of ``inference``.
        total_s: From the start of the stopwatch to its last lap.
    """

    stages: Mapping[str, float]
    parts: Mapping[str, float]
    total_s: float

    def to_milliseconds(self) -> dict[str, float]:
        """Return stages, then parts, then ``total``, in ms to the microsecond."""
        entries = {**self.stages, **self.parts, "total": self.total_s}
        return {name: round(1000 * seconds, 3) for name, seconds in entries.items()}


class Stopwatch:
    """Gives the time since the last lap to the stage that has just ended.

    One thread at a time: a request owns its stopwatch and hands it on.
    """

    __slots__ = ("_clock", "_last_lap_s", "_parts", "_stages", "_started_at_s", "_yield_turn")

    def __init__(
        self,
        started_at_s: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
        yield_turn: Callable[[], None] | None = None,
    ) -> None:
        """Start now, or at a reading of the clock taken earlier.

        Args:
            started_at_s: That reading.
            clock: Gives seconds.
            yield_turn: Called between stages, for others to have their turn; its time counts as
                ``queue``.
        """
        self._clock = clock
        self._yield_turn = yield_turn
        self._started_at_s = clock() if started_at_s is None else started_at_s
        self._last_lap_s = self._started_at_s
        self._stages: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self._parts: dict[str, float] = {}

    def lap(self, stage: Stage, part: Part | None = None) -> None:
        """End a stage; a stage that ends twice has the sum of both laps."""
        now = self._clock()
        elapsed = now - self._last_lap_s
        self._last_lap_s = now
        self._stages[stage] += elapsed
        if part is not None:
            self._parts[part] = self._parts.get(part, 0.0) + elapsed
        if self._yield_turn is not None:
            self._yield_turn()
            resumed = self._clock()
            self._stages["queue"] += resumed - self._last_lap_s
            self._last_lap_s = resumed

    def measure_work_s(self) -> float:
        """Return the seconds from the start until now, without those of waiting in a queue."""
        return self._clock() - self._started_at_s - self._stages["queue"]

    def to_timings(self) -> Timings:
        """Return what the laps so far add up to."""
        return Timings(dict(self._stages), dict(self._parts), self._last_lap_s - self._started_at_s)
