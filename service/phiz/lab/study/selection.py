"""The choice of a variant for each network, which the service follows."""

from collections.abc import Mapping, Sequence

from phiz.lab.accuracy.gates import find_fastest
from phiz.lab.study.networks import BuiltNetwork
from phiz.lab.study.quality import VariantQuality
from phiz.lab.study.record import Measurement
from phiz.runtime.profile import ProfileEntry
from phiz.runtime.variants import REFERENCE_VARIANT, Variant, get_version


def select_variants(
    networks: Sequence[BuiltNetwork],
    figures: Sequence[Measurement],
    qualities: Sequence[VariantQuality],
) -> dict[str, ProfileEntry]:
    """Return by network the fastest variant, one picture on one thread, that passes its gate.

    Classifiers always run in onnxruntime; of the others, 8 bits only where they are offered.

    Args:
        networks: The measured networks.
        figures: The figures of all combinations.
        qualities: The quality of all models in their variants.
    """
    times_ms = {
        (each.combination.network, each.combination.variant): each.median_ms
        for each in figures
        if each.combination.is_plain
    }
    qualities_by_variant = {(each.model, each.variant): each for each in qualities}
    return {
        network.spec.name: _select_variant(network, times_ms, qualities_by_variant)
        for network in networks
        if (network.model.name, REFERENCE_VARIANT) in qualities_by_variant
    }


def _select_variant(
    network: BuiltNetwork,
    times_ms: Mapping[tuple[str, Variant], float],
    qualities_by_variant: Mapping[tuple[str, Variant], VariantQuality],
) -> ProfileEntry:
    name = network.spec.name
    variants = [each for each in network.variants if _is_served(network, each)]
    taken_ms = [times_ms[name, variant] for variant in variants]
    qualities = [qualities_by_variant.get((network.model.name, each)) for each in variants]
    passing = [each is not None and can_replace_reference(name, each) for each in qualities]
    best = find_fastest(taken_ms, passing)
    variant = variants[best]
    version = get_version(variant.runtime)
    assert version is not None, "what was measured is installed"
    sha256 = network.spec.with_precision(variant.network_precision).sha256
    return ProfileEntry(sha256, variant, version, taken_ms[best], taken_ms[0])


def _is_served(network: BuiltNetwork, variant: Variant) -> bool:
    if network.model.group == "classify" and variant.runtime != "onnxruntime":
        return False
    return (
        network.spec.with_precision(variant.network_precision).precision
        == variant.network_precision
    )


def can_replace_reference(network: str, quality: VariantQuality) -> bool:
    """Return whether a network may run in a variant of which the quality is known.

    In float32 its own numbers decide, and not those of the model's other networks.
    """
    if quality.variant.precision == "float32" and network in quality.excess:
        return quality.excess[network] <= 1
    return quality.passes
