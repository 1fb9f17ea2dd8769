import asyncio
import gc
import math
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from phiz.errors import (
    DeadlineError,
    ModelCorruptError,
    OptionError,
    OutOfMemoryError,
    PhizError,
    WorkerDiedError,
    WorkerFaultError,
)
from phiz.settings import Settings
from phiz.system.procfs import read_resident_bytes
from phiz.workers import supervisor
from phiz.workers.handle import TaskOwner, WorkerHandle, WorkTask
from phiz.workers.latency import Workload
from phiz.workers.loop import READY_NUMBER, TRIM_IDLE_AFTER
from phiz.workers.pool import BACKGROUND_PATIENCE_S, LATE_S, LOOKAHEAD_S, WorkerPool
from phiz.workers.protocol import WorkResult, encode_message
from phiz.workers.queue import LONG_S
from phiz.workers.vitals import CHECK_INTERVAL_S

from .doubles import BROKEN, PATIENCE_S, POISON, command, count

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

QUICK = "quick"  # kinds of work
SLOW = "slow"
DEFAULT_LIMIT_S = Settings.model_fields["hang"].default
STAGED = "staged"


class Doubles:
    """A pool of doubles, and the folder by which they are told when to go on."""

    def __init__(self, pool: WorkerPool, folder: Path) -> None:
        self.pool = pool
        self.folder = folder

    def submit(
        self, name: str, *arguments: object, image_bytes: bytes = b"", kind: str = SLOW
    ) -> WorkTask:
        return self.pool.submit(name, image_bytes, arguments, Workload(kind))

    def hold(self, name: str, kind: str = SLOW) -> WorkTask:
        return self.submit("hold", str(self.folder), name, kind=kind)

    def note(self, name: str, kind: str = SLOW) -> WorkTask:
        return self.submit("note", str(self.folder), name, kind=kind)

    def background(self, name: str, handler: str = "note", kind: str = QUICK) -> WorkTask:
        arguments = (str(self.folder), name)
        return self.pool.submit(handler, b"old", arguments, Workload(kind), is_background=True)

    def staged(self, name: str, image_bytes: bytes = b"") -> WorkTask:
        return self.pool.submit("staged", image_bytes, (str(self.folder), name), Workload(STAGED))

    def stages(self) -> list[str]:
        return (self.folder / "stages").read_text().split()

    def end(self, name: str) -> None:
        (self.folder / f"{name}-may-end").touch()

    def begun(self, name: str) -> bool:
        return (self.folder / name).exists()

    async def until_begun(self, *names: str) -> None:
        await until(lambda: all(self.begun(name) for name in names))


async def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.001)


def processes(folder: Path) -> list[int]:
    """Every process that was begun."""
    return [int(path.name.partition("-")[2]) for path in folder.glob("process-*")]


def there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@asynccontextmanager
async def working(folder: Path, size: int, limit_s: float = PATIENCE_S) -> AsyncIterator[Doubles]:
    pool = WorkerPool(command("ready", folder), size, limit_s, {STAGED})
    assert await pool.start() == list(range(size))
    pool.latencies.observe(Workload(QUICK), LOOKAHEAD_S / 100)
    pool.latencies.observe(Workload(SLOW), 1.0)
    pool.latencies.observe(Workload(STAGED), LOOKAHEAD_S / 100)
    try:
        yield Doubles(pool, folder)
    finally:
        await pool.close()


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}  # as the service does


@pytest.fixture(autouse=True)
def complaints(tmp_path: Path) -> Iterator[list[Any]]:
    """Complaints of the event loop. At the end of a test there are none, and no process is left."""
    complaints: list[Any] = []
    yield complaints
    gc.collect()
    assert complaints == []
    assert not any(map(there, processes(tmp_path)))


@pytest.fixture(autouse=True)
async def _loop(complaints: list[Any]) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    yield
    gc.collect()


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Doubles]:
    async with working(tmp_path, 1) as doubles:
        yield doubles


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[Doubles]:
    async with working(tmp_path, 2) as doubles:
        yield doubles


async def test_work_is_done_in_other_processes(workers: Doubles, tmp_path: Path) -> None:
    process = await workers.submit("process").future
    assert process in workers.pool.pids.values()
    assert process != os.getpid()
    assert sorted(workers.pool.pids) == [0, 1]
    assert sorted(workers.pool.pids.values()) == sorted(processes(tmp_path))


async def test_error_comes_back_as_it_was_raised(worker: Doubles) -> None:
    failing = worker.submit("fail", OptionError("min_face is 0"))
    with pytest.raises(OptionError, match="min_face is 0"):
        await failing.future


