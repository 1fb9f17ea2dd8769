"""The profile: the fastest variant of each network on a machine, measured by ``phiz bench``.

A profile is valid only for the ONNX files, runtime versions and processor of its measurement.
"""

import json
import os
import platform
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from phiz.errors import CatalogError, SettingError
from phiz.models.specs import NetworkSpec, Precision
from phiz.models.tables import Table, check_keys
from phiz.runtime.session import Runtime, Session
from phiz.runtime.variants import (
    COMPUTE_PRECISIONS,
    REFERENCE_VARIANT,
    RUNTIME_FACTORIES,
    Variant,
    get_version,
    open_runtime,
)

PROFILE_FILE: Final = "profile.json"
PROFILE_FORMAT: Final = 1
_CPU_INFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class ProfileEntry:
    """The variant of a network, and its measurement.

    Attributes:
        sha256: Of the measured ONNX file, in the variant's precision.
        variant: The fastest variant that passed its gate.
        version: Of its runtime.
        median_ms: Its time on one thread.
        reference_ms: The time of the reference in the same rounds.
    """

    sha256: str
    variant: Variant
    version: str
    median_ms: float
    reference_ms: float


@dataclass(frozen=True, slots=True)
class Profile:
    """The entries by network, and the measured processor."""

    processor: str
    networks: Mapping[str, ProfileEntry]

    @property
    def precisions(self) -> dict[str, Precision]:
        """The precision of the ONNX file by network."""
        return {name: choice.variant.network_precision for name, choice in self.networks.items()}


@dataclass(frozen=True, slots=True)
class ProfiledRuntime:
    """A runtime that opens each network in its own runtime, or in the fallback."""

    runtimes: Mapping[str, Runtime]
    fallback: Runtime

    def open(self, spec: NetworkSpec, model_bytes: bytes) -> Session:
        """Return a session of a network."""
        return self.runtimes.get(spec.name, self.fallback).open(spec, model_bytes)


def open_profiled_runtime(profile: Profile) -> ProfiledRuntime:
    """Return the runtime of a valid profile.

    Raises:
        SettingError: One of its runtimes is not installed.
    """
    variants = {choice.variant for choice in profile.networks.values()} | {REFERENCE_VARIANT}
    runtimes = {variant: open_runtime(variant) for variant in variants}
    chosen = {name: runtimes[choice.variant] for name, choice in profile.networks.items()}
    return ProfiledRuntime(chosen, runtimes[REFERENCE_VARIANT])


def find_mismatches(profile: Profile, networks: Collection[NetworkSpec]) -> Iterator[str]:
    """Yield the reasons why a profile is invalid on this machine."""
    here = get_processor_name()
    if profile.processor != here:
        yield f"it was measured on {profile.processor}, but this is {here}"
    entries = profile.networks
    if unknown := [spec.file_name for spec in networks if spec.name not in entries]:
        yield f"it lacks {', '.join(unknown)}"
    precisions = profile.precisions
    known = [
        spec.with_precision(precisions[spec.name]) for spec in networks if spec.name in entries
    ]
    if changed := [spec.file_name for spec in known if spec.sha256 != entries[spec.name].sha256]:
        yield f"it was measured with other contents of {', '.join(changed)}"
    # Pairs, because the networks of one file may have been measured in different versions.
    versions = {(choice.variant.runtime, choice.version) for choice in entries.values()}
    for runtime, version in sorted(versions):
        installed = get_version(runtime)
        if installed is None:
            yield f"{runtime} is not installed"
        elif installed != version:
            yield f"{runtime} {installed} is installed, but {version} was measured"


def read_profile(path: Path) -> Profile:
    """Return the profile of a file.

    Raises:
        SettingError: The file does not exist, or is not a profile.
    """
    try:
        return parse_profile(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise SettingError(
            f"the profile {path} does not exist; measure this machine with: phiz bench"
        ) from None
    except (OSError, ValueError, CatalogError) as error:
        raise SettingError(
            f"cannot read the profile {path}: {error}; measure again with: phiz bench"
        ) from error


def parse_profile(document: object) -> Profile:
    """Return the profile of a JSON document.

    Raises:
        CatalogError: An entry is missing, unknown or of the wrong type.
    """
    top = Table(check_keys(document, "the profile", {"format", "processor", "networks"}))
    if top.read_positive_int("format") != PROFILE_FORMAT:
        raise CatalogError(f"format is {top.values['format']}; it must be {PROFILE_FORMAT}")
    networks = top.read_entries("networks")
    return Profile(
        processor=top.read_text("processor"),
        networks={name: _parse_entry(networks, name) for name in networks.values},
    )


def update_profile(processor: str, entries: Mapping[str, ProfileEntry], path: Path) -> None:
    """Write entries to a file, and keep its entries of other networks on the same processor.

    Raises:
        SettingError: The file cannot be written.
    """
    with suppress(SettingError):
        old_profile = read_profile(path)
        if old_profile.processor == processor:
            entries = {**old_profile.networks, **entries}
    write_profile(Profile(processor, entries), path)


def write_profile(profile: Profile, path: Path) -> None:
    """Write a profile.

    Raises:
        SettingError: The file cannot be written.
    """
    document = {"format": PROFILE_FORMAT, **asdict(profile)}
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
        partial.replace(path)  # atomic, because a service may be starting
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SettingError(
            f"cannot write the profile {path}: {error.strerror}; choose another file with --profile"
        ) from error


def get_processor_name() -> str:
    """Return the name of this machine's processor, with its architecture."""
    try:
        lines = _CPU_INFO.read_text("utf-8", "replace").splitlines()
    except OSError:  # not Linux
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    name = next(named, "") or platform.processor() or platform.system()
    return f"{name}, {os.uname().machine}"


def _parse_entry(networks: Table, name: str) -> ProfileEntry:
    keys = {"sha256", "variant", "version", "median_ms", "reference_ms"}
    table = networks.read_table(name, keys)
    variant = table.read_table("variant", {"runtime", "precision"})
    return ProfileEntry(
        sha256=table.read_sha256("sha256"),
        variant=Variant(
            variant.read_choice("runtime", tuple(RUNTIME_FACTORIES)),
            variant.read_choice("precision", COMPUTE_PRECISIONS),
        ),
        version=table.read_text("version"),
        median_ms=table.read_number("median_ms"),
        reference_ms=table.read_number("reference_ms"),
    )
