"""What each kind of work is expected to take."""

from typing import Final

NEWEST_WEIGHT: Final = 0.1  # of the newest time in the running mean


class LatencyEstimator:
    """How long each kind of work takes, as a running mean."""

    __slots__ = ("_default_s", "_means_s")

    def __init__(self, default_s: float) -> None:
        """Know nothing yet.

        Args:
            default_s: Expected of what was never done.
        """
        self._default_s = default_s
        self._means_s: dict[str, float] = {}

    def estimate_s(self, kind: str) -> float:
        """Return the mean in seconds."""
        return self._means_s.get(kind, self._default_s)

    def observe(self, kind: str, seconds: float) -> None:
        """Take in how long it took once more."""
        before = self._means_s.get(kind, seconds)
        self._means_s[kind] = before + NEWEST_WEIGHT * (seconds - before)
