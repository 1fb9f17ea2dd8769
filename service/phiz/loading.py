"""Loads the engine and the classifiers of the settings."""

from collections.abc import Callable, Collection
from pathlib import Path

import click

from phiz.classifiers import ClassificationEngine, build_classification_engine
from phiz.engine import Engine, build_engine
from phiz.image.limits import DecodingLimits
from phiz.models import catalog
from phiz.models.specs import Catalog, Precision
from phiz.runtime.profile import PROFILE_FILE
from phiz.runtime.select import read_valid_entries, select_classifier_precision, select_runtime
from phiz.settings import Settings
from phiz.system.cgroups import choose_max_pixels, read_memory_limit
from phiz.system.malloc import fix_malloc_thresholds
from phiz.wire.messages import MeasuredVariant


def _print_warning(warning: str) -> None:
    click.echo(f"warning: {warning}", err=True)


def load_engine(
    settings: Settings,
    wanted: Collection[str] | None = None,
    warn: Callable[[str], None] = _print_warning,
) -> tuple[Engine, Catalog]:
    """Return an engine, and the catalogue with each network in the precision of its run.

    Args:
        settings: The settings.
        wanted: Names of the detectors; None means all.
        warn: Takes the warning about an unavailable choice; by default standard error does.

    Raises:
        SettingError: The runtime is not available.
        ModelError: A model file is missing or differs from the catalogue.
    """
    fix_malloc_thresholds()
    known = catalog.load_catalog()
    networks = [spec for model in known.get_models("face") for spec in model.networks]
    profile = _find_profile(settings)
    chosen = select_runtime(
        settings.runtime,
        settings.providers,
        profile,
        networks,
        reference=settings.sampling == "reference",
    )
    if chosen.warning:
        warn(chosen.warning)
    models = known.with_precisions(chosen.precisions)
    engine = build_engine(
        find_models_folder(settings),
        settings.sampling,
        _get_limits(settings),
        wanted,
        runtime=chosen.runtime,
        models=models,
    )
    return engine, models


def load_classifier(settings: Settings, model: str, precision: Precision) -> ClassificationEngine:
    """Return a classifier in onnxruntime.

    Raises:
        OptionError: There is no such classifier.
        ModelNotBuiltError: It has not been built.
        ModelCorruptError: Its file differs from the catalogue.
    """
    fix_malloc_thresholds()
    folder, limits = find_models_folder(settings), _get_limits(settings)
    return build_classification_engine(catalog.load_catalog(), folder, limits, model, precision)


def get_default_precision(settings: Settings, model: str) -> Precision:
    """Return the recommended precision of a classifier on this machine."""
    (spec,) = catalog.load_catalog().get_model(model).networks
    return select_classifier_precision(_find_profile(settings), spec)


def load_measurements(settings: Settings) -> dict[str, MeasuredVariant]:
    """Return the valid measurements of this machine by network."""
    networks = [spec for model in catalog.load_catalog().models for spec in model.networks]
    return {
        name: MeasuredVariant(
            choice.variant.runtime, choice.variant.precision, choice.median_ms, choice.reference_ms
        )
        for name, choice in read_valid_entries(_find_profile(settings), networks).items()
    }


def find_models_folder(settings: Settings) -> Path:
    """Return the folder of the built models."""
    return settings.models or catalog.get_default_folder()


def _find_profile(settings: Settings) -> Path:
    return settings.profile or find_models_folder(settings) / PROFILE_FILE


def _get_limits(settings: Settings) -> DecodingLimits:
    max_pixels = choose_max_pixels(settings.max_pixels, read_memory_limit(), 2 * settings.max_bytes)
    return DecodingLimits(settings.max_bytes, max_pixels)
