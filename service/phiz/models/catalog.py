"""The catalogue of models, and a built network's bytes once they are known to be the right ones.

The catalogue is a file of facts, ``models/catalog.toml``, which explains its own entries.
It becomes records here, and one that contradicts itself is refused at once.
"""

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from phiz.errors import CatalogError, ModelCorruptError, ModelError, ModelNotBuiltError
from phiz.models.operating_point import read_operating_point
from phiz.models.sources import read_source_file, read_sources
from phiz.models.specs import (
    ARCHITECTURES,
    ARCHITECTURES_BY_KIND,
    MODEL_GROUPS,
    MODEL_KINDS,
    SELECTABLE_PRECISIONS,
    SERVICE_GROUP,
    THRESHOLD_NAMES,
    VARIANT_PRECISIONS,
    Catalog,
    ModelKind,
    ModelSpec,
    NetworkSpec,
    Normalisation,
    Precision,
    Wheel,
)
from phiz.models.tables import (
    read_bool,
    read_channels,
    read_choice,
    read_entries,
    read_numbers,
    read_positive_int,
    read_score,
    read_sha256,
    read_table,
    read_text,
    read_texts,
)

_PACKAGED_CATALOG: Final = Path(__file__).with_name("catalog.toml")
_CHECKOUT_ROOT: Final = Path(__file__).parents[3]

Table = Mapping[str, Any]


def load_catalog(path: Path | None = None) -> Catalog:
    """Return the catalogue of a file, or the one that belongs to this phiz.

    Raises:
        CatalogError: It cannot be read, or contradicts itself.
    """
    if path is None:
        path = (
            _PACKAGED_CATALOG
            if _PACKAGED_CATALOG.exists()
            else _CHECKOUT_ROOT / "models" / "catalog.toml"
        )
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogError(f"cannot read the catalogue {path}: {error}") from error
    return parse_catalog(document)


def get_default_folder() -> Path:
    """Return where built models lie if nobody says otherwise.

    That is ``models/built`` of a checkout, and for an installed phiz ``phiz/models`` in the
    user's cache folder (XDG Base Directory Specification).

    Raises:
        ModelNotBuiltError: The user has no home folder.
    """
    if not _PACKAGED_CATALOG.exists():
        return _CHECKOUT_ROOT / "models" / "built"
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path is to be taken as none.
    if os.path.isabs(cache):  # noqa: PTH117  the empty string is no path
        return Path(cache) / "phiz" / "models"
    try:
        return Path.home() / ".cache" / "phiz" / "models"
    except RuntimeError as error:
        raise ModelNotBuiltError(
            "this user has no home folder for models; set PHIZ_MODELS to a folder"
        ) from error


def read_network(spec: NetworkSpec, folder: Path) -> bytes:
    """Return the bytes of a built network; they are what was verified, not a second reading.

    Raises:
        ModelNotBuiltError: The file is not there, or cannot be read.
        ModelCorruptError: The file is not the one that the catalogue names.
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
    """Return what is wrong with a built network, or None if it is the right one."""
    try:
        read_network(spec, folder)
    except ModelError as error:
        return error
    return None


def _format_build_command(spec: NetworkSpec) -> str:
    """Return what builds a network."""
    group = "" if spec.group == SERVICE_GROUP else f" --group {spec.group}"
    is_extra = spec.precision not in ("float32", *SELECTABLE_PRECISIONS[spec.group])
    return f"phiz models build{group}{f' --variants {spec.precision}' if is_extra else ''}"


def parse_catalog(document: Table) -> Catalog:
    """Return the records of a catalogue that has been read as TOML.

    Raises:
        CatalogError: An entry is missing, unknown or out of range, or names what is not there.
    """
    top = read_table(document, "the catalogue", {"sources", "models"})
    sources = read_sources(top["sources"])
    models = tuple(
        _parse_model(name, value, sources)
        for name, value in read_entries(top["models"], "models").items()
    )
    names = [network.name for model in models for network in model.networks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CatalogError(f"several models have a network of the name {', '.join(twice)}")
    return Catalog(models)


def _parse_model(name: str, value: object, sources: Mapping[str, Wheel]) -> ModelSpec:
    where = f"models.{name}"
    table = _parse_model_table(value, where)
    kind = read_choice(table["kind"], f"{where}.kind", MODEL_KINDS)
    return ModelSpec(
        name=name,
        title=read_text(table["title"], f"{where}.title"),
        group=read_choice(table["group"], f"{where}.group", MODEL_GROUPS),
        kind=kind,
        licence=read_text(table["licence"], f"{where}.licence"),
        input_size=_parse_input_size(table, where),
        min_score=read_score(table["min_score"], f"{where}.min_score"),
        thresholds=read_numbers(table["thresholds"], f"{where}.thresholds", THRESHOLD_NAMES[kind]),
        references=read_texts(table["references"], f"{where}.references"),
        networks=_parse_networks(table, where, kind, sources),
        operating_point=read_operating_point(table["operating_point"], f"{where}.operating_point")
        if "operating_point" in table
        else None,
    )


def _parse_model_table(value: object, where: str) -> Table:
    """Return the entries of a model; one whose kind has no thresholds has none of a face's."""
    keys = {"title", "group", "kind", "licence", "references", "normalisation", "networks"}
    scores = {"min_score", "operating_point", "thresholds"}
    table = read_table(value, where, keys, {"input_size", *scores})
    if THRESHOLD_NAMES[read_choice(table["kind"], f"{where}.kind", MODEL_KINDS)]:
        return read_table(value, where, keys | scores, {"input_size"})
    return {**read_table(value, where, keys | {"input_size"}), "min_score": 0.0, "thresholds": {}}


