"""Where source files come from, as the catalogue writes it.

Every function raises a CatalogError that names an entry which is missing, unknown or wrong.
"""

from collections.abc import Mapping

from phiz.models.specs import SourceFile, Wheel
from phiz.models.tables import (
    read_choice,
    read_entries,
    read_positive_int,
    read_sha256,
    read_table,
    read_text,
)


def read_sources(value: object) -> dict[str, Wheel]:
    """Return the catalogue's sources by name."""
    entries = read_entries(value, "sources")
    return {name: _read_wheel(entry, f"sources.{name}") for name, entry in entries.items()}


def read_source_file(value: object, where: str, sources: Mapping[str, Wheel]) -> SourceFile:
    """Return a file inside one of the sources."""
    table = read_table(value, where, {"source", "path", "sha256", "bytes"})
    source = read_choice(table["source"], f"{where}.source", tuple(sources))
    return SourceFile(
        source=sources[source],
        path=read_text(table["path"], f"{where}.path"),
        sha256=read_sha256(table["sha256"], f"{where}.sha256"),
        size_bytes=read_positive_int(table["bytes"], f"{where}.bytes"),
    )


def _read_wheel(value: object, where: str) -> Wheel:
    table = read_table(value, where, {"package", "version", "sha256", "bytes"})
    return Wheel(
        name=read_text(table["package"], f"{where}.package"),
        version=read_text(table["version"], f"{where}.version"),
        sha256=read_sha256(table["sha256"], f"{where}.sha256"),
        size_bytes=read_positive_int(table["bytes"], f"{where}.bytes"),
    )
