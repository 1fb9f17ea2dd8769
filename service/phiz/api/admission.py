"""Who is let in: only so many bodies at once that still come, and so many that wait."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from phiz.errors import OverloadedError

# For each thread. At some 10 ms a picture the last of them waits for less than a second.
QUEUE_PER_THREAD = 16
# For each that may wait. Most bodies come at once, and one that comes slowly costs no time of
# a processor and holds only what has come of it; so slow clients take no place in the queue.
ARRIVING_PER_PLACE = 8


class Admission:
    """Counts the detections that have not begun, apart: their body still comes, or they wait.

    For the thread of the event loop alone.
    """

    __slots__ = ("_arriving", "_limit", "_most_arriving", "_waiting")

    def __init__(self, limit: int, waiting: Callable[[], int]) -> None:
        """Admit nobody yet.

        Args:
            limit: So many may wait, and eight times as many bodies may come.
            waiting: Returns how many wait for a thread.
        """
        self._limit = limit
        self._most_arriving = ARRIVING_PER_PLACE * limit
        self._waiting = waiting
        self._arriving = 0

    @contextmanager
    def arriving(self) -> Iterator[None]:
        """Admit a detection while its body is read; then it must wait for a thread at once.

        Raises:
            OverloadedError: As many bodies come as may; or as many detections wait as may,
                before the body is read or once it is there.
        """
        self._check_queue()
        if self._arriving >= self._most_arriving:
            raise OverloadedError(
                f"{self._most_arriving} bodies are being received already, which is the limit;"
                " try again in a moment"
            )
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1
        # Others may have come in the meantime, since a body that comes holds no place.
        self._check_queue()

    def _check_queue(self) -> None:
        if self._waiting() >= self._limit:
            raise OverloadedError(
                f"{self._limit} detections wait already, which is the limit; try again in a moment"
            )
