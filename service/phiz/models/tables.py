"""Tables of a TOML or JSON document, each value checked.

A method that reads takes a key and returns its value with its type, or raises a CatalogError with
the place of the value, the value and the allowed values.
"""

import math
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from phiz.errors import CatalogError

Choice = TypeVar("Choice", bound=str)

CHANNELS: Final = ("red", "green", "blue")

_CHECKOUT_MODELS: Final = Path(__file__).parents[3] / "models"


def find_data_file(name: str) -> Path:
    """Return the path of a data file: beside this module, or in ``models`` of a checkout."""
    packaged = Path(__file__).with_name(name)
    return packaged if packaged.exists() else _CHECKOUT_MODELS / name


def read_toml(path: Path, name: str) -> dict[str, Any]:
    """Return a TOML document.

    Args:
        path: Its file.
        name: Its name in errors.

    Raises:
        CatalogError: It cannot be read.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogError(f"cannot read {name} {path}: {error}") from error


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a document.

    Attributes:
        values: Its values by key.
        place: Its place in the document, such as ``models.front``; empty for the whole document.
    """

    values: Mapping[str, Any]
    place: str = ""

    def locate(self, key: str) -> str:
        """Return the place of an entry."""
        return f"{self.place}.{key}" if self.place else key

    def read_table(
        self, key: str, keys: Collection[str], optional: Collection[str] = ()
    ) -> "Table":
        """Return a table that has all the keys, perhaps the optional ones, and no other."""
        place = self.locate(key)
        return Table(check_keys(self.values[key], place, keys, optional), place)

    def read_entries(self, key: str) -> "Table":
        """Return a table of at least one entry whose keys are names, suitable for files."""
        value, place = self.values[key], self.locate(key)
        if not isinstance(value, dict) or not value:
            raise CatalogError(f"{place} is not a table of entries by name")
        if wrong := [name for name in value if not re.fullmatch(r"[a-z][a-z0-9-]*", name)]:
            raise CatalogError(f"{place}.{wrong[0]} is not a name: small letters, digits, hyphens")
        return Table(value, place)

    def read_text(self, key: str) -> str:
        """Return a text that is not empty."""
        value = self.values[key]
        if not isinstance(value, str) or not value:
            raise self._describe(key, "not a text")
        return value

    def read_texts(self, key: str) -> tuple[str, ...]:
        """Return a list of at least one text."""
        value = self.values[key]
        if not isinstance(value, list) or not value:
            raise CatalogError(f"{self.locate(key)} is not a list of texts")
        return tuple(Table({key: text}, self.place).read_text(key) for text in value)

    def read_choice(self, key: str, allowed: tuple[Choice, ...]) -> Choice:
        """Return one of the allowed words."""
        for choice in allowed:
            if self.values[key] == choice:
                return choice
        raise CatalogError(
            f"{self.locate(key)} is {self.values[key]!r}; it must be one of {', '.join(allowed)}"
        )

    def read_sha256(self, key: str) -> str:
        """Return a hash as 64 small hexadecimal digits."""
        text = self.read_text(key)
        if not re.fullmatch(r"[0-9a-f]{64}", text):
            raise self._describe(key, "not the 64 small hexadecimal digits of a sha256")
        return text

    def read_bool(self, key: str) -> bool:
        """Return true or false."""
        value = self.values[key]
        if not isinstance(value, bool):
            raise self._describe(key, "not true or false")
        return value

    def read_positive_int(self, key: str) -> int:
        """Return a whole number of at least 1."""
        value = self.values[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self._describe(key, "not a whole number of at least 1")
        return value

    def read_number(self, key: str) -> float:
        """Return a finite number."""
        value = self.values[key]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            raise self._describe(key, "not a number")
        return float(value)

    def read_score(self, key: str) -> float:
        """Return a number from 0 to 1."""
        score = self.read_number(key)
        if not 0 <= score <= 1:
            raise CatalogError(f"{self.locate(key)} is {score:g}; it must be from 0 to 1")
        return score

    def read_numbers(self, key: str, keys: Collection[str]) -> dict[str, float]:
        """Return a table of numbers that has all the keys and no other."""
        table = self.read_table(key, keys)
        return {name: table.read_number(name) for name in table.values}

    def read_channels(self, key: str) -> float | tuple[float, float, float]:
        """Return a number for all channels of an image, or a list of three as a tuple."""
        value, place = self.values[key], self.locate(key)
        if not isinstance(value, list):
            return self.read_number(key)
        if len(value) != len(CHANNELS):
            raise CatalogError(
                f"{place} has {len(value)} numbers; it must be one number, or a list of three: "
                f"for {', '.join(CHANNELS)}"
            )
        table = Table(dict(zip(CHANNELS, value, strict=True)), place)
        red, green, blue = map(table.read_number, CHANNELS)
        return red, green, blue

    def _describe(self, key: str, problem: str) -> CatalogError:
        return CatalogError(f"{self.locate(key)} is {self.values[key]!r}, {problem}")


def check_keys(
    value: object, name: str, keys: Collection[str], optional: Collection[str] = ()
) -> dict[str, Any]:
    """Return a table that has all the keys, perhaps the optional ones, and no other.

    Args:
        value: The table.
        name: Its name in errors.
        keys: Required keys.
        optional: Further keys.
    """
    if not isinstance(value, dict):
        raise CatalogError(f"{name} is not a table")
    if missing := sorted(set(keys) - value.keys()):
        raise CatalogError(f"{name} lacks {', '.join(missing)}")
    if unknown := sorted(value.keys() - set(keys) - set(optional)):
        raise CatalogError(f"{name} has the unknown entry {', '.join(unknown)}")
    return value
