"""A call in a process of its own, to return its memory and to measure its peak alone."""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar, TypeVarTuple, cast

from phiz.errors import PhizError, WorkerDiedError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def call_in_subprocess(function: Callable[[*Ts], T], *arguments: *Ts) -> T:
    """Return what a function of a module returns, called in a process of its own.

    An interrupt while waiting ends that process.

    Raises:
        PhizError: As the function did.
        WorkerDiedError: The process ended without an answer.
    """
    # Not a copy of this process, whose threads a copy would not have.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_result, args=(sender, function, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        error, result = receiver.recv()
    except EOFError:
        process.join()
        raise WorkerDiedError(
            f"the process that measured {_describe_exit(process.exitcode)}"
        ) from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if error is not None:
        raise error
    return cast("T", result)


def _describe_exit(code: int | None) -> str:
    """Return how a process ended that gave no answer."""
    if code == -signal.SIGKILL:
        return (
            "was killed (ended with -9), most likely because memory ran out: end other programs"
            " or give it more"
        )
    return f"ended with {code} and without figures"


def _send_result(
    sender: Connection, function: Callable[..., object], arguments: tuple[Any, ...]
) -> None:
    # The terminal interrupts all of its processes; the one that waits ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sender.send((None, function(*arguments)))
    except PhizError as error:
        sender.send((error, None))
