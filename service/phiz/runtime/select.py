"""Selects the runtime by the settings."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from phiz.errors import SettingError
from phiz.models.specs import NetworkSpec, Precision
from phiz.runtime.batching import BatchingRuntime
from phiz.runtime.cpu import recommend_precision
from phiz.runtime.onnx import OnnxRuntime, has_gpu
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
    """The selected runtime.

    Attributes:
        runtime: Opens networks.
        precisions: Precision of the ONNX file by network; float32 for the others.
        warning: One line about an unavailable choice.
    """

    runtime: Runtime
    precisions: Mapping[str, Precision] = field(default_factory=dict)
    warning: str | None = None


def select_runtime(
    choice: RuntimeChoice,
    providers: tuple[str, ...],
    profile: Path,
    networks: Collection[NetworkSpec],
    *,
    reference: bool = False,
) -> SelectedRuntime:
    """Return the chosen runtime.

    If the profile does not fit this machine, onnxruntime runs all networks, and the warning says
    why.

    Args:
        choice: A runtime, or ``auto`` to follow the profile.
        providers: Execution providers of onnxruntime; empty for the processor.
        profile: The file of ``phiz bench``.
        networks: Networks that the profile must know.
        reference: Whether to compute like the originals, in float32 unless the profile has another
            precision.

    Raises:
        SettingError: The choice is not installed, is contradictory, or needs a missing profile.
    """
    preferred = {} if reference else choose_precisions(networks)
    if choice == "onnxruntime":
        if providers:
            runtime: Runtime = OnnxRuntime(providers)
            return SelectedRuntime(BatchingRuntime(runtime) if has_gpu(providers) else runtime)
        return SelectedRuntime(OnnxRuntime(), preferred)
    if providers:
        raise SettingError(
            f"PHIZ_PROVIDERS applies to onnxruntime, but PHIZ_RUNTIME is {choice}; set one of them"
        )
    if choice == "auto":
        return _select_by_profile(profile, networks, preferred)
    return SelectedRuntime(open_runtime(Variant(choice, "float32")))


def choose_precisions(networks: Collection[NetworkSpec]) -> dict[str, Precision]:
    """Return the precisions by network that are preferred on this processor.

    Args:
        networks: Networks in float32, with their variants.
    """
    recommended = recommend_precision()
    return {
        spec.name: variant.precision
        for spec in networks
        for variant in spec.variants
        if variant.is_preferred and variant.precision == recommended
    }


def select_classifier_precision(profile: Path, spec: NetworkSpec) -> Precision:
    """Return the best precision of a classifier on this machine.

    This is the measured choice, or else the choice by the processor's instructions. A profile
    is ignored if it is missing, unreadable, of another machine, or without the classifier.

    Args:
        profile: The file of ``phiz study``.
        spec: The classifier's network in float32, with its variants.
    """
    choices = read_valid_entries(profile, [spec])
    return choices[spec.name].variant.network_precision if choices else recommend_precision()


def read_valid_entries(profile: Path, networks: Collection[NetworkSpec]) -> dict[str, ProfileEntry]:
    """Return the measurements of some networks on this machine that are still valid.

    Args:
        profile: The file of ``phiz bench`` and ``phiz study``, which may be missing.
        networks: Networks in float32, with their variants.
    """
    try:
        stored_profile = read_profile(profile)
    except SettingError:
        return {}
    # One at a time, because the runtime of other networks may have changed.
    valid = {}
    for spec in networks:
        if (entry := stored_profile.networks.get(spec.name)) is not None:
            single = Profile(stored_profile.processor, {spec.name: entry})
            if not any(find_mismatches(single, [spec])):
                valid[spec.name] = entry
    return valid


def _select_by_profile(
    path: Path, networks: Collection[NetworkSpec], preferred: Mapping[str, Precision]
) -> SelectedRuntime:
    profile = read_profile(path)
    if flaws := list(find_mismatches(profile, networks)):
        return SelectedRuntime(
            OnnxRuntime(),
            preferred,
            warning=f"using onnxruntime, because the profile {path} does not fit this machine: "
            f"{'; '.join(flaws)}; measure again with: phiz bench",
        )
    return SelectedRuntime(open_profiled_runtime(profile), profile.precisions)
