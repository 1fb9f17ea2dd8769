"""JSON documents, read into frozen dataclasses by pydantic.

The dataclass is the only description of a document. An error says where the wrong value stands,
its value and the values that are allowed.
"""

import reprlib
from collections.abc import Iterable
from typing import Annotated, Final, TypeVar

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from phiz.errors import CatalogError

Document = TypeVar("Document")

PositiveInt = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9-]*$")]
"""A text that is fit to be a file's name."""

STRICT: Final = ConfigDict(strict=True, allow_inf_nan=False)
"""No value is converted: true is not 1, and "1" is not a number. Unknown entries are ignored."""
EXACT: Final = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")
"""As STRICT, and unknown entries are errors."""

_COMPLAINTS: Final = {
    "json_invalid": "{where} is not JSON: {error}",
    "empty": "{where} is empty",
    "missing": "{where} is missing",
    "unexpected_keyword_argument": "{where} is an unknown entry",
    "dataclass_type": "{where} is {value}, not a table",
    "dict_type": "{where} is {value}, not a table",
    "list_type": "{where} is {value}, not a list",
    "tuple_type": "{where} is {value}, not a list",
    "too_short": "{where} has {actual_length} entries; it must have at least {min_length}",
    "too_long": "{where} has {actual_length} entries; it must have at most {max_length}",
    "string_type": "{where} is {value}, not a text",
    "string_too_short": "{where} is {value}, not a text",
    "bool_type": "{where} is {value}, not true or false",
    "int_type": "{where} is {value}, not a whole number",
    "greater_than_equal": "{where} is {value}; it must be at least {ge}",
    "less_than": "{where} is {value}; it must be less than {lt}",
    "float_type": "{where} is {value}, not a number",
    "finite_number": "{where} is {value}, not a number",
    "literal_error": "{where} is {value}; it must be {expected}",
    "string_pattern_mismatch": "{where} is {value}; it must match {pattern}",
    "value_error": "{where} {error}",
}


def read_document(
    adapter: TypeAdapter[Document], text: str | bytes, name: str = "the document"
) -> Document:
    """Return a JSON document.

    Args:
        adapter: The type that it is read into.
        text: The document.
        name: How errors call the whole document.

    Raises:
        CatalogError: It is not JSON, or an entry is missing, unknown or wrong.
    """
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False)
        raise CatalogError(_format_complaint(name, first)) from error


def _format_complaint(name: str, error: ErrorDetails) -> str:
    kind, place, context = error["type"], error["loc"], dict(error.get("ctx", {}))
    if kind == "missing" and isinstance(place[-1], str):
        return f"{_format_place(place[:-1]) or name} lacks {place[-1]}"
    if kind == "too_short" and not context["actual_length"]:
        kind = "empty"
    return _COMPLAINTS.get(kind, "{where} is wrong: {message}").format(
        where=_format_place(place) or name,
        value=reprlib.repr(error["input"]),
        message=error["msg"],
        **context,
    )


def _format_place(place: Iterable[int | str]) -> str:
    keys = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return "".join(keys).removesuffix(".[key]").removeprefix(".")
