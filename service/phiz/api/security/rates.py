"""Rates: how many requests a client may send, with a burst.

The limiter is the generic cell rate algorithm (ITU-T I.371, annex A): one number for each client,
the moment at which its burst is full again.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from phiz.errors import SettingError

SECONDS_BY_UNIT: Final = {"s": 1, "m": 60, "h": 3600}
MAX_COUNT: Final = 1_000_000
# Clients that the limiter remembers. The oldest is forgotten first, and gets a full burst again.
MAX_CLIENTS: Final = 10_000
RATE_FORMAT: Final = "COUNT/s, COUNT/m or COUNT/h with a count from 1 to 1000000, such as 20/s"
_RATE_PATTERN: Final = re.compile(r"(\d{1,7})/([smh])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate.

    Attributes:
        count: Requests in each period.
        period_s: Length of the period in seconds.
        burst: Maximum number of requests at once.
    """

    count: int
    period_s: int
    burst: int

    @classmethod
    def parse(cls, text: str, burst: str = "") -> Self:
        """Return the rate of a text such as ``20/s``; the burst is the count unless given.

        Raises:
            SettingError: The text is not a rate, or the burst is not a number.
        """
        found = _RATE_PATTERN.fullmatch(text)
        if found is None or not 1 <= int(found[1]) <= MAX_COUNT:
            raise SettingError(f"the rate is not {RATE_FORMAT}")
        if burst and not (burst.isascii() and burst.isdigit() and 1 <= int(burst) <= MAX_COUNT):
            raise SettingError(f"the burst is not a number from 1 to {MAX_COUNT}")
        count = int(found[1])
        return cls(count, SECONDS_BY_UNIT[found[2]], int(burst or count))

    @property
    def interval_s(self) -> float:
        """Seconds after which one more request is allowed."""
        return self.period_s / self.count


class RateLimiter:
    """Holds clients to their rates, in the thread of the event loop."""

    __slots__ = ("_full_at_s",)

    def __init__(self) -> None:
        """Return a limiter that has seen no client."""
        self._full_at_s: dict[str, float] = {}

    def take(self, client: str, rate: Rate, now_s: float) -> float:
        """Return 0 and count a request, or return the seconds until one is allowed."""
        full_at_s = max(self._full_at_s.get(client, 0.0), now_s) + rate.interval_s
        wait_s = full_at_s - now_s - rate.burst * rate.interval_s
        if wait_s > 1e-9:  # noqa: PLR2004  rounding
            return wait_s
        self._remember(client, full_at_s)
        return 0.0

    def charge(self, client: str, rate: Rate, now_s: float, count: int) -> None:
        """Count more requests, even above the rate: later ones wait for them."""
        full_at_s = max(self._full_at_s.get(client, 0.0), now_s) + count * rate.interval_s
        self._remember(client, full_at_s)

    def _remember(self, client: str, full_at_s: float) -> None:
        if client not in self._full_at_s and len(self._full_at_s) >= MAX_CLIENTS:
            del self._full_at_s[next(iter(self._full_at_s))]
        self._full_at_s[client] = full_at_s


def parse_rate_setting(text: str | None) -> Rate | None:
    """Return the rate of ``PHIZ_RATE``, such as ``20/s`` or ``20/s burst=40``.

    Raises:
        SettingError: The text is not a rate.
    """
    if text is None:
        return None
    rate, _, burst = text.strip().partition(" burst=")
    try:
        return Rate.parse(rate, burst)
    except SettingError as error:
        raise SettingError(f"PHIZ_RATE is {text!r}: {error}") from None
