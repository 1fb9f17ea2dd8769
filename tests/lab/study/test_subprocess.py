import os
import signal
import time

import pytest

from phiz.errors import ModelNotBuiltError, WorkerDiedError
from phiz.lab.study.subprocess import call_apart


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


def test_it_is_another_process() -> None:
    assert call_apart(own_number, 0) != os.getpid()


def test_its_errors_are_ours() -> None:
    with pytest.raises(ModelNotBuiltError, match="it is not there"):
        call_apart(refuse)


def test_its_end_is_told() -> None:
    with pytest.raises(WorkerDiedError, match="ended with 3"):
        call_apart(die)


def test_who_was_killed_may_have_had_too_little_memory() -> None:
    with pytest.raises(WorkerDiedError, match=r"killed \(ended with -9\), .*memory ran out"):
        call_apart(kill_itself)


def test_who_waits_can_be_interrupted() -> None:
    # That this ends at all shows that the other process, which sleeps, was ended.
    with pytest.raises(KeyboardInterrupt):
        call_apart(interrupt_and_wait, os.getpid())
