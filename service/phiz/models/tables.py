"""Values out of a TOML document, each of them checked.

Every function takes a value and where it stands, and returns it with its type, or raises a
CatalogError that says where it stands, what it is and what it must be.
"""

import math
import re
from collections.abc import Collection
from typing import Any, Final, TypeVar

from phiz.errors import CatalogError

Choice = TypeVar("Choice", bound=str)

CHANNELS: Final = ("red", "green", "blue")


def read_table(
    value: object, where: str, keys: Collection[str], optional: Collection[str] = ()
) -> dict[str, Any]:
    """Return a table that has all the keys, perhaps the optional ones, and no other."""
    if not isinstance(value, dict):
        raise CatalogError(f"{where} is not a table")
    if missing := sorted(set(keys) - value.keys()):
        raise CatalogError(f"{where} lacks {', '.join(missing)}")
    if unknown := sorted(value.keys() - set(keys) - set(optional)):
        raise CatalogError(f"{where} has the unknown entry {', '.join(unknown)}")
    return value


def read_entries(value: object, where: str) -> dict[str, Any]:
    """Return a table of at least one entry whose keys are names, fit to be a file's."""
    if not isinstance(value, dict) or not value:
        raise CatalogError(f"{where} is not a table of entries by name")
    for name in value:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
            raise CatalogError(f"{where}.{name} is not a name: small letters, digits and hyphens")
    return value


def read_text(value: object, where: str) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise CatalogError(f"{where} is {value!r}, not a text")
    return value


def read_texts(value: object, where: str) -> tuple[str, ...]:
    """Return a list of at least one text."""
    if not isinstance(value, list) or not value:
        raise CatalogError(f"{where} is not a list of texts")
    return tuple(read_text(entry, where) for entry in value)


def read_choice(value: object, where: str, allowed: tuple[Choice, ...]) -> Choice:
    """Return one of the allowed words."""
    for choice in allowed:
        if value == choice:
            return choice
    raise CatalogError(f"{where} is {value!r}; it must be one of {', '.join(allowed)}")


def read_sha256(value: object, where: str) -> str:
    """Return a hash as 64 small hexadecimal digits."""
    text = read_text(value, where)
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise CatalogError(f"{where} is {text!r}, not the 64 small hexadecimal digits of a sha256")
    return text


def read_positive_int(value: object, where: str) -> int:
    """Return a whole number of at least 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CatalogError(f"{where} is {value!r}, not a whole number of at least 1")
    return value


def read_number(value: object, where: str) -> float:
    """Return a finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise CatalogError(f"{where} is {value!r}, not a number")
    return float(value)


def read_channels(value: object, where: str) -> float | tuple[float, float, float]:
    """Return a number for all channels of a picture, or a list of three as a tuple."""
    if not isinstance(value, list):
        return read_number(value, where)
    if len(value) != len(CHANNELS):
        raise CatalogError(
            f"{where} has {len(value)} numbers; it must be one number, or a list of three: "
            f"for {', '.join(CHANNELS)}"
        )
    red, green, blue = (
        read_number(number, f"{where}.{channel}")
        for number, channel in zip(value, CHANNELS, strict=True)
    )
    return red, green, blue


def read_bool(value: object, where: str) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise CatalogError(f"{where} is {value!r}, not true or false")
    return value


def read_score(value: object, where: str) -> float:
    """Return a number from 0 to 1."""
    score = read_number(value, where)
    if not 0 <= score <= 1:
        raise CatalogError(f"{where} is {score:g}; it must be from 0 to 1")
    return score


def read_numbers(value: object, where: str, keys: Collection[str]) -> dict[str, float]:
    """Return a table of numbers that has all the keys and no other."""
    table = read_table(value, where, keys)
    return {key: read_number(entry, f"{where}.{key}") for key, entry in table.items()}
