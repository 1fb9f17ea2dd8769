"""What a core answers, and so what a million pictures cost, and how many cores a day needs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.worker import answer_detection

MILLION: Final = 1_000_000
BILLION: Final = 1_000_000_000
DAY_S: Final = 86_400
HOUR_S: Final = 3600
HEADINGS: Final = (
    *("pictures", "model", "ms of a core", "pictures/s and core"),
    *("core hours, a million", "cores, a billion a day"),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What pictures of one kind cost with one model.

    Attributes:
        kind: Of the pictures: the name of their folder.
        model: That detects.
        pictures: How many were measured.
        core_s: Processor time of one, on average, from its bytes to the bytes of the answer.
    """

    kind: str
    model: str
    pictures: int
    core_s: float

    @property
    def a_million_h(self) -> float:
        """Core hours of a million pictures."""
        return self.core_s * MILLION / HOUR_S

    @property
    def a_billion_a_day(self) -> float:
        """Cores that a billion pictures a day keep busy all of the time."""
        return self.core_s * BILLION / DAY_S


def measure_costs(
    engine: Engine, models: Sequence[str], files: Sequence[Path], rounds: int
) -> list[Cost]:
    """Return what pictures cost with each model: the median of so many rounds over all of them.

    Args:
        engine: With these models, warm or not: a round before the first does not count.
        models: Take turns in each round, so that they meet the same noise.
        files: Pictures of one folder.
        rounds: That count.
    """
    image_bytes = [file.read_bytes() for file in files]
    taken: dict[str, list[float]] = {model: [] for model in models}
    for _ in range(rounds + 1):
        for model in models:
            taken[model].append(_measure_core_s(engine, model, image_bytes))
    kind = files[0].parents[1].name
    return [
        Cost(kind, model, len(files), median(seconds[1:]) / len(files))
        for model, seconds in taken.items()
    ]


def _measure_core_s(engine: Engine, model: str, images_bytes: Sequence[bytes]) -> float:
    began = time.process_time()
    for image_bytes in images_bytes:
        answer_detection(engine, image_bytes, model, DetectOptions(), time.perf_counter())
    return time.process_time() - began


def format_row(cost: Cost) -> list[str]:
    """Return a row of the table, below ``HEADINGS``."""
    return [
        f"`{cost.kind}`",
        f"`{cost.model}`",
        f"{1000 * cost.core_s:.1f}",
        f"{1 / cost.core_s:.0f}",
        f"{cost.a_million_h:.2f}",
        f"{cost.a_billion_a_day:,.0f}",
    ]
