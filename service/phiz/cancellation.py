"""Ends long work for which nobody waits any more.

Long work calls ``checkpoint`` between its steps, as in trio and anyio. A worker sets the check of
each request; without one, as in the command line, nothing happens.
"""

from collections.abc import Callable
from contextvars import ContextVar


class WorkEndedError(BaseException):
    """Ends work for which nobody waits.

    It is no ``Exception``, as the error of a cancelled task is none, so that no code takes it for
    a failure of its own.

    Attributes:
        reason: The error of the request, or None if it was cancelled.
    """

    def __init__(self, reason: Exception | None = None) -> None:
        super().__init__(reason)
        self.reason = reason


_check: ContextVar[Callable[[], None] | None] = ContextVar("check", default=None)


def set_check(check: Callable[[], None] | None) -> None:
    """Set the function that ``checkpoint`` calls in this thread or interleaved job.

    Args:
        check: Raises a WorkEndedError if the work is to end; None for work that nothing ends.
    """
    _check.set(check)


def checkpoint() -> None:
    """End the current work if nobody waits for it any more.

    A call takes less than a microsecond, so it may stand in a loop.

    Raises:
        WorkEndedError: The check of this work ends it.
    """
    check = _check.get()
    if check is not None:
        check()
