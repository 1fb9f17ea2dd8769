import platform
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fuzzing.mutation import mutate
from fuzzing.targets import TARGETS

ROOT = Path(__file__).parents[2]
MUTANTS = 300  # of each target
SEED = 20_260_101


@pytest.mark.filterwarnings("ignore:.*invalid escape sequence")  # of Python's reader of pickles
@pytest.mark.parametrize("name", TARGETS)
def test_reader_takes_its_seeds_and_changed_ones(name: str) -> None:
    target = TARGETS[name]
    seeds = list(target.seeds())
    assert len(set(seeds)) >= 3
    for content in (b"", *seeds, *mutate(seeds, MUTANTS, SEED, target.max_bytes)):
        target.read(content)


def test_mutants_are_the_same_for_the_same_seed_and_differ_from_most_seeds() -> None:
    seeds = [bytes(range(100)), b"word " * 9]
    first, second, other = (list(mutate(seeds, 50, seed, 90)) for seed in (1, 1, 2))
    assert first == second != other
    assert len(set(first) - set(seeds)) > 40
    assert max(map(len, first)) <= 90


# Other systems have no wheel of it; the mutants run there too.
ATHERIS = find_spec("atheris") is not None


def test_atheris_is_there_where_it_has_a_wheel() -> None:
    has_wheel = sys.platform == "linux" and platform.machine() == "x86_64"
    assert (has_wheel and sys.version_info < (3, 14)) == ATHERIS


@pytest.mark.integration
@pytest.mark.skipif(not ATHERIS, reason="atheris has no wheel for this system or Python")
def test_command_runs_readers_and_keeps_what_they_found(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fuzzing", "readers", "options", "messages"]
    ran = subprocess.run(
        [*command, "--seconds", "2", "--seed", "1", "--folder", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    options, messages = ran.stdout.splitlines()
    assert options.startswith("1 s of options: ")
    assert messages.endswith(" MB, no failure")
    assert len(list((tmp_path / "options").iterdir())) > len(list(TARGETS["options"].seeds()))


@pytest.mark.integration
@pytest.mark.skipif(not ATHERIS, reason="atheris has no wheel for this system or Python")
def test_engine_ends_with_the_input_that_fails(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; import fuzzing.targets as t; import fuzzing.engine\n"
        "def read(content):\n"
        "    assert content[:1] != b'm', 'found'\n"
        "t.TARGETS['options'] = t.Target(read, t.TARGETS['options'].seeds)\n"
        f"fuzzing.engine.main('options', Path({str(tmp_path)!r}), ['-runs=9999'])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode != 0
    assert "AssertionError: found" in ran.stderr + ran.stdout
    (failing,) = tmp_path.glob("options-crash-*")
    assert failing.read_bytes().startswith(b"m")
