"""From the settings to a runtime."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from phiz.errors import SettingError
from phiz.models.specs import NetworkSpec, Precision
from phiz.runtime.cpu import recommend_precision
from phiz.runtime.onnx import OnnxRuntime
from phiz.runtime.profile import (
    Profile,
    ProfileEntry,
    find_mismatches,
    open_profiled_runtime,
    read_profile,
)
from phiz.runtime.session import Runtime
from phiz.runtime.variants import RuntimeName, Variant, open_runtime

RuntimeChoice: TypeAlias = RuntimeName | Literal["auto"]


@dataclass(frozen=True, slots=True)
class SelectedRuntime:
    """What networks are run with.

    Attributes:
        runtime: Opens them.
        precisions: By network, the precision of its ONNX file; float32 where none is named.
        warning: One line about what was wished for and cannot be had.
    """

    runtime: Runtime
    precisions: Mapping[str, Precision] = field(default_factory=dict)
    warning: str | None = None


def select_runtime(
    choice: RuntimeChoice,
    providers: tuple[str, ...],
    profile: Path,
    networks: Collection[NetworkSpec],
) -> SelectedRuntime:
    """Return the runtime that is wished for.

    A profile that does not hold here is not followed: onnxruntime runs everything then, and
    the warning says why.

    Args:
        choice: A runtime, or ``auto`` for what the profile says.
        providers: Execution providers of onnxruntime; empty for the processor.
        profile: The file that ``phiz bench`` writes.
        networks: What the profile must know.

    Raises:
        SettingError: What is wished for is not installed, does not go together, or has no
            profile yet.
    """
    if choice == "onnxruntime":
        return SelectedRuntime(OnnxRuntime(providers) if providers else OnnxRuntime())
    if providers:
        raise SettingError(
            f"PHIZ_PROVIDERS are onnxruntime's, and PHIZ_RUNTIME is {choice}; set one of the two"
        )
    if choice == "auto":
        return _select_by_profile(profile, networks)
    return SelectedRuntime(open_runtime(Variant(choice, "float32")))


def select_classifier_precision(profile: Path, spec: NetworkSpec) -> Precision:
    """Return the precision in which a classifier is best run on this machine.

    What was measured here, or else what the processor has instructions for: a profile that is
    not there, cannot be read, does not hold here, or does not know the classifier says nothing.

    Args:
        profile: The file that ``phiz study`` writes.
        spec: The classifier's network in float32, with its variants.
    """
    choices = read_valid_entries(profile, [spec])
    return choices[spec.name].variant.network_precision if choices else recommend_precision()


def read_valid_entries(profile: Path, networks: Collection[NetworkSpec]) -> dict[str, ProfileEntry]:
    """Return what was measured of some networks on this machine, as far as it holds still.

    Args:
        profile: The file that ``phiz bench`` and ``phiz study`` write; it need not be there.
        networks: In float32, with their variants.
    """
    try:
        stored_profile = read_profile(profile)
    except SettingError:
        return {}
    # One by one: what runs the others may have been changed since.
    single_profiles = {
        spec: Profile(stored_profile.processor, {spec.name: stored_profile.networks[spec.name]})
        for spec in networks
        if spec.name in stored_profile.networks
    }
    return {
        spec.name: stored_profile.networks[spec.name]
        for spec, own in single_profiles.items()
        if not list(find_mismatches(own, [spec]))
    }


def _select_by_profile(path: Path, networks: Collection[NetworkSpec]) -> SelectedRuntime:
    profile = read_profile(path)
    if flaws := list(find_mismatches(profile, networks)):
        return SelectedRuntime(
            OnnxRuntime(),
            warning=f"the profile {path} does not hold here, and onnxruntime runs everything: "
            f"{'; '.join(flaws)}; measure again with: phiz bench",
        )
    return SelectedRuntime(open_profiled_runtime(profile), profile.precisions)
