"""Who is let in: only so many detections at once that have not begun."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from phiz.errors import OverloadedError

# For each thread. At some 10 ms a picture the last of them waits for less than a second.
QUEUE_PER_THREAD = 16


class Admission:
    """Counts the detections that have not begun: their body still comes, or they wait.

    Each may hold a whole body, so that their number bounds memory as well as waiting.
    For the thread of the event loop alone.
    """

    __slots__ = ("_arriving", "_limit", "_waiting")

    def __init__(self, limit: int, waiting: Callable[[], int]) -> None:
        """Admit nobody yet.

        Args:
            limit: So many may be admitted and not have begun.
            waiting: Returns how many wait for a thread.
        """
        self._limit = limit
        self._waiting = waiting
        self._arriving = 0

    @contextmanager
    def arriving(self) -> Iterator[None]:
        """Admit a detection while its body is read; then it must wait for a thread at once.

        Raises:
            OverloadedError: As many have not begun as may.
        """
        if self._arriving + self._waiting() >= self._limit:
            raise OverloadedError(
                f"{self._limit} detections wait already, which is the limit; try again in a moment"
            )
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1
