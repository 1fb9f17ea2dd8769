"""The metrics of the service, as Prometheus collectors on a given registry.

Labels never hold text of a caller: ``model`` is one of the models or ``unknown``, and ``outcome``
and ``reason`` are codes of errors.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Gauge, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

import phiz
from phiz.api.counts import Counter, Histogram
from phiz.api.error_table import ROUTELESS_ERRORS
from phiz.api.errors import NotReadyError, get_error_code
from phiz.api.request_record import OK_CODE, UNKNOWN_MODEL, RequestRecord
from phiz.errors import (
    ApiKeyError,
    DeadlineError,
    OverloadedError,
    PhizError,
    RateLimitError,
    ScopeError,
    WorkerDiedError,
    WorkerFaultError,
)
from phiz.system.cgroups import get_processor_share
from phiz.system.procfs import read_processor_seconds, read_resident_bytes
from phiz.wire.messages import EncodedAnswer

# The smallest network takes about 1 ms, and most answers for a large image 100 to 250 ms.
BUCKETS_S: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.15,
    0.2,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
# Errors that are not the fault of an image.
FAULT_CODES: Final = (DeadlineError.code, WorkerDiedError.code, WorkerFaultError.code)


class PoolState(Protocol):
    """The state of the workers and their queue."""

    @property
    def queue_depth(self) -> int:
        """Number of queued tasks."""

    @property
    def wait_s(self) -> float:
        """Expected seconds until all tasks have begun."""

    @property
    def replaced_workers(self) -> int:
        """Number of workers that ended and were replaced."""

    @property
    def pids(self) -> Mapping[int, int]:
        """Process id of each worker, by its index."""


class Metrics:
    """The collectors; ``registry`` is what ``/metrics`` shows."""

    def __init__(
        self,
        registry: CollectorRegistry,
        pool: PoolState,
        kinds: Mapping[str, str],
        models: Collection[str] = (),
    ) -> None:
        """Register all collectors, including those of the process.

        Args:
            registry: Registry of the collectors.
            pool: State of the workers.
            kinds: Kind of each loaded model, by name.
            models: Names of other models that requests may have.
        """
        self.registry = registry
        self._requests = Histogram(
            "phiz_request_seconds",
            "Seconds from a request's headers to its answer, by outcome.",
            ("model", "outcome"),
            BUCKETS_S,
        )
        self._renders = Histogram(
            "phiz_render_seconds",
            "Seconds of requests answered with images, by route and outcome.",
            ("route", "outcome"),
            BUCKETS_S,
        )
        self._stages = Histogram(
            "phiz_stage_seconds",
            "Seconds of each stage: receive of the body, render of images that are answered; pnet,"
            " rnet and onet are parts of inference.",
            ("model", "stage"),
            BUCKETS_S,
        )
        self._pictures = Counter(
            "phiz_pictures",
            "Processed images, by outcome.",
            ("model", "outcome"),
        )
        self._faces = Counter("phiz_faces", "Returned faces.", ("model",))
        self._rejected = Counter(
            "phiz_rejected",
            "Requests rejected before any work on an image, by error code.",
            ("reason",),
        )
        self._slow_readers = Counter(
            "phiz_slow_readers",
            "Connections ended because the client did not read.",
            (),
        )
        self._slow_readers.add((), 0)
        self._frames = Counter(
            "phiz_frames",
            "Answered frames.",
            ("model", "outcome"),
        )
        self._dropped_frames = Counter(
            "phiz_frames_dropped",
            "Dropped frames.",
            (),
        )
        self._dropped_frames.add((), 0)
        self._streams = 0
        streams = Gauge("phiz_streams", "Open streams.", registry=registry)
        streams.set_function(lambda: self._streams)
        self._inflight = 0
        inflight = Gauge(
            "phiz_inflight_requests",
            "Requests in progress.",
            registry=registry,
        )
        inflight.set_function(lambda: self._inflight)
        for own in (
            self._requests,
            self._renders,
            self._stages,
            self._pictures,
            self._faces,
            self._rejected,
            self._slow_readers,
            self._frames,
            self._dropped_frames,
        ):
            registry.register(own)
        build = Gauge(
            "phiz_build_info",
            "Always 1; the label is the version.",
            ["version"],
            registry=registry,
        )
        build.labels(phiz.__version__).set(1)
        info = Gauge(
            "phiz_model_info", "1 for each loaded model.", ["model", "kind"], registry=registry
        )
        for model, kind in kinds.items():
            info.labels(model, kind).set(1)
        registry.register(PoolCollector(pool))
        ProcessCollector(registry=registry)
        refusals = (OverloadedError, ApiKeyError, ScopeError, RateLimitError)
        codes = (kind.code for kind in refusals)
        for reason in (*codes, *(entry.code for entry in ROUTELESS_ERRORS)):
            self._rejected.add((reason,), 0)
        for model in (*kinds, *models):
            self._add_series(model)

    def track_request(self, record: RequestRecord) -> "_RequestTracker":
        """Return a context that counts a request with images while it is answered.

        At its end the request is timed and its images are counted. A request that was cancelled,
        because the service stops, ends with a NotReadyError.
        """
        return _RequestTracker(self, record)

    def start_request(self, record: RequestRecord) -> None:
        """Count a request with images from now on."""
        self._inflight += 1
        record.model = UNKNOWN_MODEL

    def end_request(self, record: RequestRecord, error: BaseException | None) -> None:
        """Time a request, and count its images."""
        code = OK_CODE if error is None else get_error_code(error)
        if isinstance(error, PhizError) and not record.outcomes:
            self._rejected.add((code,))
        self._inflight -= 1
        self._count_request(record, code)

    def count_rejection(self, code: str) -> None:
        """Count a request that no route has answered, by the code of its error."""
        self._rejected.add((code,))

    def count_refusal(self, record: RequestRecord) -> None:
        """Count a request for images that was refused before it began."""
        self._rejected.add((record.code,))
        self._count_request(record, record.code)

    def count_slow_reader(self) -> None:
        """Count a connection that was ended because its client did not read."""
        self._slow_readers.add(())

    @contextmanager
    def track_stream(self) -> Iterator[None]:
        """Count a stream while it is open."""
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def count_frame(self, model: str, outcome: EncodedAnswer | PhizError) -> None:
        """Count an answered frame of a stream, which is an image too."""
        code = outcome.code if isinstance(outcome, PhizError) else OK_CODE
        self._frames.add((model, code))
        self._count_image(model, outcome)

    def count_dropped_frame(self) -> None:
        """Count a frame that was dropped because a newer one had arrived."""
        self._dropped_frames.add(())

    def _count_request(self, record: RequestRecord, code: str) -> None:
        model = record.model
        spent_s = time.perf_counter() - record.started_at_s
        self._requests.observe((model, code), spent_s)
        if record.is_rendered:
            self._renders.observe((record.path, code), spent_s)
        if record.received_at_s:
            self._stages.observe((model, "receive"), record.received_at_s - record.started_at_s)
        for outcome in record.outcomes:
            self._count_image(model, outcome)

    def _count_image(self, model: str, outcome: EncodedAnswer | PhizError) -> None:
        if isinstance(outcome, PhizError):
            self._pictures.add((model, outcome.code))
            return
        self._pictures.add((model, OK_CODE))
        if outcome.face_count is not None:
            self._faces.add((model,), outcome.face_count)
        for stage, seconds in chain(outcome.stages.items(), outcome.parts.items()):
            self._stages.observe((model, stage), seconds)

    def _add_series(self, model: str) -> None:
        """Show the failures of a model before the first one, which a rate would miss.

        Only one histogram is shown, because histograms have many lines.
        """
        self._requests.add_series((model, OverloadedError.code))
        for outcome in (OK_CODE, *FAULT_CODES):
            self._pictures.add((model, outcome), 0)


class _RequestTracker:
    """Counts a request while it is answered."""

    __slots__ = ("_metrics", "_record")

    def __init__(self, metrics: Metrics, record: RequestRecord) -> None:
        self._metrics = metrics
        self._record = record

    def __enter__(self) -> None:
        self._metrics.start_request(self._record)

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, asyncio.CancelledError):
            self._metrics.end_request(self._record, error)
            return
        reason = NotReadyError()
        self._metrics.end_request(self._record, reason)
        raise reason from None


class PoolCollector(Collector):
    """Shows the current state of the workers and their queue."""

    def __init__(self, pool: PoolState) -> None:
        self._pool = pool

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics; memory and processor time only on Linux."""
        pool = self._pool
        processes = pool.pids
        yield GaugeMetricFamily("phiz_queue_depth", "Images queued for a worker.", pool.queue_depth)
        yield GaugeMetricFamily(
            "phiz_queue_wait_seconds", "Expected wait of the next image.", pool.wait_s
        )
        yield GaugeMetricFamily("phiz_workers", "Ready workers.", len(processes))
        yield GaugeMetricFamily(
            "phiz_processors",
            "Processors that the service may use.",
            get_processor_share(),
        )
        yield CounterMetricFamily(
            "phiz_workers_replaced", "Restarted workers.", pool.replaced_workers
        )
        memory = GaugeMetricFamily(
            "phiz_worker_resident_bytes",
            "Resident memory of each worker.",
            labels=["worker"],
        )
        seconds = CounterMetricFamily(
            "phiz_worker_cpu_seconds",
            "Processor time of each worker.",
            labels=["worker"],
        )
        for index, pid in sorted(processes.items()):
            if (resident := read_resident_bytes(pid)) is not None:
                memory.add_metric([str(index)], resident)
            if (spent := read_processor_seconds(pid)) is not None:
                seconds.add_metric([str(index)], spent)
        yield memory
        yield seconds