async def test_unknown_error_is_logged_and_worker_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with working(tmp_path, 1) as worker:
        before = await worker.submit("process").future
        with pytest.raises(WorkerFaultError) as caught:
            await worker.submit("fail", ZeroDivisionError("of the work")).future
        assert "of the work" not in str(caught.value)
        assert await worker.submit("process").future == before
    log = capfd.readouterr().err
    assert "ZeroDivisionError: of the work" in log
    assert log.count("Traceback") == 1


async def test_idle_worker_gives_free_memory_back(worker: Doubles) -> None:
    (process,) = worker.pool.pids.values()
    await worker.submit("litter").future
    for _ in range(TRIM_IDLE_AFTER - 1):
        await worker.submit("process").future
    held = read_resident_bytes(process)
    assert held is not None
    await until(lambda: (read_resident_bytes(process) or held) < held - 5_000_000)


async def test_idle_worker_does_not_keep_its_last_image(worker: Doubles) -> None:
    (process,) = worker.pool.pids.values()
    await worker.submit("measure", image_bytes=bytes(100)).future
    before = read_resident_bytes(process)
    assert before is not None
    await worker.submit("measure", image_bytes=bytes(50_000_000)).future
    await until(lambda: (read_resident_bytes(process) or 0) < before + 10_000_000)


def note_end(ended: list[int], number: int, _done: object) -> None:
    ended.append(number)


@pytest.mark.parametrize("kind", [QUICK, SLOW])
async def test_tasks_begin_in_the_order_in_which_they_came(
    worker: Doubles, tmp_path: Path, kind: str
) -> None:
    ended: list[int] = []
    held = worker.hold("first", kind)
    tasks = [worker.note(f"{number}", kind) for number in range(30)]
    for number, task in enumerate(tasks):
        task.future.add_done_callback(partial(note_end, ended, number))
    worker.end("first")
    names = await asyncio.gather(held.future, *(task.future for task in tasks))
    assert names == ["first", *map(str, range(30))]
    assert ended == list(range(30))
    began_ns = [(tmp_path / f"{number}").stat().st_mtime_ns for number in range(30)]
    assert began_ns == sorted(began_ns)


@pytest.mark.parametrize(
    ("size", "is_ahead"),
    [(0, True), (700_000, True), (1_048_576, True), (1_048_577, False), (20_000_000, False)],
)
async def test_image_over_one_mebibyte_is_not_sent_to_a_busy_worker(
    worker: Doubles, size: int, *, is_ahead: bool
) -> None:
    held = worker.hold("first", QUICK)
    await worker.until_begun("first")
    task = worker.submit("measure", image_bytes=bytes(size), kind=QUICK)
    assert (task.worker is not None) == is_ahead
    worker.end("first")
    assert await held.future == "first"
    assert await task.future == (size, zlib.crc32(bytes(size)))


async def test_large_images_arrive_whole(workers: Doubles) -> None:
    images = [os.urandom(20 * 1024 * 1024), b"", os.urandom(3), os.urandom(5_000_000)]

    tasks = [
        workers.submit("measure", image_bytes=image_bytes, kind=kind)
        for image_bytes in images
        for kind in (QUICK, SLOW)
    ]
    sums = await asyncio.gather(*(task.future for task in tasks))
    assert sums[::2] == sums[1::2]
    assert sums[::2] == [(len(image_bytes), zlib.crc32(image_bytes)) for image_bytes in images]


async def test_tasks_beyond_the_number_of_workers_wait(workers: Doubles) -> None:
    names = ["a", "b", "c", "d", "e"]

    tasks = [workers.hold(name) for name in names]
    await workers.until_begun("a", "b")
    assert workers.pool.queue_depth == 3
    assert not any(map(workers.begun, "cde"))
    for name in names:
        workers.end(name)
    assert await asyncio.gather(*(task.future for task in tasks)) == names
    assert workers.pool.queue_depth == 0


async def test_expected_wait_is_the_time_of_the_tasks_ahead(workers: Doubles) -> None:
    pool = workers.pool
    waits = [pool.wait_s]
    tasks = []
    for name in "abc":
        tasks.append(workers.hold(name))
        waits.append(pool.wait_s)
    # Each takes 1 s, and two are done at once.
    assert waits == pytest.approx([0, 0, 1, 1.5], abs=0.2)
    pool.cancel(tasks[2])
    assert pool.wait_s == pytest.approx(1, abs=0.2)
    workers.end("a")
    await tasks[0].future
    assert pool.wait_s == 0
    workers.end("b")
    await tasks[1].future


