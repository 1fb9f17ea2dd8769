"""Hostile clients in a process of their own.

::

    python -m benchmarks.endurance.attackers NAME PORT SECONDS HOST...

Each ``HOST`` is the address of one client. Prints an empty line when it begins, and in the end the
number of connections by their answers as JSON: a status and the code of an error, ``closed``
without an answer, or ``open`` to the end.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Final

from benchmarks.endurance.hostile import WEBP_34_BYTES, encode_paved_png, encode_thin_png
from benchmarks.endurance.users import find_code
from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.requests import HOST, encode_form, encode_raw, encode_test_image, read_answer

TRAILER_BYTES: Final = 60_000_000
PIECE_BYTES: Final = 1 << 16
BATCH: Final = 16
BODIES, HEADS, READERS, THIN = 1024, 2100, 200, 2
TRICKLING, TRICKLE_S = 200, 0.5
LEAVING, LEAVE_S = 20, 0.05
PIPELINED: Final = 1000  # answers of 40 kB each
DEADLINE: Final = b"phiz-deadline: 0.05"
CLOSED, OPEN, REFUSED = "closed", "open", "refused"


@dataclass(frozen=True, slots=True)
class Attacker:
    """A client: the port that it attacks, its own address, and what it is answered."""

    port: int
    host: str
    answers: Counter[str] = field(default_factory=Counter)

    async def send(
        self, pieces: Iterable[bytes], *, reads: bool = True, pause_s: float = 0.0
    ) -> None:
        """Send pieces over a connection of its own, until the answer or for ever."""
        answer = CLOSED
        self.answers[OPEN] += 1
        try:
            reader, writer = await asyncio.open_connection(
                HOST, self.port, local_addr=(self.host, 0)
            )
        except OSError:
            self.answers.update({OPEN: -1, REFUSED: 1})
            return
        try:
            answer = await self._exchange(reader, writer, pieces, pause_s, reads=reads)
        except asyncio.CancelledError:
            answer = OPEN
            raise
        except (OSError, EOFError, ValueError, BenchmarkError, asyncio.LimitOverrunError):
            pass
        finally:
            self.answers.update({OPEN: -1})
            self.answers[answer] += 1
            writer.close()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pieces: Iterable[bytes],
        pause_s: float,
        *,
        reads: bool,
    ) -> str:
        answer = asyncio.create_task(self._read(reader) if reads else asyncio.Event().wait())
        try:
            with suppress(OSError):  # the answer may be there nevertheless
                for piece in pieces:
                    if answer.done():
                        break
                    writer.write(piece)
                    await writer.drain()
                    if pause_s:
                        await asyncio.sleep(pause_s)
            return str(await answer)
        finally:
            answer.cancel()

    async def _read(self, reader: asyncio.StreamReader) -> str:
        status, body, _ = await read_answer(reader)
        return f"{status}{find_code(status, body)}"

    async def send_together(
        self, count: int, pieces: Sequence[bytes], *, reads: bool = True
    ) -> None:
        """Send the same over so many connections at once, each renewed when it ends."""

        async def renew() -> None:
            while True:
                await self.send(pieces, reads=reads)
                await asyncio.sleep(0.1)

        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(renew())
                await asyncio.sleep(0)  # so that the first are open before the last begin

    async def send_each_second(self, message: bytes) -> None:
        """Send a message every second, whether or not the one before is answered."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self.send([message]))
                await asyncio.sleep(1)


