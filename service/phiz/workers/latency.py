"""What each kind of work is expected to take."""

from typing import Final

WEIGHT: Final = 0.1  # of the newest time in the running mean


class Costs:
    """How long each kind of work takes, as a running mean."""

    __slots__ = ("_seconds", "_unknown_s")

    def __init__(self, unknown_s: float) -> None:
        """Know nothing yet.

        Args:
            unknown_s: Expected of what was never done.
        """
        self._unknown_s = unknown_s
        self._seconds: dict[str, float] = {}

    def expected(self, kind: str) -> float:
        """Return the mean in seconds."""
        return self._seconds.get(kind, self._unknown_s)

    def observe(self, kind: str, seconds: float) -> None:
        """Take in how long it took once more."""
        before = self._seconds.get(kind, seconds)
        self._seconds[kind] = before + WEIGHT * (seconds - before)
