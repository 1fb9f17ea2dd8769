import platform
import sys
from pathlib import Path

import pytest

from phiz.study.machine import clock_of, instructions_of, memory_limit, stolen_s, this_machine

X86 = "processor\t: 0\nmodel name\t: A\ncpu MHz\t\t: 2595.124\nflags\t\t: fpu avx2 avx512_vnni\n\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp i8mm\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [(X86, ("avx2", "avx512_vnni")), (ARM, ("asimd", "asimddp", "i8mm")), ("", ())],
)
def test_instructions(
    text: str, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert instructions_of(text) == expected


def test_apples_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert "asimddp" in instructions_of("")


def test_the_clock_is_told_where_the_system_tells_it() -> None:
    assert clock_of(X86) == 2595.124
    assert clock_of(ARM) is None


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_group_may_have_less_memory_than_the_machine(file: str, tmp_path: Path) -> None:
    everything = memory_limit(tmp_path)
    path = tmp_path / "sys/fs/cgroup" / file
    path.parent.mkdir(parents=True)
    for text, expected in (("1000\n", 1000), ("max\n", everything), (f"{10**18}\n", everything)):
        path.write_text(text)
        assert memory_limit(tmp_path) == expected


def test_what_the_host_gave_away(tmp_path: Path) -> None:
    assert stolen_s(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu  1 2 3 4 5 6 7 250 0 0\ncpu0 1 2\n")
    assert stolen_s(tmp_path) == pytest.approx(2.5)  # of a hundred ticks a second


def test_this_machine_is_described() -> None:
    found = this_machine()
    assert found.processors >= 1
    assert found.memory_bytes > 10**8
    assert found.copied_gb_s > 0
    assert {"phiz", "python", "onnxruntime"} <= found.versions.keys()
