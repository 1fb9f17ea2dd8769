import os
from pathlib import Path

import pytest

from phiz.quota import available_processors, cpu_quota, processor_share


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
def test_a_broken_quota_is_rounded_down_but_there_is_one_processor(
    tmp_path: Path, quota: str, expected: int
) -> None:
    write(
        tmp_path,
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": f"{quota} 100000"},
    )
    assert available_processors(tmp_path) == expected


def test_of_a_broken_quota_there_is_the_share_too(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "50000 100000"},
    )
    assert processor_share(tmp_path) == 0.5


def test_no_more_than_there_are(tmp_path: Path) -> None:
    count = available_processors(tmp_path)
    assert processor_share(tmp_path) == count
    assert 1 <= count <= (os.cpu_count() or 1)
    write(
        tmp_path,
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "100000000 100000"},
    )
    assert available_processors(tmp_path) == count
