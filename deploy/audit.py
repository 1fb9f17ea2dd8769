"""Look up known vulnerabilities of the locked packages.

    python deploy/audit.py requirements/serve.txt requirements/otel.txt

pip-audit asks the package index. Packages of which it learns nothing, as without a network, are
compared with the advisories in the package safety-db, which are old. The last line says how many
packages were only compared with these. Exits with 1 if a vulnerability is known, and with
``--strict`` with 2 if pip-audit could not look up every package.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

# Read as an archive, and never installed. A package index has no newer version.
DATABASE: Final = (
    "safety-db==2021.7.17"
    " --hash=sha256:33d4f657060345e5a417e05d2fd59fcc42bbcdf2c246e4e7bdb2238f8566c429"
)
MEMBER: Final = "safety_db/insecure_full.json"
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)

Advisories: TypeAlias = Mapping[str, Any]
"""Advisories by package, each with its ``specs``, and the time of all of them in ``$meta``."""


def read_pins(paths: Iterable[Path]) -> dict[str, set[str]]:
    """Return the locked versions of each package."""
    pins: dict[str, set[str]] = {}
    for path in paths:
        for name, version in _PIN.findall(path.read_text("utf-8")):
            pins.setdefault(canonicalize_name(name), set()).add(version)
    return pins


def ask_index(paths: Iterable[Path]) -> tuple[list[str], set[str]]:
    """Return the vulnerabilities that pip-audit finds, and the packages that it looked up."""
    lines: list[str] = []
    answered: set[str] = set()
    for path in paths:
        command = [
            *(str(Path(sys.executable).with_name("pip-audit")), "--requirement", str(path)),
            *("--disable-pip", "--require-hashes", "--format=json", "--progress-spinner=off"),
        ]
        ran = subprocess.run(  # noqa: S603  a program of this environment
            command, check=False, capture_output=True, text=True
        )
        # Without a network it ends with an error, and prints nothing.
        found = json.loads(ran.stdout)["dependencies"] if ran.stdout.startswith("{") else ()
        for package in found:
            if "vulns" not in package:
                continue
            answered.add(canonicalize_name(package["name"]))
            lines += [
                f"{package['name']} {package['version']}: {one['id']}, fixed in"
                f" {', '.join(one['fix_versions']) or 'no version'}"
                for one in package["vulns"]
            ]
    return sorted(set(lines)), answered


def compare(pins: Mapping[str, Iterable[str]], advisories: Advisories) -> Iterator[str]:
    """Yield a line for each advisory that covers a locked version."""
    by_name: dict[str, Any] = {canonicalize_name(name): found for name, found in advisories.items()}
    for name, versions in pins.items():
        for advisory in by_name.get(name, ()):
            for version in versions:
                if any(SpecifierSet(spec).contains(version) for spec in advisory["specs"]):
                    yield f"{name} {version}: {advisory.get('cve') or advisory['id']}"


def download_advisories() -> Advisories:
    """Return the advisories of safety-db, or none if it cannot be downloaded."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "audit.txt").write_text(DATABASE)
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"),
            *("--disable-pip-version-check", "--require-hashes", "--dest", folder),
            *("--requirement", str(Path(folder) / "audit.txt")),
        ]
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603  as above
        for wheel in Path(folder).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                advisories: Advisories = json.loads(archive.read(MEMBER))
                return advisories
    return {}


def main() -> None:
    """Print what is known, and exit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("requirements", type=Path, nargs="+", help="files of locked packages")
    parser.add_argument("--offline", action="store_true", help="do not ask the index")
    parser.add_argument("--strict", action="store_true", help="fail if the index does not answer")
    asked = parser.parse_args()
    pins = read_pins(asked.requirements)
    lines, answered = ask_index(asked.requirements) if not asked.offline else ([], set())
    left = {name: versions for name, versions in pins.items() if name not in answered}
    status = f"{len(pins)} packages, {len(answered)} looked up in the index"
    if left and (advisories := download_advisories()):
        lines += compare(left, advisories)
        written = datetime.fromtimestamp(advisories["$meta"]["timestamp"], UTC).date()
        status += f", {len(left)} compared with advisories of {written}"
    elif left:
        status += f", {len(left)} with nothing: no index answers"
    print(*lines, f"{status}; {len(lines)} known vulnerabilities", sep="\n")
    sys.exit(1 if lines else 2 if asked.strict and left else 0)


if __name__ == "__main__":
    main()
