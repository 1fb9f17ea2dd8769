"""What the service counts and times, as Prometheus collectors on a given registry.

A label never holds a caller's own text: ``model`` is one of the models or ``unknown``, and
``outcome`` and ``reason`` are codes of errors.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from phiz.errors import PhizError
from phiz.timings import Timings

# Seconds. The smallest network takes about 1 ms, a large picture through a cascade some 100.
BUCKETS_S = (
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
UNKNOWN = "unknown"
OK = "ok"


@dataclass(slots=True)
class Observation:
    """What becomes known of one request while it is answered.

    Attributes:
        model: As requested, once it is known to be one of the models.
        admitted: Whether it was read and its options make sense.
    """

    model: str = UNKNOWN
    admitted: bool = False


class Metrics:
    """The collectors; ``registry`` is what ``/metrics`` shows."""

    __slots__ = (
        "_faces",
        "_inflight",
        "_info",
        "_queue_depth",
        "_rejected",
        "_requests",
        "_stages",
        "registry",
    )

    def __init__(self, registry: CollectorRegistry, waiting: Callable[[], float]) -> None:
        """Put every collector on the registry.

        Args:
            registry: Where they are put, together with those of the process.
            waiting: Returns how many requests wait for a thread.
        """
        self.registry = registry
        self._requests = self._histogram(
            "phiz_request_seconds",
            "Time of a detection request from its headers to its answer, by outcome:"
            " ok, or the code of the error.",
            "outcome",
        )
        self._stages = self._histogram(
            "phiz_stage_seconds",
            "Time of each stage of a detection; pnet, rnet and onet are parts of inference.",
            "stage",
        )
        self._faces = Counter("phiz_faces", "Faces answered.", ["model"], registry=registry)
        self._inflight = Gauge(
            "phiz_inflight_requests",
            "Detection requests between their headers and their answer.",
            registry=registry,
        )
        self._rejected = Counter(
            "phiz_rejected",
            "Detection requests refused before any work on the picture, by the error's code.",
            ["reason"],
            registry=registry,
        )
        self._queue_depth = Gauge(
            "phiz_queue_depth", "Detection requests that wait for a thread.", registry=registry
        )
        self._queue_depth.set_function(waiting)
        self._info = Gauge(
            "phiz_model_info", "1 for each loaded model.", ["model", "kind"], registry=registry
        )
        ProcessCollector(registry=registry)

    def loaded(self, kinds: Mapping[str, str]) -> None:
        """Show the models, given as name to kind."""
        for model, kind in kinds.items():
            self._info.labels(model, kind).set(1)

    @contextmanager
    def request(self, outcome: Callable[[BaseException], str]) -> Iterator[Observation]:
        """Count and time one request; an error that ends it is passed on.

        Args:
            outcome: Returns the code of an error.
        """
        observation = Observation()
        started = time.perf_counter()
        self._inflight.inc()
        try:
            yield observation
        except BaseException as error:
            code = outcome(error)
            self._ended(observation.model, code, started)
            if isinstance(error, PhizError) and not observation.admitted:
                self._rejected.labels(code).inc()
            raise
        else:
            self._ended(observation.model, OK, started)
        finally:
            self._inflight.dec()

    def answered(self, model: str, timings: Timings, faces: int) -> None:
        """Count the faces of one answer and the time of its stages."""
        self._faces.labels(model).inc(faces)
        for stage, seconds in {**timings.stages, **timings.parts}.items():
            self._stages.labels(model, stage).observe(seconds)

    def _histogram(self, name: str, documentation: str, by: str) -> Histogram:
        """Return the times in seconds of each model, by one more label."""
        return Histogram(
            name, documentation, ["model", by], buckets=BUCKETS_S, registry=self.registry
        )

    def _ended(self, model: str, outcome: str, started: float) -> None:
        self._requests.labels(model, outcome).observe(time.perf_counter() - started)
