"""The forecast of a task's time, learnt from the times of earlier ones.

Tasks of one model take longer the more pixels an image has, so times are kept for each doubling of
pixels. The content of an image matters too: a crowd takes longer than a portrait. Two numbers are
therefore kept: a mean, by which tasks are queued, and a time that few fall below, by which a
request is refused.
"""

from typing import Final, NamedTuple

NEWEST_WEIGHT: Final = 0.1  # in the running mean
# The low time follows shorter times at once and longer ones slowly.
_SHORTER_WEIGHT: Final = 0.5
_LONGER_WEIGHT: Final = 0.02
# Of the pixels: part of the time does not depend on them. With 156 times the pixels, mtcnn takes
# 38 times as long, front 70 times as long for a PNG and 4 times for a JPEG.
_PIXEL_EXPONENT: Final = 0.75
# A low time is reduced so much for another number of pixels, and again for other options: the
# first image of its kind is tried rather than refused.
_UNKNOWN_SHARE: Final = 0.25
# A guess goes by the header of the image, which may announce more than there is. Others must not
# be refused for it, so no more is expected, unless the nearest times are longer.
_MOST_GUESSED_S: Final = 0.3
# Each refusal reduces the low time, so that a wrong forecast is tried again.
_REFUSED_SHARE: Final = 0.98


class Workload(NamedTuple):
    """Everything that the time of a task is forecast by.

    Attributes:
        model: Its model.
        options: The options that change its time, in words; empty for the defaults.
        pixels: Pixels of the image as stored; 0 if it is no image.
        factor: How many times the work of the defaults it may be, until one has been timed.
        is_size_known: Whether the header told its pixels. It is never refused otherwise.
        work: What is done beside the work of the model; empty for nothing.
    """

    model: str
    options: str = ""
    pixels: int = 0
    factor: float = 1.0
    is_size_known: bool = True
    work: str = ""


class Forecast(NamedTuple):
    """The forecast of one task.

    Attributes:
        mean_s: The expected seconds.
        low_s: Seconds that few such tasks fall below.
        is_guess: Whether no such task has been timed.
    """

    mean_s: float
    low_s: float
    is_guess: bool = False

    @property
    def likely_s(self) -> float:
        """The mean, or a careful share of it if it is a guess."""
        return self.mean_s * _UNKNOWN_SHARE if self.is_guess else self.mean_s


class _Times:
    """The times of similar workloads. They are a guess until one has been timed."""

    __slots__ = ("is_guess", "low_s", "mean_s", "pixels")

    def __init__(self, pixels: int, forecast: Forecast) -> None:
        self.pixels = pixels
        self.mean_s, self.low_s, _ = forecast
        self.is_guess = True

    def scale_to(self, workload: Workload, factor: float = 1.0) -> Forecast:
        """Return the forecast for another number of pixels."""
        ratio = (max(workload.pixels, 1) / max(self.pixels, 1)) ** _PIXEL_EXPONENT
        mean_s = self.mean_s * max(1.0, ratio) * factor
        most_s = max(self.mean_s, _MOST_GUESSED_S)
        return Forecast(min(mean_s, most_s), self.low_s * ratio * _UNKNOWN_SHARE, True)


class LatencyEstimator:
    """Forecasts the time of tasks."""

    __slots__ = ("_default_s", "_least_s", "_times")

    def __init__(self, default_s: float) -> None:
        """Start with a default for unknown models."""
        self._default_s = default_s
        self._times: dict[tuple[str, str], dict[int, _Times]] = {}
        self._least_s: dict[tuple[str, str], float] = {}

    def estimate_least_s(self, model: str, work: str = "") -> float:
        """Return the expected seconds of a model's shortest tasks, with further work or without."""
        least_s = self._least_s.get((model, work))
        if least_s is None and work:
            least_s = self._least_s.get((model, ""))
        return self._default_s if least_s is None else least_s

    def estimate_s(self, workload: Workload) -> float:
        """Return the expected seconds of a task."""
        return self.forecast(workload).mean_s

    def forecast(self, workload: Workload) -> Forecast:
        """Return the forecast of a task."""
        model, options, pixels, factor, is_size_known, _ = workload
        if not is_size_known:
            return self.forecast(workload._replace(is_size_known=True))._replace(low_s=0.0)
        kinds = self._times.get((model, options), {})
        times = kinds.get(pixels.bit_length())
        if times is not None:
            return Forecast(times.mean_s, times.low_s, times.is_guess)
        if (near := _find_nearest(kinds, pixels)) is not None:
            return near.scale_to(workload)
        if (plain := _find_nearest(self._times.get((model, ""), {}), pixels)) is not None:
            mean_s, low_s, _ = plain.scale_to(workload, factor)
            return Forecast(mean_s, low_s * _UNKNOWN_SHARE, True)
        return Forecast(self._default_s, 0.0, True)

    def observe(self, workload: Workload, seconds: float, *, is_complete: bool = True) -> None:
        """Add the time of a task.

        Args:
            workload: The task.
            seconds: Its time.
            is_complete: False if it ended early or with an error. Its time then counts only if it
                is longer than expected.
        """
        times = self._get_times(workload)
        if not is_complete:
            times.mean_s += NEWEST_WEIGHT * max(0.0, seconds - times.mean_s)
            return
        kind = workload.model, workload.work
        self._least_s[kind] = _follow_low(self._least_s.get(kind, seconds), seconds)
        if times.is_guess:
            times.is_guess = False
            times.pixels = workload.pixels
            times.mean_s = times.low_s = seconds
            return
        times.mean_s += NEWEST_WEIGHT * (seconds - times.mean_s)
        times.low_s = _follow_low(times.low_s, seconds)

    def count_refusal(self, workload: Workload) -> None:
        """Reduce the low time of a task that has been refused because of it."""
        self._get_times(workload).low_s *= _REFUSED_SHARE

    def _get_times(self, workload: Workload) -> _Times:
        kinds = self._times.setdefault((workload.model, workload.options), {})
        bucket = workload.pixels.bit_length()
        times = kinds.get(bucket)
        if times is None:
            times = _Times(workload.pixels, self.forecast(workload))
            kinds[bucket] = times
        return times


def _follow_low(low_s: float, seconds: float) -> float:
    """Return a low time after one more time."""
    weight = _SHORTER_WEIGHT if seconds < low_s else _LONGER_WEIGHT
    return low_s + weight * (seconds - low_s)


def _find_nearest(kinds: dict[int, _Times], pixels: int) -> _Times | None:
    """Return the times of the nearest number of pixels, of smaller images if two are as near."""
    bucket = pixels.bit_length()
    timed = [other for other, times in kinds.items() if not times.is_guess]
    return kinds[min(timed, key=lambda other: (abs(other - bucket), other))] if timed else None
