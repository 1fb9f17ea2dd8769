"""The usage of a service's processes, sampled while it is under load."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from benchmarks.kit.service import ProcessUsage, RunningService, measure_usage

INTERVAL_S: Final = 0.5


@dataclass(slots=True)
class Watch:
    """Samples by process: ``service``, and ``worker 1`` and so on in the order of their starts."""

    service: RunningService
    samples: dict[str, list[ProcessUsage]] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)

    async def take_samples(self) -> None:
        """Take samples until it is cancelled."""
        while True:
            self.take_sample()
            await asyncio.sleep(INTERVAL_S)

    def take_sample(self) -> None:
        """Add the usage of all processes now, but of those that end meanwhile."""
        self._names.setdefault(self.service.process, "service")
        with suppress(FileNotFoundError, ProcessLookupError):
            for process in (self.service.process, *self.service.list_workers()):
                name = self._names.setdefault(process, f"worker {len(self._names)}")
                # A process that has ended, and is not waited for yet, has no memory.
                with suppress(FileNotFoundError, ProcessLookupError, ValueError):
                    self.samples.setdefault(name, []).append(measure_usage(process))

    def take_usage(self) -> dict[str, ProcessUsage]:
        """Return the median usage of each process since the last call."""
        taken, self.samples = self.samples, {}
        return {name: compute_median(each) for name, each in taken.items()}

    def take_peaks_mb(self) -> dict[str, float]:
        """Return the most memory of each process since the last call, MB."""
        taken, self.samples = self.samples, {}
        return {name: max(sample.memory_mb for sample in each) for name, each in taken.items()}


def compute_median(samples: list[ProcessUsage]) -> ProcessUsage:
    """Return the median of each figure."""
    return ProcessUsage(
        median(sample.memory_mb for sample in samples),
        round(median(sample.files for sample in samples)),
        round(median(sample.threads for sample in samples)),
    )
