"""From the settings to a runtime."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from phiz.errors import SettingError
from phiz.models.specs import Form, NetworkCard
from phiz.runtime.cpu import recommended_form
from phiz.runtime.onnx import OnnxRuntime
from phiz.runtime.profile import Choice, Profile, find_flaws, follow, read_profile
from phiz.runtime.session import Runtime
from phiz.runtime.variants import RuntimeName, Variant, open_runtime

Wish: TypeAlias = RuntimeName | Literal["auto"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What networks are run with.

    Attributes:
        runtime: Opens them.
        forms: By network, the form of the ONNX file that it is given; float32 where none is named.
        warning: One line about what was wished for and cannot be had.
    """

    runtime: Runtime
    forms: Mapping[str, Form] = field(default_factory=dict)
    warning: str | None = None


def choose(
    wish: Wish, providers: tuple[str, ...], profile: Path, networks: Collection[NetworkCard]
) -> Chosen:
    """Return the runtime that is wished for.

    A profile that does not hold here is not followed: onnxruntime runs everything then, and
    the warning says why.

    Args:
        wish: A runtime, or ``auto`` for what the profile says.
        providers: Execution providers of onnxruntime; empty for the processor.
        profile: The file that ``phiz bench`` writes.
        networks: What the profile must know.

    Raises:
        SettingError: What is wished for is not installed, does not go together, or has no
            profile yet.
    """
    if wish == "onnxruntime":
        return Chosen(OnnxRuntime(providers) if providers else OnnxRuntime())
    if providers:
        raise SettingError(
            f"PHIZ_PROVIDERS are onnxruntime's, and PHIZ_RUNTIME is {wish}; set one of the two"
        )
    if wish == "auto":
        return _by_profile(profile, networks)
    return Chosen(open_runtime(Variant(wish, "float32")))


def classifier_form(profile: Path, card: NetworkCard) -> Form:
    """Return the form in which a classifier is best run on this machine.

    What was measured here, or else what the processor has instructions for: a profile that is
    not there, cannot be read, does not hold here, or does not know the classifier says nothing.

    Args:
        profile: The file that ``phiz study`` writes.
        card: The classifier's network in float32, with its variants.
    """
    choices = measured(profile, [card])
    return choices[card.name].variant.form if choices else recommended_form()


def measured(profile: Path, networks: Collection[NetworkCard]) -> dict[str, Choice]:
    """Return what was measured of some networks on this machine, as far as it holds still.

    Args:
        profile: The file that ``phiz bench`` and ``phiz study`` write; it need not be there.
        networks: In float32, with their variants.
    """
    try:
        found = read_profile(profile)
    except SettingError:
        return {}
    # One by one: what runs the others may have been changed since.
    alone = {
        card: Profile(found.processor, {card.name: found.networks[card.name]})
        for card in networks
        if card.name in found.networks
    }
    return {
        card.name: found.networks[card.name]
        for card, own in alone.items()
        if not list(find_flaws(own, [card]))
    }


def _by_profile(path: Path, networks: Collection[NetworkCard]) -> Chosen:
    profile = read_profile(path)
    if flaws := list(find_flaws(profile, networks)):
        return Chosen(
            OnnxRuntime(),
            warning=f"the profile {path} does not hold here, and onnxruntime runs everything: "
            f"{'; '.join(flaws)}; measure again with: phiz bench",
        )
    return Chosen(follow(profile), profile.forms)
