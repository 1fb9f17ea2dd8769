"""Admits requests: only those that can be answered in time, and only so many bytes at once."""

import math
from collections.abc import Sequence
from typing import Final, Protocol

from phiz.api.server.bodies import BodyPlaces
from phiz.errors import ExcessiveWorkError, OverloadedError
from phiz.workers.latency import Forecast

# Share of the deadline that a request may be queued. Requests ahead may take longer than expected,
# and the work itself takes its time.
MAX_WAIT_SHARE: Final = 0.5
MAX_RETRY_AFTER_S: Final = 600
# A forecast may be wrong by so much before a request is refused by it.
FORECAST_TOLERANCE: Final = 2.0
# Work shorter than this is never refused: it costs little, however early its deadline.
LEAST_REFUSED_S: Final = 0.1


class AdmissionQueue(Protocol):
    """The queue that requests are admitted to."""

    @property
    def queue_depth(self) -> int:
        """Number of queued tasks."""

    def estimate_wait_s(self, client: str, expected_s: float) -> float:
        """Return the expected wait of one more task in seconds, by its client and its time."""


class Admission:
    """Decides by the queue, the deadline and the held bytes, in the thread of the event loop.

    Attributes:
        bodies: Places and bytes of all bodies.
    """

    def __init__(
        self, queue: AdmissionQueue, max_queued: int | None, max_bytes: int, max_bodies: int
    ) -> None:
        """Return an admission without requests.

        Args:
            queue: Queue of the workers.
            max_queued: Maximum number of queued tasks; None for no limit but the deadline.
            max_bytes: Maximum bytes of all bodies together, until they are answered.
            max_bodies: Maximum number of bodies that arrive at once.
        """
        self._queue = queue
        self._max_queued = max_queued
        self.bodies = BodyPlaces(max_bodies, max_bytes)

    def check(
        self,
        remaining_s: float,
        client: str = "",
        expected_s: float = 0.0,
        other_images: int = 0,
        other_images_s: float = 0.0,
    ) -> None:
        """Admit a request.

        Args:
            remaining_s: Seconds until its deadline.
            client: Its client.
            expected_s: Expected seconds of its longest image.
            other_images: Number of images beside its first one.
            other_images_s: Expected seconds of these.

        Raises:
            OverloadedError: The queue is full, or the wait would be too long.
        """
        wait_s = self._queue.estimate_wait_s(client, expected_s) + other_images_s
        if (
            self._max_queued is not None
            and self._queue.queue_depth + other_images >= self._max_queued
        ):
            raise OverloadedError(
                f"the queue is full with the limit of {self._max_queued} detections; try again in"
                " a moment",
                _round_retry_after(wait_s),
            )
        if wait_s > MAX_WAIT_SHARE * remaining_s:
            raise OverloadedError(
                f"the expected wait is {wait_s:.2g} s and the deadline is {remaining_s:g} s;"
                " try again in a moment",
                _round_retry_after(wait_s),
            )

    def check_work(self, forecasts: Sequence[Forecast], workers: int, remaining_s: float) -> None:
        """Refuse a request whose images would take far longer than its deadline.

        Args:
            forecasts: Those of its images.
            workers: Number of workers.
            remaining_s: Seconds until its deadline.

        Raises:
            ExcessiveWorkError: Even quick images of their size would be late.
        """
        low_s = max(forecast.low_s for forecast in forecasts)
        if len(forecasts) > 1:
            low_s = max(low_s, sum(forecast.low_s for forecast in forecasts) / workers)
        if low_s < LEAST_REFUSED_S or low_s <= FORECAST_TOLERANCE * remaining_s:
            return
        images = "these images" if len(forecasts) > 1 else "an image of this size"
        fewer = "fewer or smaller images" if len(forecasts) > 1 else "a smaller image"
        raise ExcessiveWorkError(
            f"{images} would take at least {low_s:.2g} s with this model and these options; the"
            f" deadline is {remaining_s:g} s; send {fewer}, choose a faster model, or set min_face"
            " or budget_ms (auto, yunet, centerface)"
        )


def _round_retry_after(wait_s: float) -> int:
    return max(1, math.ceil(min(wait_s, MAX_RETRY_AFTER_S)))
