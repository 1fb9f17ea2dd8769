import asyncio
import gc
import math
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop

from phiz.errors import (
    ModelCorruptError,
    OptionError,
    PhizError,
    WorkerDiedError,
    WorkerFaultError,
)
from phiz.system.procfs import read_resident_bytes
from phiz.workers.handle import WorkerHandle, WorkTask
from phiz.workers.loop import READY_NUMBER, TRIM_IDLE_AFTER
from phiz.workers.pool import LOOKAHEAD_S, WorkerPool
from phiz.workers.protocol import WorkResult, encode_message

from .doubles import BROKEN, PATIENCE_S, POISON, command

pytestmark = pytest.mark.integration

QUICK = "quick"  # kinds of work
SLOW = "slow"
STAGED = "staged"


class Doubles:
    """A pool of doubles, and the folder by which they are told when to go on."""

    def __init__(self, pool: WorkerPool, folder: Path) -> None:
        self.crew = pool
        self.folder = folder

    def submit(
        self, name: str, *arguments: object, image_bytes: bytes = b"", kind: str = SLOW
    ) -> WorkTask:
        return self.crew.submit(name, image_bytes, arguments, kind)

    def hold(self, name: str, kind: str = SLOW) -> WorkTask:
        return self.submit("hold", str(self.folder), name, kind=kind)

    def note(self, name: str, kind: str = SLOW) -> WorkTask:
        return self.submit("note", str(self.folder), name, kind=kind)

    def staged(self, name: str, image_bytes: bytes = b"") -> WorkTask:
        return self.crew.submit("staged", image_bytes, (str(self.folder), name), STAGED)

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
    pool.latencies.observe(QUICK, LOOKAHEAD_S / 100)
    pool.latencies.observe(SLOW, 1.0)
    pool.latencies.observe(STAGED, LOOKAHEAD_S / 100)
    try:
        yield Doubles(pool, folder)
    finally:
        await pool.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[Callable[[], Awaitable[None]]], None]]:
    """Runs a test; in the end no error was left, and no process is."""
    complaints: list[Any] = []

    def run(test: Callable[[], Awaitable[None]]) -> None:
        async def watched() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: complaints.append(context))
            await test()
            gc.collect()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the service does
            runner.run(watched())

    yield run
    gc.collect()
    assert complaints == []
    assert not any(map(there, processes(tmp_path)))


Run = Callable[[Callable[[], Awaitable[None]]], None]


def test_work_is_done_in_other_processes(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 2) as doubles:
            process = await doubles.submit("process").future
            assert process in doubles.crew.pids.values()
            assert process != os.getpid()
            assert sorted(doubles.crew.pids) == [0, 1]
            assert sorted(doubles.crew.pids.values()) == sorted(processes(tmp_path))

    run(test)


