"""Workers as the tests want them: ``python doubles.py MODE FOLDER SOCKET INDEX``.

Each leaves a file in the folder that is named by its process, and waits for files in it.
"""

import os
import signal
import socket
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from phiz.cancellation import checkpoint
from phiz.errors import ModelCorruptError
from phiz.system.logs import configure_logging
from phiz.workers.interleave import yield_turn
from phiz.workers.loop import TaskHandler, WorkerSetup, run_worker
from phiz.workers.protocol import WorkRequest
from phiz.workers.stderr import open_log_stream

PATIENCE_S = 20
LOAD_S = 0.3
POISON = b"poison"
BROKEN = "broken"  # as long as a file has this name, no worker becomes ready


def command(mode: str, folder: Path) -> list[str]:
    return [sys.executable, __file__, mode, str(folder)]


def measure(image_bytes: bytes, _since: float) -> tuple[int, int]:
    return len(image_bytes), zlib.crc32(image_bytes)


def process(_picture: bytes, _since: float) -> int:
    return os.getpid()


def fail(_picture: bytes, _since: float, error: Exception) -> None:
    raise error


def leave(_picture: bytes, _since: float, number: int) -> None:
    os.kill(os.getpid(), number)


def hold(_picture: bytes, _since: float, folder: str, name: str) -> str:
    """Tell that it has begun, and return when it may end."""
    (Path(folder) / name).touch()
    wait_for(Path(folder) / f"{name}-may-end")
    return name


def step(_picture: bytes, _since: float, folder: str, name: str) -> None:
    """Tell that it has begun, and work in small steps until it is ended."""
    (Path(folder) / name).touch()
    while True:
        checkpoint()
        time.sleep(0.001)


def sleep(_picture: bytes, _since: float) -> None:
    """Do nothing for ever, as in a deadlock."""
    time.sleep(6 * PATIENCE_S)


def doze(_picture: bytes, _since: float) -> None:
    """Wake up now and then and do nothing for ever, as a thread that waits for another one."""
    while True:
        time.sleep(0.005)


def count(_picture: bytes, _since: float, number: int) -> int:
    """Work in one call that lets no other thread run."""
    return sum(range(number))


def note(_picture: bytes, _since: float, folder: str, name: str) -> str:
    """Tell that it has begun."""
    (Path(folder) / name).touch()
    return name


def staged(image_bytes: bytes, _since: float, folder: str, name: str) -> str:
    """Leave a line for each of two stages; a poison ends the process in the second."""
    stages = Path(folder) / "stages"
    for stage in "12":
        with stages.open("a") as file:
            file.write(f"{name}{stage} ")
        if image_bytes == POISON and stage == "2":
            os.kill(os.getpid(), signal.SIGKILL)
        yield_turn()
    return name


def join(request: WorkRequest, _picture: bytes) -> bool:
    return request.handler == "staged"


KEPT: list[bytearray] = []


def litter(_picture: bytes, _since: float) -> None:
    """Leave much free memory between what stays."""
    KEPT.extend([bytearray(65_536) for _ in range(400)][::2])


def wait_for(path: Path) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < give_up
        time.sleep(0.001)


_WORKS = (measure, process, fail, leave, hold, step, sleep, doze, count, note, staged, litter)
WORKS: Mapping[str, TaskHandler] = {work.__name__: work for work in _WORKS}


def ready(folder: Path, index: int) -> WorkerSetup:
    if (folder / BROKEN).exists():
        raise ModelCorruptError("back.onnx is another file")
    return WorkerSetup(WORKS, index)


def dying(_folder: Path, _index: int) -> WorkerSetup:
    os._exit(3)


def slow(folder: Path, index: int) -> WorkerSetup:
    """Become ready when it may, but for the second, which cannot."""
    if index == 1:
        wait_for(folder / "second-may-fail")
        raise ModelCorruptError("back.onnx is another file")
    wait_for(folder / "may-be-ready")
    return WorkerSetup(WORKS, index)


def measuring(folder: Path, index: int) -> WorkerSetup:
    return WorkerSetup(WORKS, index, lambda: wait_for(folder / "may-go-on"))


def loading(_folder: Path, index: int) -> WorkerSetup:
    """Take longer to load what ``measure`` needs than ``measure`` takes."""
    return WorkerSetup(WORKS, index, loaders={"measure": lambda: time.sleep(LOAD_S)})


def unable(_folder: Path, index: int) -> WorkerSetup:
    """Find what ``measure`` needs broken."""

    def load() -> None:
        raise ModelCorruptError("mobilenet.onnx is another file")

    return WorkerSetup(WORKS, index, loaders={"measure": load})


def refusing(_folder: Path, _index: int) -> WorkerSetup:
    raise ModelCorruptError("back.onnx is another file")


MODES: Mapping[str, Callable[[Path, int], WorkerSetup]] = {
    mode.__name__: mode for mode in (ready, dying, slow, measuring, loading, unable, refusing)
}


def main(mode: str, folder: str, connection: str, index: str) -> None:
    configure_logging("json", open_log_stream())
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(6 * PATIENCE_S)  # whatever happens, nothing of a test stays
    (Path(folder) / f"process-{os.getpid()}").touch()
    run_worker(
        socket.socket(fileno=int(connection)), lambda: MODES[mode](Path(folder), int(index)), join
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
