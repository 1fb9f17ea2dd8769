"""The figures of a soak, their goals and their chart."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Final

from benchmarks.endurance.users import LEFT, UNEXPECTED
from benchmarks.kit.charts import Panel, draw_panels
from benchmarks.kit.goals import Goal
from benchmarks.kit.report import goals_to_document, round_figures
from benchmarks.kit.service import ProcessUsage
from phiz.lab.study.machine import Machine

MIN_LIFE_PARTS: Final = 4  # a process that lived less has no halves to compare
MAX_GROWTH: Final = 1.05
MAX_DRIFT: Final = 1.2


@dataclass(frozen=True, slots=True)
class Part:
    """Answers and latencies of a part of the time, and the median usage of each process.

    ``ended_s`` is since the beginning of the load. Latencies are of answers with status 200.
    """

    ended_s: float
    answers: Mapping[str, int]
    p50_ms: float
    p99_ms: float
    usage: Mapping[str, ProcessUsage]


@dataclass(slots=True)
class Soak:
    """The figures so far.

    ``capacity`` and ``rate`` are requests a second, ``killed_s`` the times when a worker was
    killed, and ``left`` the metrics in the end that should be 0.
    """

    machine: Machine
    documented: Sequence[str]
    capacity: float
    rate: float
    parts: list[Part] = field(default_factory=list)
    killed_s: list[float] = field(default_factory=list)
    left: dict[str, float] = field(default_factory=dict)

    def count_answers(self) -> Counter[str]:
        """Return the number of requests by answer."""
        return sum((Counter(part.answers) for part in self.parts), Counter())

    def build_goals(self) -> Iterator[Goal]:
        """Yield the figures that are judged."""
        yield Goal(
            "p99, second half to first",
            compare_halves([part.p99_ms for part in self.parts]),
            limit=MAX_DRIFT,
            measure="ratio",
        )
        for name, usages in self.list_lives().items():
            growth = compare_halves([usage.memory_mb for usage in usages])
            what = f"memory of {name}, likewise"
            yield Goal(what, growth, limit=MAX_GROWTH, measure="ratio")
        unexpected = sum(
            count
            for answer, count in self.count_answers().items()
            if answer.endswith(UNEXPECTED) or answer.split()[0] not in {*self.documented, LEFT}
        )
        yield Goal("requests with an undocumented answer", unexpected, limit=0)
        for name, value in self.left.items():
            yield Goal(name, value, limit=0)

    def list_lives(self) -> dict[str, list[ProcessUsage]]:
        """Return the usage of each process in each part, without that in which it started."""
        names = dict.fromkeys(name for part in self.parts for name in part.usage)
        lives = {
            name: [part.usage[name] for part in self.parts if name in part.usage][1:]
            for name in names
        }
        return {name: usages for name, usages in lives.items() if len(usages) >= MIN_LIFE_PARTS}

    def draw(self) -> str:
        """Return the figures as SVG."""
        series: dict[str, dict[str, list[tuple[float, float]]]] = {
            "latency p50, ms": {},
            "latency p99, ms": {},
            "memory, MB": {},
            "open descriptors": {},
        }
        p50, p99, memory, files = series.values()
        for part in self.parts:
            minute = part.ended_s / 60
            p50.setdefault("", []).append((minute, part.p50_ms))
            p99.setdefault("", []).append((minute, part.p99_ms))
            for name, usage in part.usage.items():
                memory.setdefault(name, []).append((minute, usage.memory_mb))
                files.setdefault(name, []).append((minute, usage.files))
        title = (
            f"{self.rate:.0f} requests/s for {self.parts[-1].ended_s / 60:.0f} minutes, "
            f"{self.rate / self.capacity:.0%} of capacity; a worker was killed at each line"
        )
        kills = [seconds / 60 for seconds in self.killed_s]
        return draw_panels(title, [Panel(*each) for each in series.items()], kills)

    def to_document(self) -> dict[str, Any]:
        """Return the figures as JSON takes them."""
        figures = round_figures(asdict(self))
        totals = {"answers": self.count_answers(), "goals": goals_to_document(self.build_goals())}
        return {**figures, **round_figures(totals)}


def compare_halves(values: Sequence[float]) -> float:
    """Return the median of the second half to that of the first, without the middle value."""
    half = len(values) // 2
    return median(values[-half:]) / median(values[:half]) if half else float("nan")
