"""Who is let in: only who can be answered in time, and only so many bytes at once."""

import math
from typing import Final, Protocol, Self

from phiz.errors import OverloadedError

# Of the time that an answer may take, so much may be spent waiting: what is ahead may take
# longer than expected, and the work itself takes its time too.
WAITING_SHARE: Final = 0.5
LATEST_S: Final = 600  # when to try again at the latest


class Queue(Protocol):
    """What is known of those that wait."""

    @property
    def waiting(self) -> int:
        """How many."""

    @property
    def wait_s(self) -> float:
        """How long one more would wait, as far as can be told, seconds."""


class Body:
    """A body that is here, or comes: from its first byte until it is answered."""

    __slots__ = ("_admission", "_arriving", "size")

    def __init__(self, admission: "Admission") -> None:
        self._admission = admission
        self._arriving = False
        self.size = 0

    def __enter__(self) -> Self:
        self._admission.arriving(1)
        self._arriving = True
        return self

    def __exit__(self, *_error: object) -> None:
        self.arrived()
        self._admission.hold(-self.size)

    def add(self, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            OverloadedError: All bodies together would have too many.
        """
        self._admission.hold(size)
        self.size += size

    def arrived(self) -> None:
        """Have it no more among those that come."""
        if self._arriving:
            self._arriving = False
            self._admission.arriving(-1)


class Admission:
    """Decides by what waits, by the time that is left, and by the bytes that are held.

    For the thread of the event loop alone.
    """

    __slots__ = ("_arriving", "_held", "_limit", "_most_bodies", "_most_bytes", "_queue")

    def __init__(self, queue: Queue, limit: int | None, most_bytes: int, most_bodies: int) -> None:
        """Admit nobody yet.

        Args:
            queue: That is waited in.
            limit: So many may wait; None for as many as can be answered in time.
            most_bytes: Bodies may have so many in all, until they are answered.
            most_bodies: So many may come at once.
        """
        self._queue = queue
        self._limit = limit
        self._most_bytes = most_bytes
        self._most_bodies = most_bodies
        self._arriving = 0
        self._held = 0

    def check(self, left_s: float, others: int = 0, others_s: float = 0.0) -> None:
        """Admit what comes now.

        Args:
            left_s: When its answer must be there, seconds from now.
            others: How many detections come with it, all at once.
            others_s: What these are expected to take.

        Raises:
            OverloadedError: As many wait as may, or it would wait too long.
        """
        wait_s = self._queue.wait_s + others_s
        if self._limit is not None and self._queue.waiting + others >= self._limit:
            raise OverloadedError(
                f"{self._limit} detections wait already, which is the limit; try again in a moment",
                _worth_s(wait_s),
            )
        if wait_s > WAITING_SHARE * left_s:
            raise OverloadedError(
                f"it would wait for {wait_s:.2g} s, and the answer must be there in {left_s:g} s;"
                " try again in a moment",
                _worth_s(wait_s),
            )

    def body(self) -> Body:
        """Return a body that has not begun to come.

        As a context it comes, which raises an OverloadedError if as many come as may.
        """
        return Body(self)

    def arriving(self, change: int) -> None:
        """Count bodies that come.

        Raises:
            OverloadedError: There would be too many.
        """
        if self._arriving + change > self._most_bodies:
            raise OverloadedError(
                f"{self._most_bodies} bodies are being received already, which is the limit;"
                " try again in a moment"
            )
        self._arriving += change

    def hold(self, size: int) -> None:
        """Count bytes that are held.

        Raises:
            OverloadedError: There would be too many.
        """
        if self._held + size > self._most_bytes:
            raise OverloadedError(
                f"the bodies that are here already have {self._held} bytes, and the limit for all"
                f" is {self._most_bytes}; try again in a moment"
            )
        self._held += size


def _worth_s(wait_s: float) -> int:
    return max(1, math.ceil(min(wait_s, LATEST_S)))