async def send_trailers(attacker: Attacker) -> None:
    """Send trailers of 60 MB after a chunked body, again and again."""
    request = encode_raw("/detect?model=front", b"x").to_message(attacker.port, chunked=True)
    lines = b"T:\r\n" * (PIECE_BYTES // 4)
    while True:
        count = TRAILER_BYTES // len(lines)
        await attacker.send(chain([request.removesuffix(b"\r\n")], repeat(lines, count), [b"\r\n"]))
        await asyncio.sleep(0.1)


async def send_webp(attacker: Attacker) -> None:
    """Send the WebP of 34 bytes once a second, with a deadline of 50 ms."""
    request = encode_raw("/detect?model=mtcnn&rotate=auto", WEBP_34_BYTES)
    head, _, rest = request.to_message(attacker.port).partition(b"\r\n")
    await attacker.send_each_second(head + b"\r\n" + DEADLINE + b"\r\n" + rest)


async def send_batch(attacker: Attacker) -> None:
    """Send the WebP of 34 bytes 16 times in one request."""
    form = encode_form("/detect/batch", *[WEBP_34_BYTES] * BATCH, fields={"model": "mtcnn"})
    await attacker.send_together(1, [form.to_message(attacker.port)])


async def send_paved(attacker: Attacker) -> None:
    """Send an image paved with faces."""
    request = encode_raw("/detect?model=auto", encode_paved_png())
    await attacker.send_together(1, [request.to_message(attacker.port)])


async def send_thin(attacker: Attacker) -> None:
    """Send two thin images at once."""
    request = encode_raw("/detect?model=mtcnn", encode_thin_png())
    await attacker.send_together(THIN, [request.to_message(attacker.port)])


async def hold_bodies(attacker: Attacker) -> None:
    """Send one byte of 1,024 bodies, and then nothing."""
    head = (
        b"POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\ncontent-length: 9\r\n\r\n"
    )
    await attacker.send_together(BODIES, [head + b"x"])


async def hold_heads(attacker: Attacker) -> None:
    """Send half of 2,100 heads, and then nothing."""
    await attacker.send_together(HEADS, [b"POST /detect HTTP/1.1\r\nhost: x\r\n"])


async def trickle(attacker: Attacker) -> None:
    """Send 200 bodies, a byte in half a second."""
    head = (
        b"POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/jpeg\r\n"
        b"content-length: 100\r\n\r\n"
    )

    async def renew() -> None:
        while True:
            await attacker.send([head, *[b"x"] * 100], pause_s=TRICKLE_S)
            await asyncio.sleep(0.1)

    await asyncio.gather(*(renew() for _ in range(TRICKLING)))


async def leave(attacker: Attacker) -> None:
    """Send an image over 20 connections and leave, again and again."""
    message = encode_raw("/detect?model=mtcnn", encode_test_image()).to_message(attacker.port)

    async def send_and_leave() -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    await attacker.send([message])

    await asyncio.gather(*(send_and_leave() for _ in range(LEAVING)))


async def never_read(attacker: Attacker) -> None:
    """Send many requests over 200 connections, and read no answer."""
    requests = [b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"] * PIPELINED
    await attacker.send_together(READERS, requests, reads=False)


ATTACKS: Final[Mapping[str, Callable[[Attacker], Awaitable[None]]]] = {
    "trailers": send_trailers,
    "webp": send_webp,
    "batch": send_batch,
    "paved": send_paved,
    "bodies": hold_bodies,
    "heads": hold_heads,
    "thin": send_thin,
    "readers": never_read,
}
"""Attacks by name."""
FAULTY_CLIENTS: Final[Mapping[str, Callable[[Attacker], Awaitable[None]]]] = {
    "trickle": trickle,
    "leave": leave,
}
"""Clients that are slow or give up, by name."""


async def attack(name: str, port: int, seconds: float, hosts: Sequence[str]) -> Counter[str]:
    """Return the answers to all clients of an attack."""
    if not hosts:
        return Counter()
    attackers = [Attacker(port, host) for host in hosts]
    action = {**ATTACKS, **FAULTY_CLIENTS}[name]
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(action(attacker) for attacker in attackers))
    await asyncio.sleep(0)
    return sum((attacker.answers for attacker in attackers), Counter())


async def start_attack(
    name: str, port: int, seconds: float, hosts: Sequence[str]
) -> asyncio.subprocess.Process:
    """Return the process of an attack that has begun; its output has the answers."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __spec__.name, name, str(port), str(seconds), *hosts),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None, "it is a pipe"
    await process.stdout.readline()
    return process


if __name__ == "__main__":
    print(flush=True)
    wanted, number, duration, *addresses = sys.argv[1:]
    print(json.dumps(asyncio.run(attack(wanted, int(number), float(duration), addresses))))
