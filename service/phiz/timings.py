"""The time of each stage of a request, measured as laps so that stages add up."""

import time
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, Self, TypeAlias, get_args

from phiz.cancellation import checkpoint

DetectionStage: TypeAlias = Literal["queue", "decode", "preprocess", "inference", "postprocess"]
Stage: TypeAlias = DetectionStage | Literal["render"]
Part: TypeAlias = Literal["pnet", "rnet", "onet"]

STAGES: Final[tuple[DetectionStage, ...]] = get_args(DetectionStage)
"""The stages of every request."""
PARTS: Final[tuple[Part, ...]] = get_args(Part)


class Timings(NamedTuple):
    """Seconds of each stage.

    Attributes:
        stages: The stages of every request, 0 if one did not run, and ``render`` if the answer is
            an image. They are disjoint and add up to ``total_s``.
        parts: Shares of ``inference`` by network of a cascade, if it ran.
        total_s: Seconds from the start of the stopwatch to its last lap.
    """

    stages: Mapping[str, float]
    parts: Mapping[str, float]
    total_s: float

    def to_milliseconds(self) -> dict[str, float]:
        """Return stages, then parts, then ``total``, in ms to the microsecond."""
        entries = {**self.stages, **self.parts, "total": self.total_s}
        return {name: round(1000 * seconds, 3) for name, seconds in entries.items()}

    @classmethod
    def from_milliseconds(cls, timing_ms: Mapping[str, float]) -> Self:
        """Return what ``to_milliseconds`` has made these of."""
        seconds = {name: round(ms / 1000, 6) for name, ms in timing_ms.items()}
        total_s = seconds.pop("total")
        parts: dict[str, float] = {name: seconds.pop(name) for name in PARTS if name in seconds}
        return cls(seconds, parts, total_s)


NO_TIMINGS: Final = Timings({}, {}, 0.0)
"""Nothing was timed."""


class Stopwatch:
    """Assigns the time since the last lap to the stage that ended.

    A stopwatch belongs to one request. Only one thread may use it at a time.
    """

    __slots__ = ("_clock", "_last_lap_s", "_parts", "_stages", "_started_at_s", "_yield_turn")

    def __init__(
        self,
        started_at_s: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
        yield_turn: Callable[[], None] | None = None,
    ) -> None:
        """Start now, or at an earlier moment.

        Args:
            started_at_s: The earlier reading of the clock.
            clock: Returns seconds.
            yield_turn: Called between stages, for others to have their turn; its time counts as
                ``queue``.
        """
        self._clock = clock
        self._yield_turn = yield_turn
        self._started_at_s = clock() if started_at_s is None else started_at_s
        self._last_lap_s = self._started_at_s
        self._stages: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self._parts: dict[str, float] = {}

    def add_render_stage(self) -> None:
        """Have the stage ``render`` too, for an answer that is an image."""
        self._stages["render"] = 0.0

    def lap(self, stage: Stage, part: Part | None = None) -> None:
        """End a stage. The laps of a repeated stage are added. Each lap is a checkpoint."""
        checkpoint()
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
        """Return the seconds since the start, without queueing."""
        return self._clock() - self._started_at_s - self._stages["queue"]

    def to_timings(self) -> Timings:
        """Return the sums of the laps so far."""
        return Timings(dict(self._stages), dict(self._parts), self._last_lap_s - self._started_at_s)
