import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from phiz.pool import Pool, available_threads, cpu_quota

PATIENCE_S = 10


@pytest.fixture
def pool() -> Iterator[Pool]:
    with closing(Pool(2)) as pool:
        yield pool


def test_work_is_done_in_another_thread(pool: Pool) -> None:
    async def ask() -> tuple[int, str]:
        return await pool.run(lambda x, y: (x + y, threading.current_thread().name), 1, y=2)

    total, thread = asyncio.run(ask())
    assert total == 3
    assert thread.startswith("phiz")


def test_an_error_comes_back(pool: Pool) -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(pool.run(lambda: 1 // 0))


def test_work_in_each_thread_begins_together(pool: Pool) -> None:
    both = threading.Barrier(2)

    def work(add: int) -> tuple[int, str]:
        return both.wait(PATIENCE_S) + add, threading.current_thread().name

    results = asyncio.run(pool.run_in_each(work, add=5))
    assert sorted(result for result, _ in results) == [5, 6]
    assert len({thread for _, thread in results}) == 2


def test_an_error_in_each_thread_comes_back(pool: Pool) -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(pool.run_in_each(lambda: 1 // 0))


def test_work_that_cannot_begin_in_each_thread_holds_up_none(pool: Pool) -> None:
    finish = threading.Event()

    async def ask() -> None:
        kept = pool.submit(finish.wait, PATIENCE_S)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.run_in_each(int), 0.01)
        assert await pool.run(int) == 0  # in the thread that waited
        finish.set()
        assert await kept

    asyncio.run(ask())
    assert pool.waiting == 0


def test_as_many_run_at_once_as_there_are_threads_and_the_rest_waits(pool: Pool) -> None:
    both = threading.Barrier(3)
    finish = threading.Event()

    def work() -> bool:
        if not finish.is_set():
            both.wait(PATIENCE_S)
        return finish.wait(PATIENCE_S)

    async def ask() -> list[bool]:
        tasks = [asyncio.create_task(pool.run(work)) for _ in range(5)]
        await asyncio.to_thread(both.wait, PATIENCE_S)
        assert pool.waiting == 3
        finish.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(ask()) == [True] * 5
    assert pool.waiting == 0


def test_work_that_nobody_waits_for_any_more_does_not_begin() -> None:
    begun, finish = threading.Event(), threading.Event()
    late: list[str] = []

    def first() -> None:
        begun.set()
        finish.wait(PATIENCE_S)

    async def ask(pool: Pool) -> None:
        running = asyncio.create_task(pool.run(first))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        given_up = asyncio.create_task(pool.run(late.append, "begun"))
        await asyncio.sleep(0)
        assert pool.waiting == 1
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert pool.waiting == 0
        finish.set()
        await running
        await pool.run(lambda: None)

    with closing(Pool(1)) as pool:
        asyncio.run(ask(pool))
    assert late == []


def test_closing_waits_for_what_has_begun() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        threading.Event().wait(0.05)
        ended.set()

    async def ask(pool: Pool) -> None:
        task = asyncio.create_task(pool.run(work))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        pool.close()
        assert ended.is_set()
        await task

    asyncio.run(ask(Pool(1)))


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


V1 = "4:cpu,cpuacct:/docker/abc\n3:cpuset:/other\n1:name=systemd:/docker/abc\n"
V1_FOLDER = "sys/fs/cgroup/cpu,cpuacct"
NONE = float("inf")


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        pytest.param("0::/\n", {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5, id="v2"),
        pytest.param("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, NONE, id="v2-none"),
        pytest.param(
            "0::/a/b\n",
            {
                "sys/fs/cgroup/a/b/cpu.max": "max 100000",
                "sys/fs/cgroup/a/cpu.max": "200000 100000",
            },
            2.0,
            id="v2-parent",
        ),
        pytest.param(
            "0::/a/b\n",
            {
                "sys/fs/cgroup/a/b/cpu.max": "50000 100000",
                "sys/fs/cgroup/a/cpu.max": "200000 100000",
            },
            0.5,
            id="v2-smallest",
        ),
        pytest.param(
            "0::/not/seen/from/here\n",
            {"sys/fs/cgroup/cpu.max": "400000 100000"},
            4.0,
            id="v2-container",
        ),
        pytest.param(
            V1,
            {
                f"{V1_FOLDER}/docker/abc/cpu.cfs_quota_us": "250000\n",
                f"{V1_FOLDER}/docker/abc/cpu.cfs_period_us": "100000\n",
            },
            2.5,
            id="v1",
        ),
        pytest.param(
            V1,
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            3.0,
            id="v1-container",
        ),
        pytest.param(
            V1,
            {
                f"{V1_FOLDER}/cpu.cfs_quota_us": "-1",
                f"{V1_FOLDER}/cpu.cfs_period_us": "100000",
            },
            NONE,
            id="v1-none",
        ),
        pytest.param(
            "3:cpuset:/\n",
            {
                "sys/fs/cgroup/cpuset/cpu.cfs_quota_us": "100000",
                "sys/fs/cgroup/cpuset/cpu.cfs_period_us": "100000",
            },
            NONE,
            id="not-of-processors",
        ),
        pytest.param("0::/\n", {"sys/fs/cgroup/cpu.max": "gibberish"}, NONE, id="gibberish"),
        pytest.param("0::/\n", {"sys/fs/cgroup/cpu.max": "100000 0"}, NONE, id="no-period"),
        pytest.param("0::/\n", {}, NONE, id="no-files"),
    ],
)
def test_the_quota_is_the_smallest_of_the_groups(
    tmp_path: Path, membership: str, files: dict[str, str], expected: float
) -> None:
    write(tmp_path, {"proc/self/cgroup": membership, **files})
    assert cpu_quota(tmp_path) == expected


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) == NONE


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("1", 1), ("99999", 1), ("100000", 1), ("199999", 1)],
)
def test_a_broken_quota_is_rounded_down_but_there_is_one_thread(
    tmp_path: Path, quota: str, expected: int
) -> None:
    write(
        tmp_path,
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": f"{quota} 100000"},
    )
    assert available_threads(tmp_path) == expected


def test_no_more_threads_than_processors(tmp_path: Path) -> None:
    threads = available_threads(tmp_path)
    assert 1 <= threads <= (os.cpu_count() or 1)
    write(
        tmp_path,
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "100000000 100000"},
    )
    assert available_threads(tmp_path) == threads
