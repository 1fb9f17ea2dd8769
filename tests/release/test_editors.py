import configparser
import re
import subprocess
import tarfile
import tomllib

import pytest
import yaml

from .conftest import ROOT, Distributions

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]

BINARY_SUFFIXES = (".avif", ".heic", ".jpg", ".png", ".tif", ".webp")


@pytest.fixture(scope="module")
def editorconfig() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string(f"[preamble]\n{(ROOT / '.editorconfig').read_text('utf-8')}")
    return parser


@pytest.fixture(scope="module")
def texts(distributions: Distributions) -> dict[str, bytes]:
    """Every text file of the project, by its path."""
    with tarfile.open(distributions.sdist) as archive:
        files = {member.name.partition("/")[2]: member for member in archive if member.isfile()}
        return {
            name: file.read()
            for name, member in files.items()
            if name != "PKG-INFO" and not name.endswith(BINARY_SUFFIXES)
            if (file := archive.extractfile(member)) is not None
        }


def commands(target: str) -> list[str]:
    """What make would run for a target whose set-up is done."""
    dry = ["make", "--dry-run", "--old-file=.venv/dev", "--old-file=models", target]
    printed = subprocess.run(dry, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return re.findall(r"^\S+/ruff .*$", printed, re.MULTILINE)


def test_files_are_as_editors_are_told(
    editorconfig: configparser.ConfigParser, texts: dict[str, bytes]
) -> None:
    every = editorconfig["*"]
    assert (every["charset"], every["end_of_line"]) == ("utf-8", "lf")
    assert every.getboolean("insert_final_newline")
    assert every.getboolean("trim_trailing_whitespace")
    assert not [name for name, text in texts.items() if b"\r" in text]
    assert not [name for name, text in texts.items() if text and not text.endswith(b"\n")]
    spaced = re.compile(r"[ \t]+$", re.MULTILINE)
    assert not [name for name, text in texts.items() if spaced.search(text.decode("utf-8"))]


def test_tabs_are_where_editors_are_told(
    editorconfig: configparser.ConfigParser, texts: dict[str, bytes]
) -> None:
    assert editorconfig["*"]["indent_style"] == "space"
    assert editorconfig["Makefile"]["indent_style"] == "tab"
    assert {name for name, text in texts.items() if b"\n\t" in text} == {"Makefile"}


def test_editors_have_the_widths_of_ruff(editorconfig: configparser.ConfigParser) -> None:
    ruff = PYPROJECT["tool"]["ruff"]
    assert editorconfig["*.py"].getint("max_line_length") == ruff["line-length"]
    assert editorconfig["*.py"].getint("indent_size") == ruff.get("indent-width", 4)


def test_hooks_run_the_locked_tools() -> None:
    # No repository of hooks, which would pin a second version of what the lock file pins.
    assert [repo["repo"] for repo in HOOKS] == ["local"]
    entries = {hook["id"]: hook["entry"] for hook in HOOKS[0]["hooks"]}
    assert entries["format"] == "make format"
    assert all(hook["language"] == "system" for hook in HOOKS[0]["hooks"])
    locked = (ROOT / "requirements" / "dev.txt").read_text("utf-8")
    for entry in entries.values():
        for name in re.findall(r"\.venv/bin/(\S+)", entry):
            assert re.search(rf"^{name}(-\w+)?==", locked, re.MULTILINE), name


def test_formatting_satisfies_the_checks() -> None:
    ruff = ".venv/bin/ruff"
    assert commands("format") == [f"{ruff} check --fix", f"{ruff} format"]
    assert {f"{ruff} format --check", f"{ruff} check"} <= set(commands("test"))
