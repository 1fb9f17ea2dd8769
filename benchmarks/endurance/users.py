"""Requests at a constant rate, however long their answers take, and how they were answered."""

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, cycle
from typing import Final, TypeAlias

import numpy as np

from benchmarks.endurance.mixture import Request
from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.requests import HOST, read_answer

PATIENCE_S: Final = 30.0  # longer than any deadline
SUCCESS, LEFT, LOST, NEVER, MALFORMED = "200", "left", "lost", "no answer", "not HTTP"
UNEXPECTED: Final = " unexpected"

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Answers:
    """Times of requests by their answers, ms from when each was due.

    An answer is a status and the code of an error, such as ``503 overloaded``. Clients that left
    have the answer ``left``; ``lost`` is a connection that was refused or closed.
    """

    times_ms: dict[str, list[float]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Number of requests by answer, the most frequent first."""
        pairs = ((answer, len(times)) for answer, times in self.times_ms.items())
        return dict(sorted(pairs, key=lambda pair: -pair[1]))

    @property
    def success_share(self) -> float:
        """Share of the requests with status 200, of those whose clients waited."""
        waited = sum(self.counts.values()) - self.counts.get(LEFT, 0)
        return self.counts.get(SUCCESS, 0) / max(waited, 1)

    def compute_percentile(self, percent: float, answer: str = SUCCESS) -> float:
        """Return a percentile of the times with an answer, ms, or of all if there is none."""
        times = self.times_ms.get(answer) or [*chain(*self.times_ms.values())]
        return float(np.percentile(times, percent))

    def add(self, answer: str, due_s: float) -> None:
        """Add a request that was due at a time of ``time.perf_counter``."""
        self.times_ms.setdefault(answer, []).append(1000 * (time.perf_counter() - due_s))


class Users:
    """Clients of a service, with as many connections as they need, which they keep.

    Args:
        port: The service's.
        hosts: Addresses that they send from, in turns.
        patience_s: Seconds that they wait for an answer.
    """

    def __init__(
        self, port: int, hosts: Sequence[str] = (HOST,), patience_s: float = PATIENCE_S
    ) -> None:
        self.answers = Answers()
        self._port = port
        self._patience_s = patience_s
        self._hosts = cycle(hosts)
        self._idle: dict[str, list[Streams]] = {host: [] for host in hosts}

    async def send_at_rate(self, requests: Iterator[Request], rate: float, seconds: float) -> None:
        """Send requests at a constant rate, requests a second, and wait for all answers."""
        started_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(max(1, int(rate * seconds))):
                due_s = started_s + number / rate
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                group.create_task(self.send_request(next(requests), due_s))

    async def send_in_turns(
        self, requests: Iterator[Request], clients: int, until_s: float
    ) -> None:
        """Send requests from so many clients, each when its last one is answered."""

        async def send_all() -> None:
            while (now_s := time.perf_counter()) < until_s:
                await self.send_request(next(requests), now_s)

        await asyncio.gather(*(send_all() for _ in range(clients)))

    async def send_request(self, request: Request, due_s: float) -> None:
        """Send a request, and add its answer to ``answers``."""
        host = next(self._hosts)
        try:
            async with asyncio.timeout(self._patience_s):
                answer = await self._exchange(request, host)
        except TimeoutError:
            answer = NEVER
        except (OSError, EOFError):
            answer = LOST
        except (ValueError, BenchmarkError, asyncio.LimitOverrunError):
            answer = MALFORMED
        self.answers.add(answer, due_s)

    def take_answers(self) -> Answers:
        """Return the answers since the last call."""
        taken, self.answers = self.answers, Answers()
        return taken

    def close(self) -> None:
        """Close all connections."""
        for idle in self._idle.values():
            while idle:
                idle.pop()[1].close()

    async def _exchange(self, request: Request, host: str) -> str:
        """Return the answer to a request over an open connection, or over a new one."""
        idle = self._idle[host]
        while idle:
            reader, writer = idle.pop()
            if not (reader.at_eof() or writer.is_closing()):
                break
            writer.close()
        else:
            reader, writer = await asyncio.open_connection(HOST, self._port, local_addr=(host, 0))
        keeps = False
        try:
            writer.write(request.message[: request.sent_bytes])
            if request.sent_bytes is not None:
                return LEFT
            status, body, keeps = await read_answer(reader)
        finally:
            if keeps:
                idle.append((reader, writer))
            else:
                writer.close()
        unexpected = "" if status in request.allowed else UNEXPECTED
        return f"{status}{find_code(status, body)}{unexpected}"


def find_code(status: int, body: bytes) -> str:
    """Return the code of an error after a space, or nothing."""
    if status == 200:  # noqa: PLR2004
        return ""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return f" {json.loads(body)['code']}"
    return ""
