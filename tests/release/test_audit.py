import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT

pytestmark = pytest.mark.integration

SERVED = ROOT / "requirements" / "serve.txt"


def audit(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "deploy" / "audit.py", "--offline", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )


def test_locked_packages_have_no_vulnerability_that_old_advisories_know() -> None:
    ran = audit(SERVED)
    # A package may be locked to several versions, for several Pythons.
    count = len(set(re.findall(r"^(\S+)==", SERVED.read_text("utf-8"), re.MULTILINE)))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout == (
        f"{count} packages, 0 looked up in the index, {count} compared with advisories of"
        " 2021-07-01; 0 known vulnerabilities\n"
    )


def test_vulnerable_version_is_named_and_fails(tmp_path: Path) -> None:
    locked = tmp_path / "locked.txt"
    locked.write_text("Pillow==8.0.0 \\\n    --hash=sha256:00\nnumpy==2.4.6\n")
    ran = audit(locked)
    assert ran.returncode == 1
    assert "pillow 8.0.0: CVE-2021-25287" in ran.stdout.splitlines()
    assert not re.search("^numpy", ran.stdout, re.MULTILINE)


def test_strict_audit_fails_without_the_index() -> None:
    assert audit("--strict", SERVED).returncode == 2
