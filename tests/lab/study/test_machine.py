import platform
import sys
from pathlib import Path

import pytest

from phiz.lab.study.machine import (
    describe_machine,
    parse_instructions,
    read_available_memory,
    read_clock_mhz,
    read_stolen_s,
)
from tests.system.layout import write

X86 = "processor\t: 0\nmodel name\t: A\ncpu MHz\t\t: 2595.124\nflags\t\t: fpu avx2 avx512_vnni\n\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp i8mm\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [(X86, ("avx2", "avx512_vnni")), (ARM, ("asimd", "asimddp", "i8mm")), ("", ())],
)
def test_instructions_are_read_from_cpuinfo(
    text: str, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert parse_instructions(text) == expected


def test_instructions_of_apple_processors_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert "asimddp" in parse_instructions("")


CLOCK = "sys/devices/system/cpu/cpu{}/cpufreq/cpuinfo_max_freq"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/cpuinfo": X86}, 2595.124),
        ({"proc/cpuinfo": ARM}, None),
        ({}, None),
        # A processor that idles, or that has two kinds of cores.
        ({"proc/cpuinfo": X86, CLOCK.format(0): "3700000\n"}, 3700.0),
        ({CLOCK.format(0): "1800000\n", CLOCK.format(4): "2400000\n"}, 2400.0),
        ({"proc/cpuinfo": X86, CLOCK.format(0): "<unknown>\n"}, 2595.124),
    ],
)
def test_clock_is_read_where_the_system_tells_it(
    files: dict[str, str], expected: float | None, tmp_path: Path
) -> None:
    write(tmp_path, files)
    assert read_clock_mhz(tmp_path) == expected


@pytest.mark.parametrize(
    ("membership", "file"),
    [
        ("0::/\n", "memory.max"),
        ("0::/a/b\n", "a/b/memory.max"),
        ("0::/a/b\n", "a/memory.max"),
        ("0::/not/seen/from/here\n", "memory.max"),
        ("5:memory:/docker/abc\n", "memory/docker/abc/memory.limit_in_bytes"),
        ("5:memory:/docker/abc\n", "memory/memory.limit_in_bytes"),
    ],
)
def test_control_group_limits_memory(membership: str, file: str, tmp_path: Path) -> None:
    everything = read_available_memory(tmp_path)
    for text, expected in (("1000\n", 1000), ("max\n", everything), (f"{10**18}\n", everything)):
        write(tmp_path, {"proc/self/cgroup": membership, f"sys/fs/cgroup/{file}": text})
        assert read_available_memory(tmp_path) == expected


def test_smallest_limit_of_memory_counts(tmp_path: Path) -> None:
    groups = "sys/fs/cgroup"
    limits = {f"{groups}/a/b/memory.max": "3000", f"{groups}/a/memory.max": "1000"}
    write(tmp_path, {"proc/self/cgroup": "0::/a/b\n", **limits, f"{groups}/memory.max": "2000"})
    assert read_available_memory(tmp_path) == 1000


def test_stolen_time_is_the_mean_of_processors(tmp_path: Path) -> None:
    assert read_stolen_s(tmp_path) is None
    write(tmp_path, {"proc/stat": "cpu  1 2 3 4 5 6 7 250 0 0\ncpu0 1 2\nintr 5\n"})
    assert read_stolen_s(tmp_path) == pytest.approx(2.5)  # of a hundred ticks a second


def test_stolen_time_does_not_depend_on_the_quota(tmp_path: Path) -> None:
    stat = "cpu  1 2 3 4 5 6 7 800 0 0\n" + "".join(f"cpu{n} 1 2\n" for n in range(4))
    quota = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}
    write(tmp_path, {"proc/stat": stat, **quota})
    assert read_stolen_s(tmp_path) == pytest.approx(2.0)  # 8 s of 4 processors


@pytest.mark.parametrize("text", ["", "cpu  1 2 3\n", "cpu  1 2 3 4 5 6 7 250 0 0\n"])
def test_stolen_time_is_unknown_elsewhere(text: str, tmp_path: Path) -> None:
    write(tmp_path, {"proc/stat": text})
    assert read_stolen_s(tmp_path) is None


def test_machine_is_described() -> None:
    found = describe_machine()
    assert found.processors >= 1
    assert found.memory_bytes > 10**8
    assert found.copied_gb_s > 0
    assert {"phiz", "python", "onnxruntime"} <= found.versions.keys()
