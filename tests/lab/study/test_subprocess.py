import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from phiz.errors import ModelNotBuiltError, WorkerDiedError
from phiz.lab.study.subprocess import call_in_subprocess

# In a process of its own: in one where OpenVINO has been used and closed, signals end on a stack
# that it has given back.
INTERRUPTED = """
import os
from phiz.lab.study.subprocess import call_in_subprocess
from tests.lab.study.test_subprocess import interrupt_and_wait

call_in_subprocess(interrupt_and_wait, os.getpid())
"""


def own_number(plus: int) -> int:
    return os.getpid() + plus


def refuse() -> None:
    raise ModelNotBuiltError("it is not there")


def die() -> None:
    os._exit(3)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt_and_wait(parent: int) -> None:
    os.kill(parent, signal.SIGINT)
    time.sleep(600)


def test_call_runs_in_another_process() -> None:
    assert call_in_subprocess(own_number, 0) != os.getpid()


def test_errors_of_the_process_are_raised() -> None:
    with pytest.raises(ModelNotBuiltError, match="it is not there"):
        call_in_subprocess(refuse)


def test_exit_of_the_process_is_an_error() -> None:
    with pytest.raises(WorkerDiedError, match="ended with 3"):
        call_in_subprocess(die)


def test_killed_process_suggests_more_memory() -> None:
    with pytest.raises(WorkerDiedError, match=r"killed \(ended with -9\), .*memory ran out"):
        call_in_subprocess(kill_itself)


def test_interrupt_ends_the_process() -> None:
    # The output ends only when the other process, which sleeps and has it open too, was ended.
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == -signal.SIGINT
    assert ran.stderr.rstrip().endswith("KeyboardInterrupt")
