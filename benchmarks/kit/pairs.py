"""The uncertainty of a median, from values that were measured in pairs or in turns.

Both functions count signs and assume nothing else: a value that a neighbour on the machine has
disturbed counts once, however far it is off.
"""

from collections.abc import Sequence
from itertools import accumulate
from math import comb


def compute_sign_test(values: Sequence[float], limit: float) -> float:
    """Return the p-value, on both sides, of a median that is at the limit.

    Values at the limit itself do not count.
    """
    above, below = sum(each > limit for each in values), sum(each < limit for each in values)
    tail = sum(comb(above + below, count) for count in range(min(above, below) + 1))
    return float(min(1.0, 2 * tail / 2 ** (above + below)))


def compute_interval(values: Sequence[float], confidence: float) -> tuple[float, float]:
    """Return the narrowest interval between two values that has the median with this confidence.

    It has all values if there are too few for the confidence.
    """
    ordered, count = sorted(values), len(values)
    tails = accumulate(2 * comb(count, number) / 2**count for number in range(count // 2))
    place = max(0, sum(tail <= 1 - confidence for tail in tails) - 1)
    return ordered[place], ordered[-1 - place]
