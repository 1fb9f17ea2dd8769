"""Who is let in: only who can be answered in time, and only so many bytes at once."""

import math
from typing import Final, Protocol, Self

from phiz.errors import OverloadedError

# Of the time that an answer may take, so much may be spent waiting: what is ahead may take
# longer than expected, and the work itself takes its time too.
MAX_WAIT_SHARE: Final = 0.5
MAX_RETRY_AFTER_S: Final = 600  # when to try again at the latest


class QueueState(Protocol):
    """What is known of those that wait."""

    @property
    def queue_depth(self) -> int:
        """How many."""

    @property
    def wait_s(self) -> float:
        """How long one more would wait, as far as can be told, seconds."""


class BodyReservation:
    """A body that is here, or comes: from its first byte until it is answered."""

    __slots__ = ("_admission", "_is_receiving", "size_bytes")

    def __init__(self, admission: "Admission") -> None:
        self._admission = admission
        self._is_receiving = False
        self.size_bytes = 0

    def __enter__(self) -> Self:
        self._admission.change_receiving(1)
        self._is_receiving = True
        return self

    def __exit__(self, *_error: object) -> None:
        self.finish_receiving()
        self._admission.hold_bytes(-self.size_bytes)

    def add_bytes(self, size_bytes: int) -> None:
        """Hold so many bytes more.

        Raises:
            OverloadedError: All bodies together would have too many.
        """
        self._admission.hold_bytes(size_bytes)
        self.size_bytes += size_bytes

    def finish_receiving(self) -> None:
        """Have it no more among those that come."""
        if self._is_receiving:
            self._is_receiving = False
            self._admission.change_receiving(-1)


class Admission:
    """Decides by what waits, by the time that is left, and by the bytes that are held.

    For the thread of the event loop alone.
    """

    __slots__ = ("_held_bytes", "_max_bodies", "_max_bytes", "_max_queued", "_queue", "_receiving")

    def __init__(
        self, queue: QueueState, max_queued: int | None, max_bytes: int, max_bodies: int
    ) -> None:
        """Admit nobody yet.

        Args:
            queue: That is waited in.
            max_queued: So many may wait; None for as many as can be answered in time.
            max_bytes: Bodies may have so many in all, until they are answered.
            max_bodies: So many may come at once.
        """
        self._queue = queue
        self._max_queued = max_queued
        self._max_bytes = max_bytes
        self._max_bodies = max_bodies
        self._receiving = 0
        self._held_bytes = 0

    def check(self, remaining_s: float, other_images: int = 0, other_images_s: float = 0.0) -> None:
        """Admit what comes now.

        Args:
            remaining_s: When its answer must be there, seconds from now.
            other_images: How many detections come with it, all at once.
            other_images_s: What these are expected to take.

        Raises:
            OverloadedError: As many wait as may, or it would wait too long.
        """
        wait_s = self._queue.wait_s + other_images_s
        if (
            self._max_queued is not None
            and self._queue.queue_depth + other_images >= self._max_queued
        ):
            raise OverloadedError(
                f"{self._max_queued} detections wait already, which is the limit; try again in"
                " a moment",
                _round_retry_after(wait_s),
            )
        if wait_s > MAX_WAIT_SHARE * remaining_s:
            raise OverloadedError(
                f"it would wait for {wait_s:.2g} s, and the answer must be there in"
                f" {remaining_s:g} s;"
                " try again in a moment",
                _round_retry_after(wait_s),
            )

    def reserve_body(self) -> BodyReservation:
        """Return a body that has not begun to come.

        As a context it comes, which raises an OverloadedError if as many come as may.
        """
        return BodyReservation(self)

    def change_receiving(self, change: int) -> None:
        """Count bodies that come.

        Raises:
            OverloadedError: There would be too many.
        """
        if self._receiving + change > self._max_bodies:
            raise OverloadedError(
                f"{self._max_bodies} bodies are being received already, which is the limit;"
                " try again in a moment"
            )
        self._receiving += change

    def hold_bytes(self, size_bytes: int) -> None:
        """Count bytes that are held.

        Raises:
            OverloadedError: There would be too many.
        """
        if self._held_bytes + size_bytes > self._max_bytes:
            raise OverloadedError(
                f"the bodies that are here already have {self._held_bytes} bytes, and the limit for"
                " all"
                f" is {self._max_bytes}; try again in a moment"
            )
        self._held_bytes += size_bytes


def _round_retry_after(wait_s: float) -> int:
    return max(1, math.ceil(min(wait_s, MAX_RETRY_AFTER_S)))
