"""Raw lines of real worker processes, as the log of the service has them."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from phiz.errors import WorkerDiedError
from phiz.workers.latency import Workload
from phiz.workers.pool import WorkerPool
from phiz.workers.stderr import MAX_LINE_BYTES, MAX_LINES

from .test_pool import until

pytestmark = pytest.mark.anyio

PROGRAM = """
import logging, os, socket, sys, warnings
from phiz.system.logs import configure_logging
from phiz.workers.loop import WorkerSetup, run_worker
from phiz.workers.stderr import open_log_stream

def write(image_bytes, _since, descriptor):
    os.write(descriptor, image_bytes)

def log(_image_bytes, _since):
    logging.getLogger("phiz.x").info("in its own words")
    warnings.warn("as Python warns", stacklevel=1)

def crash(image_bytes, _since):
    os.write(2, image_bytes)
    os.abort()

configure_logging("json", open_log_stream())
works = {work.__name__: work for work in (write, log, crash)}
connection = socket.socket(fileno=int(sys.argv[1]))
run_worker(connection, lambda: WorkerSetup(works, None), lambda *_: False)
"""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}  # as the service does


@asynccontextmanager
async def working() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool([sys.executable, "-c", PROGRAM], 1, 20, ())
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    async with working() as pool:
        yield pool


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The raw lines in the log of the service."""
    return [
        record.__dict__["fields"]["line"]
        for record in caplog.records
        if "fields" in record.__dict__
    ]


@pytest.mark.parametrize("descriptor", [1, 2])
async def test_raw_line_is_a_field_of_a_line(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture, descriptor: int
) -> None:
    raw = b"TIFFReadDirectory: Warning\nhalf \xff\n"
    await pool.submit("write", raw, (descriptor,), Workload("x")).future
    await until(lambda: len(lines(caplog)) == 2)
    assert lines(caplog) == ["TIFFReadDirectory: Warning", "half �"]
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert caplog.messages[0] == "worker 0 wrote to standard error"


async def test_lines_of_the_workers_own_log_go_past_it(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with working() as pool:  # which writes where this test reads
        await pool.submit("log", b"", (), Workload("x")).future
        await pool.submit("write", b"raw\n", (2,), Workload("x")).future
        await until(lambda: lines(caplog) == ["raw"])
    written = capfd.readouterr().err
    assert '"message":"in its own words"' in written
    assert "as Python warns" in written
    assert "raw" not in written


async def test_last_words_of_a_worker_that_crashes_are_logged(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(WorkerDiedError):
        await pool.submit("crash", b"free(): invalid pointer", (), Workload("x")).future
    await until(lambda: lines(caplog) == ["free(): invalid pointer"])


async def test_line_without_an_end_is_logged_in_parts(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    await pool.submit("write", 3 * MAX_LINE_BYTES * b"a", (2,), Workload("x")).future
    await until(lambda: lines(caplog) == 2 * [MAX_LINE_BYTES * "a"])


async def test_many_and_long_lines_are_bounded(
    pool: WorkerPool, caplog: pytest.LogCaptureFixture
) -> None:
    await pool.submit("write", 2 * MAX_LINE_BYTES * b"a" + b"\n", (2,), Workload("x")).future
    await pool.submit("write", 5000 * b"b\n", (2,), Workload("x")).future
    await until(lambda: len(lines(caplog)) == MAX_LINES)
    assert lines(caplog)[:2] == [MAX_LINE_BYTES * "a", "b"]
    await pool.submit("write", b"c\n", (2,), Workload("x")).future
    assert len(lines(caplog)) == MAX_LINES
    await pool.close()
    assert caplog.messages[-1].endswith(" raw lines of worker 0 were omitted")
