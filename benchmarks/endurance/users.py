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

from benchmarks.endurance.mixture import ANY, Request
from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.requests import HOST, encode_raw, encode_test_image, read_answer

PATIENCE_S: Final = 30.0  # longer than any deadline
SUCCESS, LEFT = "200", "left"
REFUSED, LOST, NEVER, MALFORMED = "refused", "lost", "no answer", "not HTTP"
UNEXPECTED: Final = " unexpected"

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Answers:
    """Requests by their answers: when each was due, s, and its time from then on, ms.

    An answer is a status and the code of an error, such as ``503 overloaded``. Clients that left
    have the answer ``left``; ``lost`` is a connection that was closed without an answer.
    """

    requests: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Number of requests by answer, the most frequent first."""
        pairs = ((answer, len(requests)) for answer, requests in self.requests.items())
        return dict(sorted(pairs, key=lambda pair: -pair[1]))

    @property
    def success_share(self) -> float:
        """Share of the requests with status 200, of those whose clients waited."""
        waited = sum(self.counts.values()) - self.counts.get(LEFT, 0)
        return self.counts.get(SUCCESS, 0) / max(waited, 1)

    def compute_percentile(self, percent: float, answer: str = SUCCESS) -> float:
        """Return a percentile of the times with an answer, ms, or of all if there is none."""
        requests = self.requests.get(answer) or [*chain(*self.requests.values())]
        return float(np.percentile([time_ms for _, time_ms in requests], percent))

    def find_last_bad(self, limit_ms: float) -> float:
        """Return when the last request was due that failed or took longer, 0 if there is none."""
        return max(
            (
                due_s
                for answer, requests in self.requests.items()
                for due_s, time_ms in requests
                if answer != SUCCESS or time_ms > limit_ms
            ),
            default=0.0,
        )

    def add(self, answer: str, due_s: float) -> None:
        """Add a request that was due at a time of ``time.perf_counter``."""
        time_ms = 1000 * (time.perf_counter() - due_s)
        self.requests.setdefault(answer, []).append((due_s, time_ms))


class Users:
    """Clients of a service, with as many connections as they need.

    Args:
        port: The service's.
        hosts: Addresses that they send from, in turns.
        patience_s: Seconds that they wait for an answer.
        keeps: Whether they keep connections, or open one for each request.
        repeats: Whether they repeat a request if a kept connection is closed before any of the
            answer arrives (RFC 9112, section 9.3.1).

    ``pending`` has the due times of the requests that wait for one, and ``repeated`` is the number
    of repeated requests.
    """

    def __init__(
        self,
        port: int,
        hosts: Sequence[str] = (HOST,),
        patience_s: float = PATIENCE_S,
        *,
        keeps: bool = True,
        repeats: bool = False,
    ) -> None:
        self.answers = Answers()
        self.repeated = 0
        self.ending = False
        self.pending: set[float] = set()
        self._port = port
        self._patience_s = patience_s
        self._keeps = keeps
        self._repeats = repeats
        self._hosts = cycle(hosts)
        self._idle: dict[str, list[Streams]] = {host: [] for host in hosts}

    async def send_at_rate(self, requests: Iterator[Request], rate: float, seconds: float) -> None:
        """Send requests at a constant rate, requests a second, and wait for all answers.

        It ends before its time if ``ending`` is set.
        """
        started_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(max(1, int(rate * seconds))):
                due_s = started_s + number / rate
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                if self.ending:
                    break
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
        self.pending.add(due_s)
        try:
            async with asyncio.timeout(self._patience_s):
                answer = await self._exchange(request, host)
        except TimeoutError:
            answer = NEVER
        except ConnectionRefusedError:
            answer = REFUSED
        except (OSError, EOFError):
            answer = LOST
        except (ValueError, BenchmarkError, asyncio.LimitOverrunError):
            answer = MALFORMED
        self.pending.discard(due_s)
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
        while self._idle[host]:
            reader, writer = self._idle[host].pop()
            if reader.at_eof() or writer.is_closing():
                writer.close()
                continue
            try:
                return await self._exchange_over(reader, writer, request, host)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                has_begun = isinstance(error, asyncio.IncompleteReadError) and bool(error.partial)
                if has_begun or not self._repeats:
                    raise
                self.repeated += 1
        reader, writer = await asyncio.open_connection(HOST, self._port, local_addr=(host, 0))
        return await self._exchange_over(reader, writer, request, host)

    async def _exchange_over(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        request: Request,
        host: str,
    ) -> str:
        """Return the answer to a request over a connection."""
        keeps = False
        try:
            writer.write(request.message[: request.sent_bytes])
            if request.sent_bytes is not None:
                return LEFT
            status, body, keeps = await read_answer(reader)
        finally:
            if keeps and self._keeps:
                self._idle[host].append((reader, writer))
            else:
                writer.close()
        unexpected = "" if status in request.allowed else UNEXPECTED
        return f"{status}{find_code(status, body)}{unexpected}"


def encode_user_request(port: int) -> Request:
    """Return a JPEG of 640 × 480 for ``front``."""
    message = encode_raw("/detect?model=front", encode_test_image()).to_message(port)
    return Request(message, None, ANY)


def find_code(status: int, body: bytes) -> str:
    """Return the code of an error after a space, or nothing."""
    if status == 200:  # noqa: PLR2004
        return ""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return f" {json.loads(body)['code']}"
    return ""
