"""Admits requests: only those that can be answered in time, and only so many bytes at once."""

import math
from contextlib import AbstractContextManager
from typing import Final, Protocol

from phiz.api.server.bodies import BodyPlaces, BodyReservation
from phiz.errors import OverloadedError

# Share of the deadline that a request may be queued. Requests ahead may take longer than expected,
# and the work itself takes its time.
MAX_WAIT_SHARE: Final = 0.5
MAX_RETRY_AFTER_S: Final = 600


class QueueState(Protocol):
    """The queue of a worker pool."""

    @property
    def queue_depth(self) -> int:
        """Number of queued tasks."""

    @property
    def wait_s(self) -> float:
        """Expected wait of one more task, in seconds."""


class Admission:
    """Decides by the queue, the deadline and the held bytes, in the thread of the event loop.

    Attributes:
        bodies: Places and bytes of all bodies.
    """

    def __init__(
        self, queue: QueueState, max_queued: int | None, max_bytes: int, max_bodies: int
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

    def check(self, remaining_s: float, other_images: int = 0, other_images_s: float = 0.0) -> None:
        """Admit a request.

        Args:
            remaining_s: Seconds until its deadline.
            other_images: Number of images beside its first one.
            other_images_s: Expected seconds of these.

        Raises:
            OverloadedError: The queue is full, or the wait would be too long.
        """
        wait_s = self._queue.wait_s + other_images_s
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

    def reserve_body(self, host: str) -> AbstractContextManager[BodyReservation]:
        """Reserve the place of a body from an address, until its request is answered.

        Raises:
            OverloadedError: Too many bodies are arriving already, and none of them is slow.
        """
        return self.bodies.reserve(host)


def _round_retry_after(wait_s: float) -> int:
    return max(1, math.ceil(min(wait_s, MAX_RETRY_AFTER_S)))
