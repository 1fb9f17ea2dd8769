"""Tells a request at once that its client has left, without a task that waits for it."""

from collections.abc import Callable
from typing import Final

DISCONNECT_KEY: Final = "phiz.disconnect"
"""Key of the ``Disconnect`` of a request in its scope (ASGI)."""
STOP_KEY: Final = "phiz.stop"
"""Key of the end of the service in the scope (ASGI) of a stream: a ``Disconnect`` too."""


class Disconnect:
    """The end of the connection of a request that is being answered."""

    __slots__ = ("_callback", "_has_happened")

    def __init__(self) -> None:
        """Return the end of a connection that is open."""
        self._callback: Callable[[], None] | None = None
        self._has_happened = False

    def listen(self, callback: Callable[[], None] | None) -> None:
        """Call a function when the connection ends, or now if it has; None for no more."""
        self._callback = callback
        if self._has_happened and callback is not None:
            callback()

    def notify(self) -> None:
        """Tell that the connection has ended."""
        self._has_happened = True
        if self._callback is not None:
            self._callback()
