import platform
import subprocess
import sys
from pathlib import Path

import pytest

from phiz.system.malloc import add_huge_pages, has_huge_pages

# The largest block that the process has had freed would decide, if nothing was set: then the
# next one of that size comes from the heap, and stays there.
PROBE = """
import sys
from pathlib import Path
import numpy as np
from phiz.system.malloc import MMAP_THRESHOLD_BYTES, fix_malloc_thresholds

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

if sys.argv[1] == "set":
    assert fix_malloc_thresholds()
for _ in range(3):
    block = np.ones(4 * MMAP_THRESHOLD_BYTES, np.uint8)
    small = [np.ones(20_000, np.uint8) for _ in range(5)]
    before = resident()
    del block
    kept = resident() - before > -3 * MMAP_THRESHOLD_BYTES
print(kept)
"""


GLIBC = platform.libc_ver()[0] == "glibc"


def test_heap_settings_need_glibc() -> None:
    command = "from phiz.system.malloc import fix_malloc_thresholds as fix; print(fix())"
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True)
    assert found.stdout.split() == [str(GLIBC).encode()]


@pytest.mark.parametrize(("how", "kept"), [("set", "False"), ("left", "True")] if GLIBC else [])
def test_large_blocks_are_given_back(how: str, kept: str) -> None:
    command = [sys.executable, "-c", PROBE, how]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == kept


# Every second block is freed, and not the last: the heap does not shrink by itself.
HOLES = """
import sys
from pathlib import Path
from phiz.system.malloc import trim_heap

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

blocks = [bytearray(65_536) for _ in range(400)]
del blocks[::2]
before = resident()
given = trim_heap()
print(given, before - resident() > 5_000_000)
"""


@pytest.mark.parametrize("expected", ["True True"] if GLIBC else [])
def test_free_memory_between_blocks_is_given_back(expected: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", HOLES], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == expected


def test_trimming_the_heap_needs_glibc() -> None:
    command = (
        "from phiz.system.malloc import trim_heap; x = b'x' * 500_000; del x; print(trim_heap())"
    )
    found = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True)
    assert found.stdout.split() == [str(GLIBC).encode()]


@pytest.mark.parametrize("expected", ["True False"] if sys.platform == "linux" else [])
def test_memory_beyond_the_limit_of_the_process_cannot_be_allocated(expected: str) -> None:
    program = (
        "import resource\n"
        "from phiz.system.malloc import can_allocate\n"
        "resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))\n"
        "print(can_allocate(10**8), can_allocate(10**9))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert found.stdout.split() == expected.encode().split()


def test_huge_pages_are_added_to_the_tunables_of_an_environment() -> None:
    assert not has_huge_pages({})
    added = add_huge_pages({"HOME": "/"})
    assert added == {"HOME": "/", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    assert has_huge_pages(added)
    both = add_huge_pages({"GLIBC_TUNABLES": "glibc.malloc.arena_max=1"})
    assert both["GLIBC_TUNABLES"] == "glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1"
    assert has_huge_pages(both)


@pytest.mark.parametrize("choice", ["0", "1", "2"])
def test_a_choice_of_huge_pages_stays(choice: str) -> None:
    chosen = {"GLIBC_TUNABLES": f"glibc.malloc.hugetlb={choice}"}
    assert add_huge_pages(chosen) == chosen
    assert has_huge_pages(chosen) is (choice == "1")


KERNEL_CHOICE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
HAS_CHOICE = GLIBC and KERNEL_CHOICE.exists() and "[madvise]" in KERNEL_CHOICE.read_text()
PAGES = """
from pathlib import Path
block = bytearray(64 << 20)
lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
print(*[int(line.split()[1]) > 32 << 10 for line in lines if line.startswith("AnonHugePages")])
"""


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, "False"), (add_huge_pages({}), "True")] if HAS_CHOICE else [],
)
def test_large_blocks_lie_in_huge_pages(variables: dict[str, str], expected: str) -> None:
    command = [sys.executable, "-c", PAGES]
    found = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == expected