async def test_expected_wait_is_that_of_the_first_free_worker(workers: Doubles) -> None:
    held = [workers.hold("a", SLOW), workers.hold("b", QUICK)]
    assert workers.pool.wait_s < LOOKAHEAD_S
    assert workers.pool.estimate_wait_s("", 0.001) < LOOKAHEAD_S
    for name in "ab":
        workers.end(name)
    assert await asyncio.gather(*(task.future for task in held)) == ["a", "b"]


async def test_late_worker_gets_no_work_ahead(workers: Doubles) -> None:
    held = [workers.hold("stopped", QUICK), workers.hold("b", QUICK)]
    await workers.until_begun("stopped", "b")
    await asyncio.sleep(LATE_S + LOOKAHEAD_S)
    behind = [workers.note(f"{number}", QUICK) for number in range(5)]
    assert [task.worker for task in behind] == [None] * 5
    workers.end("b")
    assert [await task.future for task in behind] == ["0", "1", "2", "3", "4"]
    assert not held[0].future.done()
    workers.end("stopped")
    assert await held[0].future == "stopped"


async def test_one_worker_takes_no_long_tasks_while_short_ones_come(workers: Doubles) -> None:
    await workers.note("short", QUICK).future
    long = [workers.hold(name) for name in "abc"]
    await workers.until_begun("a")
    assert [task.worker is not None for task in long] == [True, False, False]
    assert workers.pool.estimate_wait_s("", 0.001) == 0
    assert workers.pool.estimate_wait_s("other", 1.0) > 1
    for number in range(10):
        assert await workers.note(f"{number}", QUICK).future == f"{number}"
    for name in "abc":
        workers.end(name)
        await workers.until_begun(name)
    assert await asyncio.gather(*(task.future for task in long)) == ["a", "b", "c"]


async def test_only_worker_takes_long_tasks_too(worker: Doubles) -> None:
    await worker.note("short", QUICK).future
    assert await worker.note("long", SLOW).future == "long"


async def test_task_that_takes_long_against_its_forecast_counts_as_long(workers: Doubles) -> None:
    held = workers.hold("unexpected", QUICK)
    await workers.until_begun("unexpected")
    await asyncio.sleep(LONG_S + LATE_S)
    long = workers.note("long")
    assert long.worker is None
    assert await workers.note("short", QUICK).future == "short"
    workers.end("unexpected")
    assert [await held.future, await long.future] == ["unexpected", "long"]


async def test_background_tasks_use_all_workers_if_nobody_else_does(workers: Doubles) -> None:
    tasks = [workers.background(name, "hold") for name in "ab"]
    await workers.until_begun("a", "b")
    waiting = workers.background("c")
    assert waiting.worker is None
    # It is not in the way of others, and no reason to refuse them.
    assert (workers.pool.queue_depth, workers.pool.has_queue) == (0, False)
    for name in "ab":
        workers.end(name)
    assert await asyncio.gather(*(each.future for each in [*tasks, waiting])) == ["a", "b", "c"]


async def test_background_task_leaves_a_worker_free_after_a_short_one(workers: Doubles) -> None:
    await workers.note("short", QUICK).future
    tasks = [workers.background(name, "hold") for name in "ab"]
    await workers.until_begun("a")
    assert [task.worker is not None for task in tasks] == [True, False]
    for number in range(10):
        assert await workers.note(f"{number}", QUICK).future == f"{number}"
    # A long task does not take that worker either.
    assert workers.note("long").worker is None
    for name in "ab":
        workers.end(name)
    assert await asyncio.gather(*(task.future for task in tasks)) == ["a", "b"]


