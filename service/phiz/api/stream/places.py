"""The places of open streams."""

from collections.abc import Iterator
from contextlib import contextmanager

from phiz.errors import OverloadedError


class StreamPlaces:
    """The places of all streams.

    Attributes:
        limit: Maximum number of open streams.
        count: Number of open streams.
    """

    __slots__ = ("count", "limit")

    def __init__(self, limit: int) -> None:
        """Return free places."""
        self.limit = limit
        self.count = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Take a place while a stream is open.

        Raises:
            OverloadedError: None is free.
        """
        if self.count >= self.limit:
            raise OverloadedError(
                f"the service has the limit of {self.limit} open streams; try again later, or raise"
                " PHIZ_STREAMS on the machine of the service"
            )
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1
