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
from phiz.models.operating_point import read_point
from phiz.models.sources import read_source_file, read_sources
from phiz.models.specs import (
    ARCHITECTURES,
    CHOSEN,
    GROUPS,
    KINDS,
    NETWORKS,
    SERVICE,
    THRESHOLDS,
    VARIANTS,
    Catalog,
    Form,
    Kind,
    ModelCard,
    NetworkCard,
    Normalisation,
    Wheel,
)
from phiz.models.tables import (
    read_channels,
    read_choice,
    read_entries,
    read_flag,
    read_numbers,
    read_score,
    read_sha256,
    read_table,
    read_text,
    read_texts,
    read_whole,
)

_PACKAGED: Final = Path(__file__).with_name("catalog.toml")
_CHECKOUT: Final = Path(__file__).parents[3]

Table = Mapping[str, Any]


def load(path: Path | None = None) -> Catalog:
    """Return the catalogue of a file, or the one that belongs to this phiz.

    Raises:
        CatalogError: It cannot be read, or contradicts itself.
    """
    if path is None:
        path = _PACKAGED if _PACKAGED.exists() else _CHECKOUT / "models" / "catalog.toml"
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogError(f"the catalogue {path} cannot be read: {error}") from error
    return parse_catalog(document)


def default_folder() -> Path:
    """Return where built models lie if nobody says otherwise.

    That is ``models/built`` of a checkout, and for an installed phiz ``phiz/models`` in the
    user's cache folder (XDG Base Directory Specification).

    Raises:
        ModelNotBuiltError: The user has no home folder.
    """
    if not _PACKAGED.exists():
        return _CHECKOUT / "models" / "built"
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path is to be taken as none.
    if os.path.isabs(cache):  # noqa: PTH117  the empty string is no path
        return Path(cache) / "phiz" / "models"
    try:
        return Path.home() / ".cache" / "phiz" / "models"
    except RuntimeError as error:
        raise ModelNotBuiltError(
            "this user has no home folder to keep models in; set PHIZ_MODELS to a folder"
        ) from error


