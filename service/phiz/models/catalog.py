"""The catalogue of models (``models/catalog.toml``), and the verified bytes of built networks."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from phiz.errors import CatalogError, ModelCorruptError, ModelError, ModelNotBuiltError
from phiz.models.operating_point import read_operating_point
from phiz.models.specs import (
    ARCHITECTURES,
    ARCHITECTURES_BY_KIND,
    MODEL_GROUPS,
    MODEL_KINDS,
    SERVICE_GROUP,
    THRESHOLD_NAMES,
    VARIANT_PRECISIONS,
    Catalog,
    ModelKind,
    ModelSpec,
    NetworkSpec,
    Normalisation,
    Precision,
    SourceFile,
    Wheel,
)
from phiz.models.tables import Table, check_keys, find_data_file, read_toml

_CATALOG_FILE: Final = "catalog.toml"


def load_catalog(path: Path | None = None) -> Catalog:
    """Return the catalogue of a file, or the one that belongs to this phiz.

    Raises:
        CatalogError: It cannot be read, or contradicts itself.
    """
    return parse_catalog(read_toml(path or find_data_file(_CATALOG_FILE), "the catalogue"))


def get_default_folder() -> Path:
    """Return the default folder of built models.

    It is ``models/built`` of a checkout, and for an installed phiz ``phiz/models`` in the user's
    cache folder (XDG Base Directory Specification).

    Raises:
        ModelNotBuiltError: The user has no home folder.
    """
    catalog = find_data_file(_CATALOG_FILE)
    if catalog.parent != Path(__file__).parent:
        return catalog.with_name("built")
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says to ignore a relative path.
    if os.path.isabs(cache):  # noqa: PTH117  the empty string is no path
        return Path(cache) / "phiz" / "models"
    try:
        return Path.home() / ".cache" / "phiz" / "models"
    except RuntimeError as error:
        raise ModelNotBuiltError(
            "this user has no home folder for models; set PHIZ_MODELS to a folder"
        ) from error


def read_network(spec: NetworkSpec, folder: Path) -> bytes:
    """Return the verified bytes of a built network.

    Raises:
        ModelNotBuiltError: The file does not exist, or cannot be read.
        ModelCorruptError: The file differs from the catalogue.
    """
    path = folder / spec.file_name
    try:
        model_bytes = path.read_bytes()
    except FileNotFoundError:
        raise ModelNotBuiltError(
            f"{path} does not exist; build the models with: {_format_build_command(spec)}"
        ) from None
    except OSError as error:
        raise ModelNotBuiltError(f"cannot read {path}: {error.strerror}") from error
    found = hashlib.sha256(model_bytes).hexdigest()
    if found != spec.sha256:
        raise ModelCorruptError(
            f"{path} differs from the catalogue: it has {len(model_bytes)} bytes and "
            f"sha256 {found}, not {spec.size_bytes} bytes and sha256 {spec.sha256}; "
            f"rebuild it with: {_format_build_command(spec)}"
        )
    return model_bytes


def find_network_error(spec: NetworkSpec, folder: Path) -> ModelError | None:
    """Return the error of a built network, or None if it is intact."""
    try:
        read_network(spec, folder)
    except ModelError as error:
        return error
    return None


def _format_build_command(spec: NetworkSpec) -> str:
    """Return the command that builds a network."""
    group = "" if spec.group == SERVICE_GROUP else f" --group {spec.group}"
    variant = "" if spec.is_built_by_default else f" --variants {spec.precision}"
    return f"phiz models build{group}{variant}"


def parse_catalog(document: Mapping[str, Any]) -> Catalog:
    """Return the records of a TOML document.

    Raises:
        CatalogError: An entry is missing, unknown or out of range.
    """
    top = Table(check_keys(document, "the catalogue", {"sources", "models"}))
    entries = top.read_entries("sources")
    sources = {name: _parse_wheel(entries, name) for name in entries.values}
    entries = top.read_entries("models")
    models = tuple(_parse_model(entries, name, sources) for name in entries.values)
    names = [network.name for model in models for network in model.networks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CatalogError(f"several models have a network of the name {', '.join(twice)}")
    return Catalog(models)


def _parse_wheel(sources: Table, name: str) -> Wheel:
    table = sources.read_table(name, {"package", "version", "sha256", "bytes"})
    return Wheel(
        name=table.read_text("package"),
        version=table.read_text("version"),
        sha256=table.read_sha256("sha256"),
        size_bytes=table.read_positive_int("bytes"),
    )


def _parse_model(models: Table, name: str, sources: Mapping[str, Wheel]) -> ModelSpec:
    keys = {"title", "group", "kind", "licence", "references", "normalisation", "networks"}
    scores = {"min_score", "operating_point", "thresholds"}
    table = models.read_table(name, keys, {"input_size", *scores})
    kind = table.read_choice("kind", MODEL_KINDS)
    has_scores = bool(THRESHOLD_NAMES[kind])
    # Only a kind with thresholds has scores. The others need an input size.
    table = models.read_table(
        name, keys | (scores if has_scores else {"input_size"}), {"input_size"}
    )
    return ModelSpec(
        name=name,
        title=table.read_text("title"),
        group=table.read_choice("group", MODEL_GROUPS),
        kind=kind,
        licence=table.read_text("licence"),
        input_size=table.read_positive_int("input_size") if "input_size" in table.values else None,
        min_score=table.read_score("min_score") if has_scores else 0.0,
        thresholds=table.read_numbers("thresholds", THRESHOLD_NAMES[kind]) if has_scores else {},
        references=table.read_texts("references"),
        networks=_parse_networks(table, kind, sources),
        operating_point=read_operating_point(table) if has_scores else None,
    )


def _parse_networks(
    model: Table, kind: ModelKind, sources: Mapping[str, Wheel]
) -> tuple[NetworkSpec, ...]:
    normalisation = _parse_normalisation(model)
    entries = model.read_entries("networks")
    networks = tuple(
        _parse_network(entries, name, normalisation, sources) for name in entries.values
    )
    architectures = tuple(network.architecture for network in networks)
    if architectures != ARCHITECTURES_BY_KIND[kind]:
        raise CatalogError(
            f"{entries.place} are {', '.join(architectures)}; "
            f"those of a {kind} are {', '.join(ARCHITECTURES_BY_KIND[kind])}"
        )
    return networks


def _parse_normalisation(model: Table) -> Normalisation:
    table = model.read_table("normalisation", {"scale", "offset"})
    scale = table.read_channels("scale")
    if min(scale if isinstance(scale, tuple) else [scale]) <= 0:
        raise CatalogError(
            f"{table.locate('scale')} is {table.values['scale']}; it must be more than 0"
        )
    return Normalisation(scale, table.read_channels("offset"))


def _parse_network(
    networks: Table, name: str, normalisation: Normalisation, sources: Mapping[str, Wheel]
) -> NetworkSpec:
    keys = {"architecture", "sha256", "bytes", "made_from"}
    table = networks.read_table(name, keys, VARIANT_PRECISIONS)
    spec = NetworkSpec(
        name=name,
        architecture=table.read_choice("architecture", ARCHITECTURES),
        sha256=table.read_sha256("sha256"),
        size_bytes=table.read_positive_int("bytes"),
        normalisation=normalisation,
        made_from=_parse_source_file(table, sources),
    )
    precisions = [precision for precision in VARIANT_PRECISIONS if precision in table.values]
    variants = tuple(_parse_variant(spec, table, precision) for precision in precisions)
    return replace(spec, variants=variants)


def _parse_source_file(network: Table, sources: Mapping[str, Wheel]) -> SourceFile:
    table = network.read_table("made_from", {"source", "path", "sha256", "bytes"})
    return SourceFile(
        source=sources[table.read_choice("source", tuple(sources))],
        path=table.read_text("path"),
        sha256=table.read_sha256("sha256"),
        size_bytes=table.read_positive_int("bytes"),
    )


def _parse_variant(spec: NetworkSpec, network: Table, precision: Precision) -> NetworkSpec:
    table = network.read_table(precision, {"sha256", "bytes", "offered"}, {"preferred"})
    return replace(
        spec,
        precision=precision,
        is_offered=table.read_bool("offered"),
        is_preferred="preferred" in table.values and table.read_bool("preferred"),
        sha256=table.read_sha256("sha256"),
        size_bytes=table.read_positive_int("bytes"),
    )
