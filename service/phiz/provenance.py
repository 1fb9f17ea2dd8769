"""Where source files come from, as the catalogue writes it.

Every function raises a CatalogError that names an entry which is missing, unknown or wrong.
"""

from collections.abc import Mapping
from typing import Any

from phiz.cards import Download, Source, SourceFile, Wheel
from phiz.errors import CatalogError
from phiz.tables import (
    read_choice,
    read_entries,
    read_sha256,
    read_table,
    read_text,
    read_whole,
)

Table = Mapping[str, Any]


def read_sources(value: object) -> dict[str, Source]:
    """Return the catalogue's sources by name."""
    entries = read_entries(value, "sources")
    return {name: _source(entry, f"sources.{name}") for name, entry in entries.items()}


def read_source_file(value: object, where: str, sources: Mapping[str, Source]) -> SourceFile:
    """Return a file inside one of the sources."""
    table = read_table(value, where, {"source", "path", "sha256", "bytes"})
    source = read_choice(table["source"], f"{where}.source", tuple(sources))
    return SourceFile(
        source=sources[source],
        path=read_text(table["path"], f"{where}.path"),
        sha256=read_sha256(table["sha256"], f"{where}.sha256"),
        size_bytes=read_whole(table["bytes"], f"{where}.bytes"),
    )


def _source(value: object, where: str) -> Source:
    keys = {"kind", "sha256", "bytes"}
    table = read_table(value, where, keys, {"package", "version", "url"})
    kind = read_choice(table["kind"], f"{where}.kind", ("wheel", "download"))
    if kind == "download":
        return _download(read_table(value, where, keys | {"url"}), where)
    return _wheel(read_table(value, where, keys | {"package", "version"}), where)


def _wheel(table: Table, where: str) -> Wheel:
    return Wheel(
        name=read_text(table["package"], f"{where}.package"),
        version=read_text(table["version"], f"{where}.version"),
        sha256=read_sha256(table["sha256"], f"{where}.sha256"),
        size_bytes=read_whole(table["bytes"], f"{where}.bytes"),
    )


def _download(table: Table, where: str) -> Download:
    url = read_text(table["url"], f"{where}.url")
    if not url.startswith("https://"):
        raise CatalogError(f"{where}.url is {url!r}; it must begin with https://")
    return Download(
        url=url,
        sha256=read_sha256(table["sha256"], f"{where}.sha256"),
        size_bytes=read_whole(table["bytes"], f"{where}.bytes"),
    )
