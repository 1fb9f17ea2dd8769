import subprocess
import sys

import pytest

ASK = """
import os
from phiz.system.scheduling import set_batch_policy

set_batch_policy()
print(os.sched_getscheduler(0) == os.SCHED_BATCH)
"""

REFUSED = """
import os
from phiz.system.scheduling import set_batch_policy

def refuse(*_):
    raise PermissionError

os.SCHED_BATCH, os.sched_setscheduler, os.sched_param = 3, refuse, int
set_batch_policy()
print("goes on")
"""


@pytest.mark.parametrize(
    ("program", "said"),
    [pytest.param(ASK, "True", id="allowed"), pytest.param(REFUSED, "goes on", id="refused")],
)
def test_the_batch_policy_is_asked_for_and_can_be_refused(program: str, said: str) -> None:
    if program is ASK and sys.platform != "linux":
        program, said = REFUSED, "goes on"
    command = [sys.executable, "-c", program]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
    assert text.split() == said.split()
