"""What the service counts and times, as Prometheus collectors on a given registry.

A label never holds a caller's own text: ``model`` is one of the models or ``unknown``, and
``outcome`` and ``reason`` are codes of errors.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Gauge, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

import phiz
from phiz.api.counts import Counter, Histogram
from phiz.errors import DeadlineError, OverloadedError, WorkerDiedError, WorkerFaultError
from phiz.system.cgroups import get_processor_share
from phiz.system.procfs import read_processor_seconds, read_resident_bytes
from phiz.timings import Timings

# Seconds. The smallest network takes about 1 ms, a large picture through a cascade some 100.
BUCKETS_S: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
UNKNOWN_MODEL: Final = "unknown"
OK_CODE: Final = "ok"
# What may become of a picture through no fault of its own.
FAULT_CODES: Final = (DeadlineError.code, WorkerDiedError.code, WorkerFaultError.code)


class PoolState(Protocol):
    """What is shown of the workers."""

    @property
    def replaced_workers(self) -> int:
        """How many workers ended and were replaced."""

    @property
    def queue_depth(self) -> int:
        """How many calls wait."""

    @property
    def wait_s(self) -> float:
        """How long one more would wait, seconds."""

    @property
    def pids(self) -> Mapping[int, int]:
        """The process id of each worker, by its index."""


@dataclass(slots=True)
class DetectionRecord:
    """What becomes known of one request while it is answered.

    Attributes:
        started_at_s: When it came, by ``time.perf_counter``.
        model: As requested, once it is known to be one of the models.
        admitted: Whether it was read and its options make sense.
        received_at_s: When its last byte came, by the same clock; 0 as long as it has not.
        request_id: That its caller or we have given it.
        timings: Of each picture that was answered, in their order.
        code: Of the error that it ended with.
    """

    started_at_s: float
    model: str = UNKNOWN_MODEL
    admitted: bool = False
    received_at_s: float = 0.0
    request_id: str = ""
    timings: list[Timings] = field(default_factory=list)
    code: str = OK_CODE

    @property
    def queue_s(self) -> float:
        """The longest that one of its pictures waited for a worker, seconds."""
        return max(timings.stages["queue"] for timings in self.timings)


class Metrics:
    """The collectors; ``registry`` is what ``/metrics`` shows."""

    __slots__ = (
        "_faces",
        "_inflight",
        "_pictures",
        "_rejected",
        "_requests",
        "_stages",
        "registry",
    )

    def __init__(
        self,
        registry: CollectorRegistry,
        pool: PoolState,
        kinds: Mapping[str, str],
        models: Collection[str] = (),
    ) -> None:
        """Put every collector on the registry.

        Args:
            registry: Where they are put, together with those of the process.
            pool: Who works.
            kinds: The loaded models, name to kind.
            models: What else may be asked for.
        """
        self.registry = registry
        self._requests = Histogram(
            "phiz_request_seconds",
            "Time of a request from its headers to its answer, by outcome:"
            " ok, or the code of the error.",
            ("model", "outcome"),
            BUCKETS_S,
        )
        self._stages = Histogram(
            "phiz_stage_seconds",
            "Time of each stage of an answer; receive is that of a request's body, and pnet, rnet"
            " and onet are parts of inference.",
            ("model", "stage"),
            BUCKETS_S,
        )
        self._pictures = Counter(
            "phiz_pictures",
            "Pictures that were worked on, by outcome: ok, or the code of the error.",
            ("model", "outcome"),
        )
        self._faces = Counter("phiz_faces", "Faces answered.", ("model",))
        self._rejected = Counter(
            "phiz_rejected",
            "Requests refused before any work on the picture, by the error's code.",
            ("reason",),
        )
        self._inflight = 0
        inflight = Gauge(
            "phiz_inflight_requests",
            "Requests between their headers and their answer.",
            registry=registry,
        )
        inflight.set_function(lambda: self._inflight)
        for own in (self._requests, self._stages, self._pictures, self._faces, self._rejected):
            registry.register(own)
        build = Gauge(
            "phiz_build_info", "1, with the version of the service.", ["version"], registry=registry
        )
        build.labels(phiz.__version__).set(1)
        info = Gauge(
            "phiz_model_info", "1 for each loaded model.", ["model", "kind"], registry=registry
        )
        for model, kind in kinds.items():
            info.labels(model, kind).set(1)
        registry.register(PoolCollector(pool))
        ProcessCollector(registry=registry)
        self._rejected.add((OverloadedError.code,), 0)
        for model in (*kinds, *models):
            self._add_series(model)

    def start_request(self) -> DetectionRecord:
        """Count a request that has come, until it has ``ended``."""
        self._inflight += 1
        return DetectionRecord(time.perf_counter())

    def finish_request(
        self, detection: DetectionRecord, code: str = OK_CODE, *, refused: bool = False
    ) -> None:
        """Count and time a request.

        Args:
            detection: What ``begun`` returned.
            code: Of the error that it ended with.
            refused: Whether that error is an answer to the caller; it counts as a refusal if
                nothing had been done for the request.
        """
        self._inflight -= 1
        detection.code = code
        model, started_at_s, received_at_s = (
            detection.model,
            detection.started_at_s,
            detection.received_at_s,
        )
        self._requests.observe((model, code), time.perf_counter() - started_at_s)
        if received_at_s:
            self._stages.observe((model, "receive"), received_at_s - started_at_s)
        if refused and not detection.admitted:
            self._rejected.add((code,))

    def count_image(self, model: str, timings: Timings, face_count: int | None) -> None:
        """Count a picture, the time of its stages, and its faces if any were looked for."""
        self._pictures.add((model, OK_CODE))
        if face_count is not None:
            self._faces.add((model,), face_count)
        for stage, seconds in timings.stages.items():
            self._stages.observe((model, stage), seconds)
        for label, seconds in timings.parts.items():
            self._stages.observe((model, label), seconds)

    def count_failed_image(self, model: str, code: str) -> None:
        """Count a picture that could not be answered."""
        self._pictures.add((model, code))

    def _add_series(self, model: str) -> None:
        """Show what may go wrong with a model before it does: a rate begins at a first value.

        A few lines of counters, and of histograms, which have many, only the one that no counter
        knows by the model.
        """
        self._requests.add_series((model, OverloadedError.code))
        for outcome in (OK_CODE, *FAULT_CODES):
            self._pictures.add((model, outcome), 0)


class PoolCollector(Collector):
    """Shows the workers and their queue, as they are when they are asked for."""

    __slots__ = ("_pool",)

    def __init__(self, pool: PoolState) -> None:
        self._pool = pool

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics; memory and processor time where the system tells them."""
        pool = self._pool
        processes = pool.pids
        yield GaugeMetricFamily(
            "phiz_queue_depth", "Pictures that wait for a worker.", pool.queue_depth
        )
        yield GaugeMetricFamily(
            "phiz_queue_wait_seconds", "What one more would wait, as far as known.", pool.wait_s
        )
        yield GaugeMetricFamily("phiz_workers", "Workers that are ready.", len(processes))
        yield GaugeMetricFamily(
            "phiz_processors",
            "Processors that there are to use, parts of one too.",
            get_processor_share(),
        )
        yield CounterMetricFamily(
            "phiz_workers_replaced", "Workers that ended and were replaced.", pool.replaced_workers
        )
        memory = GaugeMetricFamily(
            "phiz_worker_resident_bytes", "Resident memory of a worker.", labels=["worker"]
        )
        seconds = CounterMetricFamily(
            "phiz_worker_cpu_seconds", "Processor time of a worker.", labels=["worker"]
        )
        for index, pid in sorted(processes.items()):
            if (resident := read_resident_bytes(pid)) is not None:
                memory.add_metric([str(index)], resident)
            if (spent := read_processor_seconds(pid)) is not None:
                seconds.add_metric([str(index)], spent)
        yield memory
        yield seconds
