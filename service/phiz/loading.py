"""The engine and the classifiers that the settings ask for."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from phiz.classifiers import ClassificationEngine, ClassifierKey
    from phiz.engine import Engine
    from phiz.models.specs import Catalog, Precision
    from phiz.settings import Settings
    from phiz.wire.messages import MeasuredVariant


def _print_warning(what: str) -> None:
    click.echo(f"warning: {what}", err=True)


def load_engine(
    settings: "Settings",
    wanted: Collection[str] | None = None,
    warn: Callable[[str], None] = _print_warning,
) -> "tuple[Engine, Catalog]":
    """Return an engine with those detectors, or all of them, and what it was loaded from.

    That is the catalogue with each network in the precision in which it is run.

    Args:
        settings: What is asked for.
        wanted: Which detectors; None means all.
        warn: Is told what is set and cannot be had; by default standard error is.

    Raises:
        SettingError: The runtime that is set cannot be had.
        ModelError: A model is missing, or is not the one that the catalogue names.
    """
    # Not at the top: they take a while to import, and --help should not wait for them.
    from phiz import engine  # noqa: PLC0415
    from phiz.image.limits import DecodingLimits  # noqa: PLC0415
    from phiz.models import catalog  # noqa: PLC0415
    from phiz.runtime.select import select_runtime  # noqa: PLC0415
    from phiz.system.malloc import fix_malloc_thresholds  # noqa: PLC0415

    fix_malloc_thresholds()
    folder = settings.models or catalog.get_default_folder()
    known = catalog.load_catalog()
    networks = [spec for model in known.get_models("face") for spec in model.networks]
    profile = _find_profile(settings)
    chosen = select_runtime(settings.runtime, settings.providers, profile, networks)
    if chosen.warning:
        warn(chosen.warning)
    limits = DecodingLimits(settings.max_bytes, settings.max_pixels)
    models = known.with_precisions(chosen.precisions)
    loaded = engine.build_engine(
        folder, settings.sampling, limits, wanted, runtime=chosen.runtime, models=models
    )
    return loaded, models


def load_classifiers(
    settings: "Settings", wanted: "Collection[ClassifierKey] | None" = None
) -> "ClassificationEngine":
    """Return those classifiers, or all of them, as far as they are built, in onnxruntime.

    Raises:
        ModelCorruptError: A model is not the one that the catalogue names.
    """
    from phiz import classifiers  # noqa: PLC0415  see above
    from phiz.image.limits import DecodingLimits  # noqa: PLC0415
    from phiz.models import catalog  # noqa: PLC0415  see above
    from phiz.system.malloc import fix_malloc_thresholds  # noqa: PLC0415

    fix_malloc_thresholds()
    folder = settings.models or catalog.get_default_folder()
    limits = DecodingLimits(settings.max_bytes, settings.max_pixels)
    return classifiers.build_classification_engine(catalog.load_catalog(), folder, limits, wanted)


def load_classifier(
    settings: "Settings", model: str, precision: "Precision"
) -> "ClassificationEngine":
    """Return one classifier.

    Raises:
        OptionError: There is no such classifier.
        ModelNotBuiltError: It has not been built.
        ModelCorruptError: It is not the one that the catalogue names.
    """
    classifiers = load_classifiers(settings, {(model, precision)})
    classifiers.get_classifier(model, precision)  # so that an error is told here
    return classifiers


def get_default_precision(settings: "Settings", model: str) -> "Precision":
    """Return the precision of a classifier that is recommended on this machine."""
    from phiz.models import catalog  # noqa: PLC0415  see above
    from phiz.runtime.select import select_classifier_precision  # noqa: PLC0415

    (spec,) = catalog.load_catalog().get_model(model).networks
    return select_classifier_precision(_find_profile(settings), spec)


def load_measurements(settings: "Settings") -> "dict[str, MeasuredVariant]":
    """Return by network what was measured on this machine, as far as it holds still."""
    from phiz.models import catalog  # noqa: PLC0415  see above
    from phiz.runtime.select import read_valid_entries  # noqa: PLC0415
    from phiz.wire.messages import MeasuredVariant  # noqa: PLC0415

    networks = [spec for model in catalog.load_catalog().models for spec in model.networks]
    return {
        name: MeasuredVariant(
            choice.variant.runtime, choice.variant.precision, choice.median_ms, choice.reference_ms
        )
        for name, choice in read_valid_entries(_find_profile(settings), networks).items()
    }


def _find_profile(settings: "Settings") -> Path:
    from phiz.models import catalog  # noqa: PLC0415  see above
    from phiz.runtime.profile import PROFILE_FILE  # noqa: PLC0415

    return settings.profile or (settings.models or catalog.get_default_folder()) / PROFILE_FILE
