"""The expected time of each kind of work."""

from typing import Final

NEWEST_WEIGHT: Final = 0.1  # in the running mean


class LatencyEstimator:
    """A running mean of the time of each kind of work."""

    __slots__ = ("_default_s", "_means_s")

    def __init__(self, default_s: float) -> None:
        """Start with a default for unknown kinds."""
        self._default_s = default_s
        self._means_s: dict[str, float] = {}

    def estimate_s(self, kind: str) -> float:
        """Return the mean in seconds."""
        return self._means_s.get(kind, self._default_s)

    def observe(self, kind: str, seconds: float) -> None:
        """Add one observation."""
        before = self._means_s.get(kind, seconds)
        self._means_s[kind] = before + NEWEST_WEIGHT * (seconds - before)