def _parse_input_size(model: Table, where: str) -> int | None:
    if "input_size" not in model:
        return None
    return read_positive_int(model["input_size"], f"{where}.input_size")


def _parse_networks(
    model: Table, where: str, kind: ModelKind, sources: Mapping[str, Wheel]
) -> tuple[NetworkSpec, ...]:
    normalisation = _normalisation(model["normalisation"], f"{where}.normalisation")
    where = f"{where}.networks"
    networks = tuple(
        _parse_network(name, value, where, normalisation, sources)
        for name, value in read_entries(model["networks"], where).items()
    )
    architectures = tuple(network.architecture for network in networks)
    if architectures != ARCHITECTURES_BY_KIND[kind]:
        raise CatalogError(
            f"{where} are {', '.join(architectures)}; "
            f"those of a {kind} are {', '.join(ARCHITECTURES_BY_KIND[kind])}"
        )
    return networks


def _normalisation(value: object, where: str) -> Normalisation:
    table = read_table(value, where, {"scale", "offset"})
    scale = read_channels(table["scale"], f"{where}.scale")
    if min(scale if isinstance(scale, tuple) else [scale]) <= 0:
        raise CatalogError(f"{where}.scale is {table['scale']}; it must be more than 0")
    return Normalisation(scale, read_channels(table["offset"], f"{where}.offset"))


def _parse_network(
    name: str,
    value: object,
    where: str,
    normalisation: Normalisation,
    sources: Mapping[str, Wheel],
) -> NetworkSpec:
    where = f"{where}.{name}"
    keys = {"architecture", "sha256", "bytes", "made_from"}
    table = read_table(value, where, keys, VARIANT_PRECISIONS)
    spec = NetworkSpec(
        name=name,
        architecture=read_choice(table["architecture"], f"{where}.architecture", ARCHITECTURES),
        sha256=read_sha256(table["sha256"], f"{where}.sha256"),
        size_bytes=read_positive_int(table["bytes"], f"{where}.bytes"),
        normalisation=normalisation,
        made_from=read_source_file(table["made_from"], f"{where}.made_from", sources),
    )
    variants = [
        _parse_variant(spec, precision, table[precision], where)
        for precision in VARIANT_PRECISIONS
        if precision in table
    ]
    return replace(spec, variants=tuple(variants))


def _parse_variant(
    spec: NetworkSpec, precision: Precision, value: object, where: str
) -> NetworkSpec:
    where = f"{where}.{precision}"
    table = read_table(value, where, {"sha256", "bytes", "offered"})
    return replace(
        spec,
        precision=precision,
        is_offered=read_bool(table["offered"], f"{where}.offered"),
        sha256=read_sha256(table["sha256"], f"{where}.sha256"),
        size_bytes=read_positive_int(table["bytes"], f"{where}.bytes"),
    )
