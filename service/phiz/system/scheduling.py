"""How the system's scheduler treats this process."""

import os
import sys
from contextlib import suppress


def set_batch_policy() -> None:
    """Ask for the batch policy, where there is one and it is allowed (sched(7)).

    The service and its workers then do not take a processor from each other as soon as
    something comes for them. Where they share one they change places less often, and each finds
    its caches as it left them; where there are enough processors nothing changes.
    """
    if sys.platform != "darwin" and hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
