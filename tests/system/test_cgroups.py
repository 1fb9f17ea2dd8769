import os
from pathlib import Path

import pytest

from phiz.system.cgroups import (
    choose_max_pixels,
    compute_spare_bytes,
    count_affordable_workers,
    count_processors,
    get_processor_share,
    read_cpu_quota,
    read_memory_limit,
)

from .layout import write

V1 = "4:cpu,cpuacct:/docker/abc\n3:cpuset:/other\n1:name=systemd:/docker/abc\n"
NONE = float("inf")


def write_groups(root: Path, membership: str, files: dict[str, str]) -> None:
    """Write the groups of a process, and files of the tree of groups."""
    tree = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    write(root, {"proc/self/cgroup": membership, **tree})


def v1_quota(group: str, quota_us: str) -> dict[str, str]:
    return {f"{group}/cpu.cfs_quota_us": quota_us, f"{group}/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        pytest.param("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5, id="v2"),
        pytest.param("0::/\n", {"cpu.max": "max 100000\n"}, NONE, id="v2-none"),
        pytest.param(
            "0::/a/b\n",
            {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"},
            2.0,
            id="v2-parent",
        ),
        pytest.param(
            "0::/a/b\n",
            {"a/b/cpu.max": "50000 100000", "a/cpu.max": "200000 100000"},
            0.5,
            id="v2-smallest",
        ),
        pytest.param(
            "0::/not/seen/from/here\n", {"cpu.max": "400000 100000"}, 4.0, id="v2-container"
        ),
        pytest.param(V1, v1_quota("cpu,cpuacct/docker/abc", "250000\n"), 2.5, id="v1"),
        pytest.param(V1, v1_quota("cpu", "300000"), 3.0, id="v1-container"),
        pytest.param(V1, v1_quota("cpu,cpuacct", "-1"), NONE, id="v1-none"),
        pytest.param("3:cpuset:/\n", v1_quota("cpuset", "100000"), NONE, id="not-of-processors"),
        pytest.param("0::/\n", {"cpu.max": "gibberish"}, NONE, id="gibberish"),
        pytest.param("0::/\n", {"cpu.max": "100000 0"}, NONE, id="no-period"),
        pytest.param("0::/\n", {}, NONE, id="no-files"),
    ],
)
def test_quota_is_the_smallest_of_the_groups(
    tmp_path: Path, membership: str, files: dict[str, str], expected: float
) -> None:
    write_groups(tmp_path, membership, files)
    assert read_cpu_quota(tmp_path) == expected


def test_no_quota_without_control_groups(tmp_path: Path) -> None:
    assert read_cpu_quota(tmp_path) == NONE


@pytest.mark.parametrize(
    ("quota", "expected"), [("1", 1), ("99999", 1), ("100000", 1), ("199999", 1)]
)
def test_a_broken_quota_is_rounded_down_but_there_is_one_processor(
    tmp_path: Path, quota: str, expected: int
) -> None:
    write_groups(tmp_path, "0::/", {"cpu.max": f"{quota} 100000"})
    assert count_processors(tmp_path) == expected


def test_share_of_a_fractional_quota_is_told(tmp_path: Path) -> None:
    write_groups(tmp_path, "0::/", {"cpu.max": "50000 100000"})
    assert get_processor_share(tmp_path) == 0.5


def test_no_more_than_there_are(tmp_path: Path) -> None:
    count = count_processors(tmp_path)
    assert get_processor_share(tmp_path) == count
    assert 1 <= count <= (os.cpu_count() or 1)
    write_groups(tmp_path, "0::/", {"cpu.max": "100000000 100000"})
    assert count_processors(tmp_path) == count


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        pytest.param("0::/\n", {"memory.max": "536870912\n"}, 2**29, id="v2"),
        pytest.param("0::/\n", {"memory.max": "max\n"}, NONE, id="v2-none"),
        pytest.param(
            "0::/a/b\n",
            {"a/b/memory.max": "1073741824", "a/memory.max": "536870912"},
            2**29,
            id="v2-smallest",
        ),
        pytest.param(
            "0::/not/seen/from/here\n", {"memory.max": "1073741824"}, 2**30, id="v2-container"
        ),
        pytest.param(
            "5:memory:/docker/abc\n4:cpu,cpuacct:/other\n",
            {
                "memory/docker/abc/memory.limit_in_bytes": "536870912\n",
                "cpu,cpuacct/other/memory.limit_in_bytes": "1\n",
            },
            2**29,
            id="v1",
        ),
        pytest.param(
            "5:memory:/docker/abc\n",
            {"memory/memory.limit_in_bytes": "9223372036854771712"},
            9223372036854771712,
            id="v1-none",
        ),
        pytest.param("0::/\n", {"memory.max": "gibberish"}, NONE, id="gibberish"),
        pytest.param("0::/\n", {}, NONE, id="no-files"),
    ],
)
def test_limit_of_memory_is_the_smallest_of_the_groups(
    tmp_path: Path, membership: str, files: dict[str, str], expected: float
) -> None:
    write_groups(tmp_path, membership, files)
    assert read_memory_limit(tmp_path) == expected


@pytest.mark.parametrize(
    ("limit_bytes", "max_pixels", "expected"),
    [
        pytest.param(NONE, 50_000_000, NONE, id="no-limit"),
        pytest.param(512 * 2**20, 13_000_000, 1, id="one-container"),
        pytest.param(1536 * 2**20, 25_000_000, 2, id="compose"),
        pytest.param(1, 50_000_000, 1, id="never-none"),
        pytest.param((45_000_000 + 2 * 190_000_016) / 0.9 + 1, 1, 2, id="just-enough"),
        pytest.param((45_000_000 + 2 * 190_000_016) / 0.9 - 1, 1, 1, id="just-not"),
    ],
)
def test_each_worker_has_room_for_the_largest_picture(
    limit_bytes: float, max_pixels: int, expected: float
) -> None:
    assert count_affordable_workers(limit_bytes, max_pixels) == expected


@pytest.mark.parametrize(
    ("limit_bytes", "workers", "max_pixels", "expected"),
    [
        pytest.param(NONE, 2, 50_000_000, NONE, id="no-limit"),
        pytest.param(1_000_000_000, 2, 10_000_000, 155_000_000, id="some"),
        pytest.param(1_000_000_000, 3, 10_000_000, 0, id="none-left"),
    ],
)
def test_bodies_have_what_the_workers_leave(
    limit_bytes: float, workers: int, max_pixels: int, expected: float
) -> None:
    assert compute_spare_bytes(limit_bytes, workers, max_pixels) == expected


@pytest.mark.parametrize(
    ("wanted", "limit_bytes", "expected"),
    [
        pytest.param(None, NONE, 50_000_000, id="no-limit"),
        pytest.param(None, 4 * 2**30, 50_000_000, id="enough"),
        pytest.param(None, 500_000_000, 10_812_500, id="what-one-worker-has"),
        pytest.param(None, 1, 1, id="never-none"),
        pytest.param(60_000_000, 1, 60_000_000, id="as-set"),
    ],
)
def test_largest_picture_fits_beside_one_worker(
    wanted: int | None, limit_bytes: float, expected: int
) -> None:
    assert choose_max_pixels(wanted, limit_bytes, body_bytes=42_000_000) == expected
