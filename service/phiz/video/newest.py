"""The newest items of a source that does not wait, such as a camera."""

from collections.abc import Iterable, Iterator
from threading import Condition, Thread
from typing import Final, Generic, TypeVar

T = TypeVar("T")

JOIN_TIMEOUT_S: Final = 15.0  # the source itself gives up before


class NewestItems(Generic[T]):
    """Reads a source in a thread, and keeps the newest item alone.

    Attributes:
        dropped: Number of items that gave way to a newer one.
    """

    def __init__(self, items: Iterable[T]) -> None:
        """Return a reader that has not begun.

        Args:
            items: The source.
        """
        self.dropped = 0
        self._items = items
        self._is_closed = False
        self._changed = Condition()
        self._newest: list[T] = []
        self._error: BaseException | None = None
        self._has_ended = False
        self._thread = Thread(target=self._read, daemon=True)

    def __iter__(self) -> Iterator[T]:
        """Yield the newest item whenever the caller asks for one, until the source ends.

        Raises:
            BaseException: As the source.
        """
        self._thread.start()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest or self._has_ended)
                if not self._newest:
                    break
                item = self._newest.pop()
            yield item
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Leave the source after its next item, and wait until the thread has ended."""
        self._is_closed = True
        if self._thread.ident is not None:
            self._thread.join(JOIN_TIMEOUT_S)

    def _read(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    self.dropped += len(self._newest)
                    self._newest[:] = [item]
                    self._changed.notify()
                if self._is_closed:
                    break
        except BaseException as error:  # noqa: BLE001  it is raised where the items are taken
            self._error = error
        with self._changed:
            self._has_ended = True
            self._changed.notify()
