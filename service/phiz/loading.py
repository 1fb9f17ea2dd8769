"""The engine and the classifiers that the settings ask for."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from phiz.classifiers import Classifiers, Name
    from phiz.engine import Engine
    from phiz.models.specs import Catalog, Form
    from phiz.settings import Settings
    from phiz.wire.messages import Measured


def _warn(what: str) -> None:
    click.echo(f"warning: {what}", err=True)


def load_engine(
    settings: "Settings",
    wanted: Collection[str] | None = None,
    warn: Callable[[str], None] = _warn,
) -> "tuple[Engine, Catalog]":
    """Return an engine with those detectors, or all of them, and what it was loaded from.

    That is the catalogue with each network in the form in which it is run.

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
    from phiz.image.limits import Limits  # noqa: PLC0415
    from phiz.models import catalog  # noqa: PLC0415
    from phiz.runtime.select import choose  # noqa: PLC0415
    from phiz.system.malloc import keep_large_blocks_apart  # noqa: PLC0415

    keep_large_blocks_apart()
    folder = settings.models or catalog.default_folder()
    known = catalog.load()
    networks = [card for model in known.group("face") for card in model.networks]
    profile = _profile_of(settings)
    chosen = choose(settings.runtime, settings.providers, profile, networks)
    if chosen.warning:
        warn(chosen.warning)
    limits = Limits(settings.max_bytes, settings.max_pixels)
    models = known.in_forms(chosen.forms)
    loaded = engine.load(
        folder, settings.sampling, limits, wanted, runtime=chosen.runtime, models=models
    )
    return loaded, models


def load_classifiers(
    settings: "Settings", wanted: "Collection[Name] | None" = None
) -> "Classifiers":
    """Return those classifiers, or all of them, as far as they are built, in onnxruntime.

    Raises:
        ModelCorruptError: A model is not the one that the catalogue names.
    """
    from phiz import classifiers  # noqa: PLC0415  see above
    from phiz.image.limits import Limits  # noqa: PLC0415
    from phiz.models import catalog  # noqa: PLC0415  see above
    from phiz.system.malloc import keep_large_blocks_apart  # noqa: PLC0415

    keep_large_blocks_apart()
    folder = settings.models or catalog.default_folder()
    limits = Limits(settings.max_bytes, settings.max_pixels)
    return classifiers.load(catalog.load(), folder, limits, wanted)


def load_classifier(settings: "Settings", model: str, form: "Form") -> "Classifiers":
    """Return one classifier.

    Raises:
        OptionError: There is no such classifier.
        ModelNotBuiltError: It has not been built.
        ModelCorruptError: It is not the one that the catalogue names.
    """
    classifiers = load_classifiers(settings, {(model, form)})
    classifiers.find(model, form)  # so that an error is told here
    return classifiers


def default_form(settings: "Settings", model: str) -> "Form":
    """Return the form of a classifier that is recommended on this machine."""
    from phiz.models import catalog  # noqa: PLC0415  see above
    from phiz.runtime.select import classifier_form  # noqa: PLC0415

    (card,) = catalog.load().model(model).networks
    return classifier_form(_profile_of(settings), card)


def load_measured(settings: "Settings") -> "dict[str, Measured]":
    """Return by network what was measured on this machine, as far as it holds still."""
    from phiz.models import catalog  # noqa: PLC0415  see above
    from phiz.runtime.select import measured  # noqa: PLC0415
    from phiz.wire.messages import Measured  # noqa: PLC0415

    networks = [card for model in catalog.load().models for card in model.networks]
    return {
        name: Measured(
            choice.variant.runtime, choice.variant.precision, choice.median_ms, choice.reference_ms
        )
        for name, choice in measured(_profile_of(settings), networks).items()
    }


def _profile_of(settings: "Settings") -> Path:
    from phiz.models import catalog  # noqa: PLC0415  see above
    from phiz.runtime.profile import FILE  # noqa: PLC0415

    return settings.profile or (settings.models or catalog.default_folder()) / FILE