def read_network(card: NetworkCard, folder: Path) -> bytes:
    """Return the bytes of a built network; they are what was verified, not a second reading.

    Raises:
        ModelNotBuiltError: The file is not there, or cannot be read.
        ModelCorruptError: The file is not the one that the catalogue names.
    """
    path = folder / card.file
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ModelNotBuiltError(
            f"{path} is not there; build the models with: {_command(card)}"
        ) from None
    except OSError as error:
        raise ModelNotBuiltError(f"{path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != card.sha256:
        raise ModelCorruptError(
            f"{path} is not the file that the catalogue names: it has {len(data)} bytes and "
            f"sha256 {found}, not {card.size_bytes} bytes and sha256 {card.sha256}; "
            f"build it again with: {_command(card)}"
        )
    return data


def find_flaw(card: NetworkCard, folder: Path) -> ModelError | None:
    """Return what is wrong with a built network, or None if it is the right one."""
    try:
        read_network(card, folder)
    except ModelError as error:
        return error
    return None


def _command(card: NetworkCard) -> str:
    """Return what builds a network."""
    group = "" if card.group == SERVICE else f" --group {card.group}"
    is_extra = card.form not in ("float32", *CHOSEN[card.group])
    return f"phiz models build{group}{f' --variants {card.form}' if is_extra else ''}"


def parse_catalog(document: Table) -> Catalog:
    """Return the records of a catalogue that has been read as TOML.

    Raises:
        CatalogError: An entry is missing, unknown or out of range, or names what is not there.
    """
    top = read_table(document, "the catalogue", {"sources", "models"})
    sources = read_sources(top["sources"])
    models = tuple(
        _model(name, value, sources)
        for name, value in read_entries(top["models"], "models").items()
    )
    names = [network.name for model in models for network in model.networks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise CatalogError(f"several models have a network of the name {', '.join(twice)}")
    return Catalog(models)


def _model(name: str, value: object, sources: Mapping[str, Wheel]) -> ModelCard:
    where = f"models.{name}"
    table = _model_table(value, where)
    kind = read_choice(table["kind"], f"{where}.kind", KINDS)
    return ModelCard(
        name=name,
        title=read_text(table["title"], f"{where}.title"),
        group=read_choice(table["group"], f"{where}.group", GROUPS),
        kind=kind,
        licence=read_text(table["licence"], f"{where}.licence"),
        input_size=_input_size(table, where),
        min_score=read_score(table["min_score"], f"{where}.min_score"),
        thresholds=read_numbers(table["thresholds"], f"{where}.thresholds", THRESHOLDS[kind]),
        references=read_texts(table["references"], f"{where}.references"),
        networks=_networks(table, where, kind, sources),
        operating_point=read_point(table["operating_point"], f"{where}.operating_point")
        if "operating_point" in table
        else None,
    )


def _model_table(value: object, where: str) -> Table:
    """Return the entries of a model; one whose kind has no thresholds has none of a face's."""
    keys = {"title", "group", "kind", "licence", "references", "normalisation", "networks"}
    scores = {"min_score", "operating_point", "thresholds"}
    table = read_table(value, where, keys, {"input_size", *scores})
    if THRESHOLDS[read_choice(table["kind"], f"{where}.kind", KINDS)]:
        return read_table(value, where, keys | scores, {"input_size"})
    return {**read_table(value, where, keys | {"input_size"}), "min_score": 0.0, "thresholds": {}}


def _input_size(model: Table, where: str) -> int | None:
    if "input_size" not in model:
        return None
    return read_whole(model["input_size"], f"{where}.input_size")


def _networks(
    model: Table, where: str, kind: Kind, sources: Mapping[str, Wheel]
) -> tuple[NetworkCard, ...]:
    normalisation = _normalisation(model["normalisation"], f"{where}.normalisation")
    where = f"{where}.networks"
    networks = tuple(
        _network(name, value, where, normalisation, sources)
        for name, value in read_entries(model["networks"], where).items()
    )
    architectures = tuple(network.architecture for network in networks)
    if architectures != NETWORKS[kind]:
        raise CatalogError(
            f"{where} are {', '.join(architectures)}; "
            f"those of a {kind} are {', '.join(NETWORKS[kind])}"
        )
    return networks


def _normalisation(value: object, where: str) -> Normalisation:
    table = read_table(value, where, {"scale", "offset"})
    scale = read_channels(table["scale"], f"{where}.scale")
    if min(scale if isinstance(scale, tuple) else [scale]) <= 0:
        raise CatalogError(f"{where}.scale is {table['scale']}; it must be more than 0")
    return Normalisation(scale, read_channels(table["offset"], f"{where}.offset"))


def _network(
    name: str,
    value: object,
    where: str,
    normalisation: Normalisation,
    sources: Mapping[str, Wheel],
) -> NetworkCard:
    where = f"{where}.{name}"
    keys = {"architecture", "sha256", "bytes", "made_from"}
    table = read_table(value, where, keys, VARIANTS)
    card = NetworkCard(
        name=name,
        architecture=read_choice(table["architecture"], f"{where}.architecture", ARCHITECTURES),
        sha256=read_sha256(table["sha256"], f"{where}.sha256"),
        size_bytes=read_whole(table["bytes"], f"{where}.bytes"),
        normalisation=normalisation,
        made_from=read_source_file(table["made_from"], f"{where}.made_from", sources),
    )
    variants = [_variant(card, form, table[form], where) for form in VARIANTS if form in table]
    return replace(card, variants=tuple(variants))


def _variant(card: NetworkCard, form: Form, value: object, where: str) -> NetworkCard:
    where = f"{where}.{form}"
    table = read_table(value, where, {"sha256", "bytes", "offered"})
    return replace(
        card,
        form=form,
        is_offered=read_flag(table["offered"], f"{where}.offered"),
        sha256=read_sha256(table["sha256"], f"{where}.sha256"),
        size_bytes=read_whole(table["bytes"], f"{where}.bytes"),
    )