async def test_background_task_waits_for_all_others(
    worker: Doubles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phiz.workers.pool.BACKGROUND_PATIENCE_S", float(PATIENCE_S))
    held = worker.hold("held")
    late = worker.background("late")
    others = [worker.note(f"{number}") for number in range(5)]
    worker.end("held")
    await asyncio.gather(held.future, late.future, *(task.future for task in others))
    began_ns = [(tmp_path / name).stat().st_mtime_ns for name in [*map(str, range(5)), "late"]]
    assert began_ns == sorted(began_ns)


async def test_background_task_that_has_waited_for_long_is_queued_like_others(
    worker: Doubles, tmp_path: Path
) -> None:
    held = worker.hold("held")
    late = worker.background("late")
    others = [worker.note(f"{number}") for number in range(5)]
    await asyncio.sleep(BACKGROUND_PATIENCE_S + LATE_S)
    assert worker.pool.queue_depth == 6
    worker.end("held")
    await asyncio.gather(held.future, late.future, *(task.future for task in others))
    # It is the shortest one.
    began_ns = [(tmp_path / name).stat().st_mtime_ns for name in ["late", *map(str, range(5))]]
    assert began_ns == sorted(began_ns)


async def test_image_of_a_task_that_waits_is_replaced(worker: Doubles) -> None:
    held = worker.background("held", "hold")
    task = worker.pool.submit("measure", b"old", (), Workload(QUICK), is_background=True)
    assert worker.pool.replace_image(task, b"newest", 1.0)
    assert not worker.pool.replace_image(held, b"newest", 1.0)  # it has begun
    assert task.request.received_at_s == 1.0
    worker.end("held")
    assert await task.future == (6, zlib.crc32(b"newest"))
    assert not worker.pool.replace_image(task, b"late", 2.0)


async def test_background_task_that_is_cancelled_does_not_begin(worker: Doubles) -> None:
    held = worker.hold("held")
    task, last = worker.background("cancelled"), worker.background("last")
    worker.pool.cancel(task, OptionError("the reason"))
    with pytest.raises(OptionError, match="the reason"):
        await task.future
    worker.end("held")
    assert [await held.future, await last.future] == ["held", "last"]
    await asyncio.sleep(BACKGROUND_PATIENCE_S)  # nothing is queued afterwards
    assert not worker.begun("cancelled")
    assert (worker.pool.queue_depth, worker.pool.wait_s) == (0, 0)


async def test_duration_of_each_kind_is_learnt(worker: Doubles) -> None:
    held = worker.hold("a", "new")
    await worker.until_begun("a")
    await asyncio.sleep(0.1)
    worker.end("a")
    await held.future
    assert 0.1 <= worker.pool.latencies.estimate_s(Workload("new")) < PATIENCE_S
    with pytest.raises(OptionError):
        await worker.submit("fail", OptionError("at once"), kind="failing").future
    assert worker.pool.latencies.estimate_s(Workload("failing")) == LOOKAHEAD_S


@pytest.mark.parametrize(
    ("kind", "ahead"),
    [pytest.param(SLOW, False, id="here"), pytest.param(QUICK, True, id="at-the-worker")],
)
async def test_task_cancelled_before_it_begins_is_not_done(
    worker: Doubles, kind: str, *, ahead: bool
) -> None:
    held = worker.hold("first", kind)
    withdrawn, refused, last = (worker.note(name, kind) for name in "abc")
    assert (withdrawn.worker is not None) == ahead
    assert worker.pool.queue_depth == 3
    worker.pool.cancel(withdrawn)
    worker.pool.cancel(withdrawn, OptionError("once more changes nothing"))
    worker.pool.cancel(refused, OptionError("the reason"))
    assert worker.pool.queue_depth == 1
    assert withdrawn.future.cancelled()
    with pytest.raises(OptionError, match="the reason"):
        await refused.future
    worker.end("first")
    assert [await held.future, await last.future] == ["first", "c"]
    assert not worker.begun("a")
    assert not worker.begun("b")
    assert (worker.pool.queue_depth, worker.pool.wait_s) == (0, 0)


async def test_task_cancelled_while_it_runs_is_not_answered(worker: Doubles) -> None:
    withdrawn = worker.hold("first")
    await worker.until_begun("first")
    worker.pool.cancel(withdrawn)
    worker.pool.cancel(withdrawn)  # once more changes nothing
    assert worker.pool.queue_depth == 0
    behind = worker.note("behind")
    assert worker.pool.queue_depth == 1
    worker.end("first")
    assert await behind.future == "behind"
    assert worker.pool.queue_depth == 0


async def test_cancelled_caller_costs_no_worker(worker: Doubles) -> None:
    """It may be so before the task is cancelled, with the result between the two."""

    for task in (worker.note("a"), worker.submit("fail", OptionError("too late"))):
        task.future.cancel()
    assert await worker.note("b").future == "b"
    assert worker.begun("a")
    assert worker.pool.replaced_workers == 0


async def test_running_task_alone_fails_when_its_worker_dies(
    worker: Doubles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = worker.hold("first", QUICK)
    others = [worker.note(f"{number}", QUICK) for number in range(9)]
    assert all(task.worker is not None for task in others)
    await worker.until_begun("first")
    (process,) = worker.pool.pids.values()
    os.kill(process, signal.SIGKILL)
    with pytest.raises(WorkerDiedError, match="the worker process of this image ended"):
        await held.future
    assert [await task.future for task in others] == [f"{number}" for number in range(9)]
    assert worker.pool.replaced_workers == 1
    assert list(worker.pool.pids) == [0]
    assert process not in worker.pool.pids.values()
    assert (worker.pool.queue_depth, worker.pool.wait_s) == (0, 0)
    began_ns = [(tmp_path / f"{number}").stat().st_mtime_ns for number in range(9)]
    assert began_ns == sorted(began_ns)
    assert "ended with status -9; restarting it" in caplog.text


async def test_workers_take_over_while_another_cannot_restart(
    workers: Doubles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = [workers.hold(name) for name in "ab"]
    await workers.until_begun("a", "b")
    (tmp_path / BROKEN).touch()
    dying, other = (task.worker for task in held)
    assert dying is not None
    assert other is not None
    dying.process.kill()
    with pytest.raises(WorkerDiedError):
        await held[0].future
    behind = workers.note("behind")
    workers.end("b")
    assert [await held[1].future, await behind.future] == ["b", "behind"]
    assert list(workers.pool.pids) == [other.index]
    await until(lambda: "cannot restart" in caplog.text)
    assert workers.pool.is_healthy
    (tmp_path / BROKEN).unlink()
    await until(lambda: sorted(workers.pool.pids) == [0, 1])


async def test_tasks_ahead_of_a_dead_worker_go_to_a_free_one(
    workers: Doubles, tmp_path: Path
) -> None:
    held = workers.hold("first", QUICK)
    other = workers.hold("second", QUICK)
    await workers.until_begun("first", "second")
    ahead = [workers.note(f"{number}", QUICK) for number in range(6)]
    workers.end("second")
    assert await other.future == "second"
    (tmp_path / BROKEN).touch()
    assert held.worker is not None
    held.worker.process.kill()
    with pytest.raises(WorkerDiedError):
        await held.future
    assert [await task.future for task in ahead] == [f"{number}" for number in range(6)]
    (tmp_path / BROKEN).unlink()


async def test_pool_without_workers_is_not_healthy(worker: Doubles, tmp_path: Path) -> None:
    pool = worker.pool
    assert pool.is_healthy
    (tmp_path / BROKEN).touch()
    os.kill(pool.pids[0], signal.SIGKILL)
    await until(lambda: not pool.is_healthy)
    assert pool.wait_s == math.inf
    (tmp_path / BROKEN).unlink()
    await until(lambda: pool.is_healthy)
    assert pool.wait_s == 0


async def test_image_bytes_are_released_once_nobody_waits_for_them(worker: Doubles) -> None:
    held = worker.hold("first")
    waits = worker.pool.submit("measure", bytes(1000), (), Workload(SLOW))
    assert len(waits.image_bytes) == 1000
    worker.pool.cancel(waits)
    assert waits.image_bytes == b""
    done = worker.pool.submit("measure", bytes(1000), (), Workload(SLOW))
    worker.end("first")
    assert await held.future == "first"
    await done.future
    assert done.image_bytes == b""


async def test_late_worker_is_expected_to_be_later_still(worker: Doubles) -> None:
    held = worker.hold("first", QUICK)
    await worker.until_begun("first")
    worker.pool.cancel(held)  # and yet the worker is at it
    await until(lambda: worker.pool.wait_s > 0.05)
    worker.end("first")
    await until(lambda: worker.pool.wait_s == 0)


async def test_worker_that_dies_idle_is_replaced(workers: Doubles) -> None:
    before = dict(workers.pool.pids)
    os.kill(before[1], signal.SIGKILL)
    await until(lambda: workers.pool.pids.get(1, before[1]) != before[1])
    assert workers.pool.pids[0] == before[0]
    assert workers.pool.replaced_workers == 1


async def test_task_that_kills_its_worker_is_not_tried_again(workers: Doubles) -> None:
    with pytest.raises(WorkerDiedError):
        await workers.submit("leave", signal.SIGSEGV).future
    assert await workers.note("next").future == "next"
    assert workers.pool.replaced_workers == 1


async def test_batched_tasks_go_through_their_stages_side_by_side(worker: Doubles) -> None:
    held = worker.hold("first", STAGED)
    await worker.until_begun("first")
    tasks = [worker.staged(name) for name in "abc"]
    worker.end("first")
    assert await held.future == "first"
    assert [await task.future for task in tasks] == ["a", "b", "c"]
    assert worker.stages() == ["a1", "b1", "c1", "a2", "b2", "c2"]


async def test_task_that_kills_its_worker_alone_fails_of_its_batch(worker: Doubles) -> None:
    held = worker.hold("first", STAGED)
    await worker.until_begun("first")
    tasks = [worker.staged(name, POISON if name == "b" else b"") for name in "abc"]
    worker.end("first")
    assert await held.future == "first"
    with pytest.raises(WorkerDiedError):
        await tasks[1].future
    assert [await tasks[0].future, await tasks[2].future] == ["a", "c"]
    assert worker.pool.replaced_workers == 2
    together, alone = ["a1", "b1", "c1", "a2", "b2"], ["a1", "a2", "b1", "b2", "c1", "c2"]
    assert worker.stages() == together + alone


async def test_worker_that_hangs_is_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with working(tmp_path, 1, limit_s=0.5) as doubles:
        hanging = doubles.submit("sleep")
        behind = doubles.note("behind")
        with pytest.raises(WorkerDiedError):
            await hanging.future
        assert await behind.future == "behind"
        assert doubles.pool.replaced_workers == 1
    assert "has given no sign of life for 0.5 s; restarting it" in caplog.text


@pytest.mark.parametrize("work", ["sleep", "doze"])
async def test_hang_is_noticed_in_three_seconds(tmp_path: Path, work: str) -> None:
    async with working(tmp_path, 1, limit_s=DEFAULT_LIMIT_S) as doubles:
        hanging = doubles.submit(work)
        started_s = time.monotonic()
        await until(lambda: doubles.pool.replaced_workers == 1)
        assert time.monotonic() - started_s < 3.5
        with pytest.raises(WorkerDiedError):
            await hanging.future


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
async def test_stopped_worker_is_replaced_soon_and_its_queue_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_busy: bool
) -> None:
    async with working(tmp_path, 1, limit_s=DEFAULT_LIMIT_S) as doubles:
        held = doubles.hold("first", QUICK) if is_busy else None
        behind = doubles.note("behind", QUICK)
        if held is not None:
            await doubles.until_begun("first")
            assert behind.worker is not None
        else:
            await behind.future
        os.kill(doubles.pool.pids[0], signal.SIGSTOP)
        stopped_s = time.monotonic()
        await until(lambda: doubles.pool.replaced_workers == 1)
        assert time.monotonic() - stopped_s < 1.5
        if held is not None:
            with pytest.raises(WorkerDiedError):
                await held.future
        assert await behind.future == "behind"
        assert await doubles.note("next").future == "next"
    assert "was stopped by a signal; restarting it" in caplog.text


async def test_worker_that_goes_on_at_once_is_not_replaced(worker: Doubles) -> None:
    process = worker.pool.pids[0]
    os.kill(process, signal.SIGSTOP)
    await asyncio.sleep(CHECK_INTERVAL_S)
    os.kill(process, signal.SIGCONT)
    await asyncio.sleep(4 * CHECK_INTERVAL_S)
    assert worker.pool.replaced_workers == 0


async def test_worker_in_a_long_call_is_no_hanging_worker(tmp_path: Path) -> None:
    async with working(tmp_path, 1, limit_s=0.5) as doubles:
        started_s = time.monotonic()
        count(b"", 0.0, 10**7)
        second = 10**7 / (time.monotonic() - started_s)  # counted in one
        started_s = time.monotonic()
        await doubles.submit("count", int(3 * second)).future
        assert time.monotonic() - started_s > 1
        assert doubles.pool.replaced_workers == 0


async def test_cancelled_task_ends_at_its_next_checkpoint(worker: Doubles) -> None:
    endless = worker.submit("step", str(worker.folder), "endless")
    await worker.until_begun("endless")
    worker.pool.cancel(endless)
    cancelled_s = time.monotonic()
    assert await worker.note("behind").future == "behind"
    assert time.monotonic() - cancelled_s < 0.5
    assert worker.pool.replaced_workers == 0


async def test_worker_ends_a_task_at_its_deadline(worker: Doubles) -> None:
    """It does so by itself: the service may be busy, and cancels nothing here."""
    arguments = (str(worker.folder), "late")
    tasks = [
        worker.pool.submit("step", b"", arguments, Workload(QUICK), deadline_s=0.1)
        for _ in range(2)
    ]
    for task in tasks:
        with pytest.raises(DeadlineError, match=r"after the limit of 0\.1 s"):
            await task.future
    assert await worker.note("behind").future == "behind"
    assert worker.pool.replaced_workers == 0


async def test_task_whose_deadline_has_passed_does_not_begin(worker: Doubles) -> None:
    arguments = (str(worker.folder), "late")
    late = worker.pool.submit("note", b"", arguments, Workload(QUICK), deadline_s=-1)
    with pytest.raises(DeadlineError):
        await late.future
    assert not worker.begun("late")


async def test_worker_that_does_not_end_a_cancelled_task_is_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time it gets twice the time, because replacing workers is work too."""
    monkeypatch.setattr(supervisor, "GRACE_S", 0.25)
    async with working(tmp_path, 1) as doubles:
        for name in "ab":
            held = doubles.hold(name)
            await doubles.until_begun(name)
            doubles.pool.cancel(held)
            assert await doubles.note(f"behind-{name}").future == f"behind-{name}"
        assert doubles.pool.replaced_workers == 2
    lines = re.findall(r"has not ended cancelled work after (.*) s; restarting it", caplog.text)
    assert lines == ["0.2", "0.5"]


async def test_worker_without_memory_is_replaced_and_its_queue_is_answered(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with working(tmp_path, 1) as worker:
        before = await worker.submit("process").future
        failing = worker.submit("fail", MemoryError("of 3 GB"), kind=QUICK)
        behind = [worker.submit("process", kind=QUICK) for _ in range(5)]
        with pytest.raises(OutOfMemoryError, match="send a smaller image"):
            await failing.future
        processes = {await task.future for task in behind}
        assert len(processes) == 1
        assert before not in processes
        assert worker.pool.replaced_workers == 1
    assert "the memory was not enough for the request 'fail'" in capfd.readouterr().err


async def test_busy_worker_is_no_hanging_worker(tmp_path: Path) -> None:
    async with working(tmp_path, 1, limit_s=0.4) as doubles:
        ending = time.monotonic() + 1.2
        while time.monotonic() < ending:
            tasks = [doubles.submit("process", kind=QUICK) for _ in range(20)]
            await asyncio.gather(*(task.future for task in tasks))
        assert doubles.pool.replaced_workers == 0


async def test_replacement_that_cannot_start_is_tried_again(
    worker: Doubles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / BROKEN).touch()
    os.kill(worker.pool.pids[0], signal.SIGKILL)
    await until(lambda: "cannot restart" in caplog.text)
    waiting = worker.note("waiting")
    assert (worker.pool.queue_depth, dict(worker.pool.pids)) == (1, {})
    (tmp_path / BROKEN).unlink()
    assert await waiting.future == "waiting"
    assert worker.pool.replaced_workers == 1
    assert "worker 0 cannot restart: back.onnx is another file" in caplog.text


async def test_replacement_that_often_fails_starts_soon_after_the_cause_is_gone(
    worker: Doubles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / BROKEN).touch()
    os.kill(worker.pool.pids[0], signal.SIGKILL)
    await until(lambda: caplog.text.count("cannot restart") == 3)
    (tmp_path / BROKEN).unlink()
    restored_s = time.monotonic()
    assert await worker.note("next").future == "next"
    assert time.monotonic() - restored_s < 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_workers_ignore_signals_to_the_whole_group(
    worker: Doubles, number: signal.Signals
) -> None:
    held = worker.hold("a")
    await worker.until_begun("a")
    os.kill(worker.pool.pids[0], number)
    worker.end("a")
    assert await held.future == "a"
    assert await worker.note("b").future == "b"
    assert worker.pool.replaced_workers == 0


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        pytest.param("refusing", ModelCorruptError, id="refuses"),
        pytest.param("dying", WorkerDiedError, id="dies"),
    ],
)
async def test_worker_that_cannot_start_is_an_error(
    tmp_path: Path, mode: str, expected: type[PhizError]
) -> None:
    with pytest.raises(expected):
        await WorkerPool(command(mode, tmp_path), 2, PATIENCE_S).start()
    assert processes(tmp_path)


async def test_workers_end_if_one_of_them_cannot_start(tmp_path: Path) -> None:
    starting = asyncio.create_task(WorkerPool(command("slow", tmp_path), 3, PATIENCE_S).start())
    await until(lambda: len(processes(tmp_path)) == 3)
    (tmp_path / "second-may-fail").touch()
    with pytest.raises(ModelCorruptError):
        await starting


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        yield process


@pytest.mark.parametrize("error", [None, ModelCorruptError("back.onnx is another file")])
async def test_hello_after_its_start_was_cancelled_is_ignored(
    process: subprocess.Popen[bytes], error: PhizError | None
) -> None:
    worker = WorkerHandle(0, process, WorkerPool([], 0, 1.0))
    worker.hello.cancel()
    worker.data_received(b"".join(encode_message(WorkResult(READY_NUMBER, 0, error))))
    assert worker.hello.cancelled()


class OneAtATime(ThreadPoolExecutor):
    """Threads that are slow to come: one after the other, once they may."""

    def __init__(self) -> None:
        super().__init__(1)
        self.asked = 0
        self.may = threading.Event()
        super().submit(self.may.wait, PATIENCE_S)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.asked += 1
        future = super().submit(fn, *args, **kwargs)
        super().submit(time.sleep, 0.1)
        return future


async def test_workers_that_fail_together_are_all_waited_for(tmp_path: Path) -> None:
    threads = OneAtATime()
    asyncio.get_running_loop().set_default_executor(threads)
    starting = asyncio.create_task(WorkerPool(command("refusing", tmp_path), 3, PATIENCE_S).start())
    await until(lambda: threads.asked == 3)
    threads.may.set()
    with pytest.raises(ModelCorruptError):
        await starting
    assert not any(map(there, processes(tmp_path)))


@pytest.mark.parametrize("turns", range(6))
async def test_start_can_be_cancelled_at_any_time(tmp_path: Path, turns: int) -> None:
    starting = asyncio.create_task(WorkerPool(command("slow", tmp_path), 2, PATIENCE_S).start())
    for _ in range(turns):
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not any(map(there, processes(tmp_path)))


async def test_cancelled_start_leaves_no_worker(tmp_path: Path) -> None:
    starting = asyncio.create_task(WorkerPool(command("slow", tmp_path), 3, PATIENCE_S).start())
    await until(lambda: len(processes(tmp_path)) == 3)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting


async def test_unknown_command_is_an_error() -> None:
    with pytest.raises(OSError, match="nothing-of-that-name"):
        await WorkerPool(["nothing-of-that-name"], 2, PATIENCE_S).start()


async def test_closing_ends_busy_and_starting_workers(tmp_path: Path) -> None:
    async with working(tmp_path, 3) as workers:
        held = workers.hold("a")
        await workers.until_begun("a")
        assert held.worker is not None
        free = next(
            process for process in workers.pool.pids.values() if process != held.worker.process.pid
        )
        os.kill(free, signal.SIGKILL)
        await until(lambda: workers.pool.replaced_workers == 1)
        workers.pool.cancel(held)


def choose_work(chance: random.Random, folder: Path) -> tuple[object, ...]:
    """Return a handler and its arguments. One in twenty ends its worker."""
    if chance.randrange(20) == 0:
        return chance.choice(
            [
                ("leave", signal.SIGKILL),
                ("leave", signal.SIGSEGV),
                ("fail", MemoryError("none is left")),
                ("sleep",),
            ]
        )
    return chance.choice(
        [
            ("measure",),
            ("count", chance.randrange(1_000_000)),
            ("fail", OptionError("min_face is 0")),
            ("staged", str(folder), "stage"),
            ("step", str(folder), "step"),
        ]
    )


@pytest.mark.parametrize("size", [1, 2])
async def test_every_task_of_a_storm_ends_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(supervisor, "GRACE_S", 0.5)
    chance = random.Random(size)  # noqa: S311 (the same storm in every run)
    tasks: list[WorkTask] = []
    async with working(tmp_path, size, limit_s=1.5) as workers:
        pool = workers.pool
        for number in range(250):
            handler, *arguments = choose_work(chance, tmp_path)
            task = pool.submit(
                str(handler),
                bytes(chance.choice([0, 1000, 2_000_000])),
                tuple(arguments),
                Workload(STAGED if handler == "staged" else chance.choice([QUICK, SLOW])),
                owner=TaskOwner(chance.choice("abc"), str(number // 4)),
                deadline_s=chance.choice([math.inf, 0.05]),
            )
            tasks.append(task)
            for each in chance.sample(tasks, min(len(tasks), chance.randrange(3))):
                pool.cancel(each, chance.choice([None, DeadlineError("it is late")]))
            if chance.randrange(60) == 0 and pool.pids:
                process = chance.choice([*pool.pids.values()])
                os.kill(process, chance.choice([signal.SIGKILL, signal.SIGSTOP]))
            await asyncio.sleep(chance.choice([0, 0, 0.005]))
        for task in tasks:
            if task.request.handler in {"step", "sleep"}:
                pool.cancel(task)
        _, waiting = await asyncio.wait([task.future for task in tasks], timeout=3 * PATIENCE_S)
        assert not waiting
        await until(lambda: sorted(pool.pids) == [*range(size)])
        await until(lambda: pool.wait_s == 0)
        assert pool.queue_depth == 0
        at_once = [workers.submit("process", kind=QUICK).future for _ in range(size)]
        assert sorted(await asyncio.gather(*at_once)) == sorted(pool.pids.values())
        assert pool.replaced_workers > 0
    outcomes = {type(task.future.exception()) for task in tasks if not task.future.cancelled()}
    assert {type(None), DeadlineError} <= outcomes
