"""The way of one request through the code: functions, files, and changes of file.

    python -m benchmarks.speed.trace [--image tests/pictures/selfie_360x640.png] [--calls]

It starts ``phiz serve`` with one worker, sends requests as a warm-up, and records one more
``curl -F image=@…  …/detect?model=front`` in both processes. Functions of phiz are counted once,
comprehensions and lambdas not at all. A change of file is a call into another file than the one of
the call before. The figures do not depend on the machine.
"""

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from PIL import Image

import phiz
from benchmarks.kit.requests import HOST, PICTURES, TIMEOUT_S
from benchmarks.kit.service import start_service

HOOK: Final = Path(__file__).with_name("hook")
IMAGE: Final = PICTURES / "selfie_360x640.png"
PACKAGE: Final = Path(phiz.__file__).parent
WARM_UP: Final = 5  # requests before the one that is recorded
OUTSIDE: Final = ("Server.load_and_serve", "Supervisor._kill_hung_workers")  # not of a request
SETTLE_S: Final = 0.3  # until a process has handled a signal, or finished its work after an answer


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a function: its file below the package, its qualified name and first line."""

    file: str
    function: str
    line: int


def main() -> None:
    """Print the calls of one request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, default=IMAGE, help="sent as a JPEG")
    parser.add_argument("--calls", action="store_true", help="print every call in its order")
    chosen = parser.parse_args()
    path = os.pathsep.join([str(HOOK), *filter(None, [os.environ.get("PYTHONPATH")])])
    with (
        tempfile.TemporaryDirectory() as folder,
        start_service(1, {"PYTHONPATH": path, "TRACE_FOLDER": folder}) as service,
    ):
        (worker,) = service.list_workers()
        jpeg = Path(folder, "face.jpg")
        Image.open(chosen.image).convert("RGB").save(jpeg)
        url = f"http://{HOST}:{service.port}"
        for _ in range(WARM_UP):
            send(url, jpeg)
        signal_all((service.process, worker), signal.SIGRTMIN)
        send(url, jpeg)
        signal_all((service.process, worker), signal.SIGRTMIN + 1)
        for name, process in (("service", service.process), ("worker", worker)):
            calls = read_calls(Path(folder, f"{process}.json"))
            print(describe_calls(name, calls))
            if chosen.calls:
                print_calls(calls)


def send(url: str, image: Path) -> None:
    """Request the faces of an image as the README does.

    Raises:
        subprocess.CalledProcessError: The answer is an error.
    """
    command = ["curl", "--silent", "--show-error", "--fail", "-F", f"image=@{image}"]
    subprocess.run(  # noqa: S603  our own command
        [*command, f"{url}/detect?model=front"],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=TIMEOUT_S,
    )


def signal_all(processes: Sequence[int], number: int) -> None:
    """Send a signal to processes, and wait until they have taken it."""
    time.sleep(SETTLE_S)
    for process in processes:
        os.kill(process, number)
    time.sleep(SETTLE_S)


def read_calls(path: Path) -> list[Call]:
    """Return the calls that a process has recorded."""
    return [
        Call(str(Path(file).relative_to(PACKAGE)), function, line)
        for file, function, line in json.loads(path.read_text("utf-8"))
        if function not in OUTSIDE
    ]


def describe_calls(name: str, calls: Sequence[Call]) -> str:
    """Return the figures of a process in one line."""
    files = {call.file for call in calls}
    changes = sum(one.file != other.file for one, other in pairwise(calls))
    return (
        f"{name}: {len(set(calls))} functions in {len(files)} files, {len(calls)} calls,"
        f" {changes} changes of file"
    )


def print_calls(calls: Sequence[Call]) -> None:
    """Print calls in their order, those in one file on one line."""
    before = ""
    for call in calls:
        print(f"\n  {call.file}:" if call.file != before else ",", call.function, end="")
        before = call.file
    print()


if __name__ == "__main__":
    main()
