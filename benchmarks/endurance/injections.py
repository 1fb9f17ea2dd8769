"""Faults of a service under load: how each is brought about, and how it ends."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.endurance.attackers import ATTACKS, FAULTY_CLIENTS, start_attack
from benchmarks.kit.requests import HOST
from benchmarks.kit.service import RunningService

FAKETIME: Final = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
CGROUP: Final = Path("/sys/fs/cgroup/memory/phiz-faults")
MEMORY_BYTES, SPARE_BYTES = 1 << 30, 8 << 20
MAX_FILES: Final = 64
DISK: Final = "disk"
LASTING_S: Final = 3.0
MODEL: Final = "front.onnx"


@dataclass(frozen=True, slots=True)
class Setting:
    """A service under load, and a folder of its own with ``models``, ``disk`` and ``clock``."""

    service: RunningService
    folder: Path


Injection: TypeAlias = Callable[[Setting], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, the environment that it needs, and its cause.

    ``inject`` returns as soon as the cause is over. ``ends`` is whether the service ends by it, and
    ``users`` are arguments of ``Users``.
    """

    name: str
    inject: Injection
    variables: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    log: Path | None = None
    ends: bool = False
    users: Mapping[str, bool] = field(default_factory=dict)


def list_faults(folder: Path) -> Iterator[Fault]:
    """Yield all faults that this machine can have; ``folder`` is the one of ``Setting``."""
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP):
        yield Fault(f"{number.name} to a worker", partial(signal_workers, number, 1))
        yield Fault(f"{number.name} to all workers", partial(signal_workers, number, None))
    yield Fault("SIGTERM", partial(signal_service, 1), ends=True)
    yield Fault("SIGTERM twice", partial(signal_service, 2), ends=True)
    everything = {"PHIZ_LOG": "json", "PHIZ_LOG_REQUESTS": "all"}
    yield Fault("log on /dev/full", last, everything, log=Path("/dev/full"))
    disk = folder / DISK
    if disk.is_mount():
        yield Fault("log on a full disk", fill_disk, {"PHIZ_LOG_REQUESTS": "all"}, log=disk / "log")
    models = {"PHIZ_MODELS": str(folder / "models")}
    for name, spoil in (
        ("gone", Path.unlink),
        ("corrupted", corrupt_file),
        ("unreadable", replace_by_folder),
    ):
        yield Fault(f"model {name}, workers killed", partial(spoil_model, spoil), models)
    limit = ("prlimit", f"--nofile={MAX_FILES}")
    name = f"{MAX_FILES} descriptors, all in use"
    yield Fault(f"{name}, kept connections", exhaust_files, prefix=limit, users={"repeats": True})
    yield Fault(f"{name}, new connections", exhaust_files, prefix=limit, users={"keeps": False})
    if CGROUP.parent.is_dir() and os.access(CGROUP.parent, os.W_OK):
        enter = f'echo $$ > {CGROUP}/cgroup.procs && exec "$@"'
        prefix = ("sh", "-c", enter, "sh")
        yield Fault("memory limit reached, by control group", limit_memory, prefix=prefix)
    if FAKETIME.exists():
        clock = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        for step in ("+3600", "-3600"):
            yield Fault(f"clock steps by {step} s", partial(step_clock, step), clock)
    for name, action in {**ATTACKS, **FAULTY_CLIENTS}.items():
        text = (action.__doc__ or name).partition(".")[0]
        yield Fault(f"client: {text[:1].lower()}{text[1:]}", partial(attack, name))


async def signal_workers(number: signal.Signals, count: int | None, setting: Setting) -> None:
    """Send a signal to so many workers, or to all."""
    for process in setting.service.list_workers()[:count]:
        os.kill(process, number)


async def signal_service(times: int, setting: Setting) -> None:
    """Ask the service to end, once or again after a moment."""
    for _ in range(times):
        with suppress(ProcessLookupError):
            os.kill(setting.service.process, signal.SIGTERM)
        await asyncio.sleep(0.1)


async def last(_: Setting) -> None:
    """Let the fault last; it was there from the beginning."""
    await asyncio.sleep(LASTING_S)


async def fill_disk(setting: Setting) -> None:
    """Leave no room beside the log, and make room after a while."""
    filler = setting.folder / DISK / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    await last(setting)
    filler.unlink()


async def spoil_model(spoil: Callable[[Path], None], setting: Setting) -> None:
    """Spoil a model's file, kill all workers, and restore the file after a while."""
    file = setting.folder / "models" / MODEL
    content = file.read_bytes()
    spoil(file)
    await signal_workers(signal.SIGKILL, None, setting)
    await asyncio.sleep(LASTING_S)
    if file.is_dir():
        file.rmdir()
    file.write_bytes(content)


def corrupt_file(file: Path) -> None:
    """Overwrite the middle of a file."""
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 100] = bytes(100)
    file.write_bytes(content)


def replace_by_folder(file: Path) -> None:
    """Put a folder in the place of a file, which not even root can read."""
    file.unlink()
    file.mkdir()


async def exhaust_files(setting: Setting) -> None:
    """Open more connections than the service has descriptors, and keep them for a while."""
    with ExitStack() as ends:
        for _ in range(2 * MAX_FILES):
            connection = ends.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex((HOST, setting.service.port))
        await asyncio.sleep(LASTING_S)


async def limit_memory(setting: Setting) -> None:
    """Allow hardly more memory than is in use, send images that need more, and allow it again."""
    limit = CGROUP / "memory.limit_in_bytes"
    used_bytes = int((CGROUP / "memory.usage_in_bytes").read_text("ascii"))
    limit.write_text(str(used_bytes + SPARE_BYTES), "ascii")
    await attack("paved", setting)
    limit.write_text(str(MEMORY_BYTES), "ascii")


async def step_clock(step: str, setting: Setting) -> None:
    """Set the clock of the service's processes."""
    (setting.folder / "clock").write_text(f"{step}\n")
    await asyncio.sleep(LASTING_S)


async def attack(name: str, setting: Setting) -> None:
    """Attack the service with one client."""
    process = await start_attack(name, setting.service.port, LASTING_S, [HOST])
    await process.communicate()