def test_an_error_comes_back_as_it_was_raised(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            failing = doubles.submit("fail", OptionError("min_face is 0"))
            with pytest.raises(OptionError, match="min_face is 0"):
                await failing.future

    run(test)


def test_a_mistake_of_ours_is_logged_and_the_worker_goes_on(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            before = await doubles.submit("process").future
            with pytest.raises(WorkerFaultError) as caught:
                await doubles.submit("fail", ZeroDivisionError("of the work")).future
            assert "of the work" not in str(caught.value)
            assert await doubles.submit("process").future == before

    run(test)
    log = capfd.readouterr().err
    assert "ZeroDivisionError: of the work" in log
    assert log.count("Traceback") == 1


def test_a_worker_with_nothing_to_do_gives_free_memory_back(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            (process,) = doubles.crew.pids.values()
            await doubles.submit("litter").future
            for _ in range(TRIM_IDLE_AFTER - 1):
                await doubles.submit("process").future
            held = read_resident_bytes(process)
            assert held is not None
            await until(lambda: (read_resident_bytes(process) or held) < held - 5_000_000)

    run(test)


def note_end(ended: list[int], number: int, _done: object) -> None:
    ended.append(number)


@pytest.mark.parametrize("kind", [QUICK, SLOW])
def test_work_is_begun_in_the_order_in_which_it_came(run: Run, tmp_path: Path, kind: str) -> None:
    async def test() -> None:
        ended: list[int] = []
        async with working(tmp_path, 1) as doubles:
            held = doubles.hold("first", kind)
            tasks = [doubles.note(f"{number}", kind) for number in range(30)]
            for number, task in enumerate(tasks):
                task.future.add_done_callback(partial(note_end, ended, number))
            doubles.end("first")
            names = await asyncio.gather(held.future, *(task.future for task in tasks))
            assert names == ["first", *map(str, range(30))]
        assert ended == list(range(30))
        began_ns = [(tmp_path / f"{number}").stat().st_mtime_ns for number in range(30)]
        assert began_ns == sorted(began_ns)

    run(test)


@pytest.mark.parametrize(
    ("size", "is_ahead"),
    [(0, True), (700_000, True), (1_048_576, True), (1_048_577, False), (20_000_000, False)],
)
def test_picture_over_one_mebibyte_is_not_sent_to_a_busy_worker(
    run: Run, tmp_path: Path, size: int, *, is_ahead: bool
) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            held = doubles.hold("first", QUICK)
            await doubles.until_begun("first")
            task = doubles.submit("measure", image_bytes=bytes(size), kind=QUICK)
            assert (task.worker is not None) == is_ahead
            doubles.end("first")
            assert await held.future == "first"
            assert await task.future == (size, zlib.crc32(bytes(size)))

    run(test)


def test_large_pictures_arrive_whole(run: Run, tmp_path: Path) -> None:
    images = [os.urandom(20 * 1024 * 1024), b"", os.urandom(3), os.urandom(5_000_000)]

    async def test() -> None:
        async with working(tmp_path, 2) as doubles:
            tasks = [
                doubles.submit("measure", image_bytes=image_bytes, kind=kind)
                for image_bytes in images
                for kind in (QUICK, SLOW)
            ]
            sums = await asyncio.gather(*(task.future for task in tasks))
        assert sums[::2] == sums[1::2]
        assert sums[::2] == [(len(image_bytes), zlib.crc32(image_bytes)) for image_bytes in images]

    run(test)


def test_as_many_run_at_once_as_there_are_workers_and_the_rest_waits(
    run: Run, tmp_path: Path
) -> None:
    names = ["a", "b", "c", "d", "e"]

    async def test() -> None:
        async with working(tmp_path, 2) as doubles:
            tasks = [doubles.hold(name) for name in names]
            await doubles.until_begun("a", "b")
            assert doubles.crew.queue_depth == 3
            assert not any(map(doubles.begun, "cde"))
            for name in names:
                doubles.end(name)
            assert await asyncio.gather(*(task.future for task in tasks)) == names
            assert doubles.crew.queue_depth == 0

    run(test)


def test_a_call_is_expected_to_wait_for_what_is_ahead_of_it(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 2) as doubles:
            pool = doubles.crew
            waits = [pool.wait_s]
            tasks = []
            for name in "abc":
                tasks.append(doubles.hold(name))
                waits.append(pool.wait_s)
            # Each takes 1 s, and two are done at once.
            assert waits == pytest.approx([0, 0, 1, 1.5], abs=0.2)
            pool.cancel(tasks[2])
            assert pool.wait_s == pytest.approx(1, abs=0.2)
            doubles.end("a")
            await tasks[0].future
            assert pool.wait_s == 0
            doubles.end("b")
            await tasks[1].future

    run(test)


def test_what_work_takes_is_learnt(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            held = doubles.hold("a", "new")
            await doubles.until_begun("a")
            await asyncio.sleep(0.1)
            doubles.end("a")
            await held.future
            assert 0.1 <= doubles.crew.latencies.estimate_s("new") < PATIENCE_S
            with pytest.raises(OptionError):
                await doubles.submit("fail", OptionError("at once"), kind="failing").future
            assert doubles.crew.latencies.estimate_s("failing") == LOOKAHEAD_S

    run(test)


@pytest.mark.parametrize(
    ("kind", "ahead"),
    [pytest.param(SLOW, False, id="here"), pytest.param(QUICK, True, id="at-the-worker")],
)
def test_what_is_withdrawn_before_it_begins_is_not_done(
    run: Run, tmp_path: Path, kind: str, *, ahead: bool
) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            held = doubles.hold("first", kind)
            withdrawn, refused, last = (doubles.note(name, kind) for name in "abc")
            assert (withdrawn.worker is not None) == ahead
            assert doubles.crew.queue_depth == 3
            doubles.crew.cancel(withdrawn)
            doubles.crew.cancel(withdrawn, OptionError("once more changes nothing"))
            doubles.crew.cancel(refused, OptionError("the reason"))
            assert doubles.crew.queue_depth == 1
            assert withdrawn.future.cancelled()
            with pytest.raises(OptionError, match="the reason"):
                await refused.future
            doubles.end("first")
            assert [await held.future, await last.future] == ["first", "c"]
            assert not doubles.begun("a")
            assert not doubles.begun("b")
            assert (doubles.crew.queue_depth, doubles.crew.wait_s) == (0, 0)

    run(test)


def test_what_is_withdrawn_while_it_runs_is_done_for_nobody(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            withdrawn = doubles.hold("first")
            await doubles.until_begun("first")
            doubles.crew.cancel(withdrawn)
            doubles.crew.cancel(withdrawn)  # once more changes nothing
            assert doubles.crew.queue_depth == 0
            behind = doubles.note("behind")
            assert doubles.crew.queue_depth == 1
            doubles.end("first")
            assert await behind.future == "behind"
            assert doubles.crew.queue_depth == 0

    run(test)


def test_a_caller_that_was_cancelled_costs_no_worker(run: Run, tmp_path: Path) -> None:
    """It may be so before the task is cancelled, with the result between the two."""

    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            for task in (doubles.note("a"), doubles.submit("fail", OptionError("too late"))):
                task.future.cancel()
            assert await doubles.note("b").future == "b"
            assert doubles.begun("a")
            assert doubles.crew.replaced_workers == 0

    run(test)


def test_of_a_worker_that_dies_only_the_call_that_it_was_at_fails(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            held = doubles.hold("first", QUICK)
            others = [doubles.note(f"{number}", QUICK) for number in range(9)]
            assert all(task.worker is not None for task in others)
            await doubles.until_begun("first")
            (process,) = doubles.crew.pids.values()
            os.kill(process, signal.SIGKILL)
            with pytest.raises(WorkerDiedError, match="the worker process of this image ended"):
                await held.future
            assert [await task.future for task in others] == [f"{number}" for number in range(9)]
            assert doubles.crew.replaced_workers == 1
            assert list(doubles.crew.pids) == [0]
            assert process not in doubles.crew.pids.values()
            assert (doubles.crew.queue_depth, doubles.crew.wait_s) == (0, 0)
        began_ns = [(tmp_path / f"{number}").stat().st_mtime_ns for number in range(9)]
        assert began_ns == sorted(began_ns)

    run(test)
    assert "ended with status -9; restarting it" in caplog.text


def test_while_a_worker_cannot_be_replaced_the_others_do_its_work(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with working(tmp_path, 2) as doubles:
            held = [doubles.hold(name) for name in "ab"]
            await doubles.until_begun("a", "b")
            (tmp_path / BROKEN).touch()
            dying, other = (task.worker for task in held)
            assert dying is not None
            assert other is not None
            dying.process.kill()
            with pytest.raises(WorkerDiedError):
                await held[0].future
            behind = doubles.note("behind")
            doubles.end("b")
            assert [await held[1].future, await behind.future] == ["b", "behind"]
            assert list(doubles.crew.pids) == [other.index]
            await until(lambda: "cannot restart" in caplog.text)
            assert doubles.crew.is_healthy
            (tmp_path / BROKEN).unlink()
            await until(lambda: sorted(doubles.crew.pids) == [0, 1])

    run(test)


def test_what_a_dead_worker_had_ahead_is_done_by_one_that_is_free(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 2) as doubles:
            held = doubles.hold("first", QUICK)
            other = doubles.hold("second", QUICK)
            await doubles.until_begun("first", "second")
            ahead = [doubles.note(f"{number}", QUICK) for number in range(6)]
            doubles.end("second")
            assert await other.future == "second"
            (tmp_path / BROKEN).touch()
            assert held.worker is not None
            held.worker.process.kill()
            with pytest.raises(WorkerDiedError):
                await held.future
            assert [await task.future for task in ahead] == [f"{number}" for number in range(6)]
            (tmp_path / BROKEN).unlink()

    run(test)


def test_a_crew_whose_last_worker_cannot_be_replaced_is_not_able(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            pool = doubles.crew
            assert pool.is_healthy
            (tmp_path / BROKEN).touch()
            os.kill(pool.pids[0], signal.SIGKILL)
            await until(lambda: not pool.is_healthy)
            assert pool.wait_s == math.inf
            (tmp_path / BROKEN).unlink()
            await until(lambda: pool.is_healthy)
            assert pool.wait_s == 0

    run(test)


def test_a_picture_is_kept_no_longer_than_somebody_waits_for_it(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            held = doubles.hold("first")
            waits = doubles.crew.submit("measure", bytes(1000), (), SLOW)
            assert len(waits.image_bytes) == 1000
            doubles.crew.cancel(waits)
            assert waits.image_bytes == b""
            done = doubles.crew.submit("measure", bytes(1000), (), SLOW)
            doubles.end("first")
            assert await held.future == "first"
            await done.future
            assert done.image_bytes == b""

    run(test)


def test_a_worker_that_is_late_is_expected_to_be_later_still(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            held = doubles.hold("first", QUICK)
            await doubles.until_begun("first")
            doubles.crew.cancel(held)  # and yet the worker is at it
            await until(lambda: doubles.crew.wait_s > 0.05)
            doubles.end("first")
            await until(lambda: doubles.crew.wait_s == 0)

    run(test)


def test_a_worker_that_dies_with_nothing_to_do_is_replaced(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 2) as doubles:
            before = dict(doubles.crew.pids)
            os.kill(before[1], signal.SIGKILL)
            await until(lambda: doubles.crew.pids.get(1, before[1]) != before[1])
            assert doubles.crew.pids[0] == before[0]
            assert doubles.crew.replaced_workers == 1

    run(test)


def test_a_call_that_kills_every_worker_kills_one(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 2) as doubles:
            with pytest.raises(WorkerDiedError):
                await doubles.submit("leave", signal.SIGSEGV).future
            assert await doubles.note("next").future == "next"
            assert doubles.crew.replaced_workers == 1

    run(test)


def test_those_that_join_go_through_their_stages_side_by_side(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            held = doubles.hold("first", STAGED)
            await doubles.until_begun("first")
            tasks = [doubles.staged(name) for name in "abc"]
            doubles.end("first")
            assert await held.future == "first"
            assert [await task.future for task in tasks] == ["a", "b", "c"]
            assert doubles.stages() == ["a1", "b1", "c1", "a2", "b2", "c2"]

    run(test)


def test_of_those_side_by_side_only_the_one_that_kills_the_worker_fails(
    run: Run, tmp_path: Path
) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            held = doubles.hold("first", STAGED)
            await doubles.until_begun("first")
            tasks = [doubles.staged(name, POISON if name == "b" else b"") for name in "abc"]
            doubles.end("first")
            assert await held.future == "first"
            with pytest.raises(WorkerDiedError):
                await tasks[1].future
            assert [await tasks[0].future, await tasks[2].future] == ["a", "c"]
            assert doubles.crew.replaced_workers == 2
            together, alone = ["a1", "b1", "c1", "a2", "b2"], ["a1", "a2", "b1", "b2", "c1", "c2"]
            assert doubles.stages() == together + alone

    run(test)


def test_a_worker_that_hangs_is_replaced(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with working(tmp_path, 1, limit_s=0.2) as doubles:
            held = doubles.hold("for ever")
            behind = doubles.note("behind")
            with pytest.raises(WorkerDiedError):
                await held.future
            assert await behind.future == "behind"
            assert doubles.crew.replaced_workers == 1

    run(test)
    assert "worker 0 has spent 0.2 s on one request; restarting it" in caplog.text


def test_a_worker_that_hangs_for_nobody_is_replaced_too(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 1, limit_s=0.2) as doubles:
            held = doubles.hold("for ever")
            await doubles.until_begun("for ever")
            doubles.crew.cancel(held)
            assert await doubles.note("behind").future == "behind"
            assert doubles.crew.replaced_workers == 1

    run(test)


def test_many_calls_in_a_row_are_no_hang(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 1, limit_s=0.4) as doubles:
            ending = time.monotonic() + 1.2
            while time.monotonic() < ending:
                tasks = [doubles.submit("process", kind=QUICK) for _ in range(20)]
                await asyncio.gather(*(task.future for task in tasks))
            assert doubles.crew.replaced_workers == 0

    run(test)


def test_a_replacement_that_cannot_begin_is_tried_again(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            (tmp_path / BROKEN).touch()
            os.kill(doubles.crew.pids[0], signal.SIGKILL)
            await until(lambda: "cannot restart" in caplog.text)
            waiting = doubles.note("waiting")
            assert (doubles.crew.queue_depth, dict(doubles.crew.pids)) == (1, {})
            (tmp_path / BROKEN).unlink()
            assert await waiting.future == "waiting"
            assert doubles.crew.replaced_workers == 1

    run(test)
    assert "worker 0 cannot restart: back.onnx is another file" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_is_the_services(
    run: Run, tmp_path: Path, number: signal.Signals
) -> None:
    async def test() -> None:
        async with working(tmp_path, 1) as doubles:
            held = doubles.hold("a")
            await doubles.until_begun("a")
            os.kill(doubles.crew.pids[0], number)
            doubles.end("a")
            assert await held.future == "a"
            assert await doubles.note("b").future == "b"
            assert doubles.crew.replaced_workers == 0

    run(test)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        pytest.param("refusing", ModelCorruptError, id="refuses"),
        pytest.param("dying", WorkerDiedError, id="dies"),
    ],
)
def test_a_worker_that_cannot_begin_is_an_error(
    run: Run, tmp_path: Path, mode: str, expected: type[PhizError]
) -> None:
    async def test() -> None:
        with pytest.raises(expected):
            await WorkerPool(command(mode, tmp_path), 2, PATIENCE_S).start()

    run(test)
    assert processes(tmp_path)


def test_if_one_cannot_begin_none_is_left(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        starting = asyncio.create_task(WorkerPool(command("slow", tmp_path), 3, PATIENCE_S).start())
        await until(lambda: len(processes(tmp_path)) == 3)
        (tmp_path / "second-may-fail").touch()
        with pytest.raises(ModelCorruptError):
            await starting

    run(test)


@pytest.mark.parametrize("error", [None, ModelCorruptError("back.onnx is another file")])
def test_what_a_worker_tells_when_nobody_waits_any_more_is_nothing(
    run: Run, error: PhizError | None
) -> None:
    async def test() -> None:
        worker = WorkerHandle(0, process, WorkerPool([], 0, 1.0))
        worker.hello.cancel()
        worker.data_received(b"".join(encode_message(WorkResult(READY_NUMBER, 0, error))))
        assert worker.hello.cancelled()

    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        run(test)


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


def test_those_that_fail_together_are_all_waited_for(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        threads = OneAtATime()
        asyncio.get_running_loop().set_default_executor(threads)
        starting = asyncio.create_task(
            WorkerPool(command("refusing", tmp_path), 3, PATIENCE_S).start()
        )
        await until(lambda: threads.asked == 3)
        threads.may.set()
        with pytest.raises(ModelCorruptError):
            await starting
        assert not any(map(there, processes(tmp_path)))

    run(test)


@pytest.mark.parametrize("turns", range(6))
def test_a_start_may_be_cancelled_at_any_time(run: Run, tmp_path: Path, turns: int) -> None:
    async def test() -> None:
        starting = asyncio.create_task(WorkerPool(command("slow", tmp_path), 2, PATIENCE_S).start())
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert not any(map(there, processes(tmp_path)))

    run(test)


def test_a_start_that_is_cancelled_leaves_none(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        starting = asyncio.create_task(WorkerPool(command("slow", tmp_path), 3, PATIENCE_S).start())
        await until(lambda: len(processes(tmp_path)) == 3)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    run(test)


def test_a_command_that_is_none_is_an_error(run: Run) -> None:
    async def test() -> None:
        with pytest.raises(OSError, match="nothing-of-that-name"):
            await WorkerPool(["nothing-of-that-name"], 2, PATIENCE_S).start()

    run(test)


def test_closing_ends_workers_at_work_and_those_that_begin(run: Run, tmp_path: Path) -> None:
    async def test() -> None:
        async with working(tmp_path, 3) as doubles:
            held = doubles.hold("a")
            await doubles.until_begun("a")
            free = [
                process
                for process in doubles.crew.pids.values()
                if held.worker is None or process != held.worker.process.pid
            ]
            os.kill(free[0], signal.SIGKILL)
            await until(lambda: doubles.crew.replaced_workers == 1)
            doubles.crew.cancel(held)

    run(test)
