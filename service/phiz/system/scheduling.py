"""The scheduling policy of this process."""

import os
import sys
from contextlib import suppress


def set_batch_policy() -> None:
    """Set the batch policy if the system has and allows it (sched(7)).

    The service and its workers then do not preempt each other on every message. On a shared
    processor they switch less often and keep their caches. With enough processors nothing changes.
    """
    if sys.platform != "darwin" and hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
