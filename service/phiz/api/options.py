"""A request's options, from its query and its form, and what to say of a wrong one."""

from collections.abc import Iterable
from functools import lru_cache
from typing import TypeVar, cast
from urllib.parse import parse_qsl

from pydantic import ValidationError

from phiz.errors import OptionError
from phiz.wire.schemas import JsonObject, Parameters

OptionsT = TypeVar("OptionsT", bound=Parameters)

# A caller's own words are shown back no further than this.
MAX_QUOTED_CHARACTERS = 40
MAX_CACHED_QUERY_BYTES = 200


def read_options(
    options_type: type[OptionsT],
    query: Iterable[tuple[str, str]],
    form: Iterable[tuple[str, str]] = (),
) -> OptionsT:
    """Return the checked options; a query parameter overrides a form field.

    An option's form field that is empty counts as not given: web pages send all they have.

    Args:
        options_type: The options that there are.
        query: Names and values.
        form: Names and values.

    Raises:
        OptionError: An option is unknown, given twice, or its value is not allowed.
    """
    fields = _to_unique_dict(form, "form field")
    names = options_type.model_fields
    filled = {name: text for name, text in fields.items() if text or name not in names}
    chosen = {**filled, **_to_unique_dict(query, "query parameter")}
    try:
        return options_type.model_validate(chosen)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False)[0]
    name = str(problem["loc"][0])
    if name not in names:
        raise OptionError(f"unknown option {quote_text(name)}; the options are {', '.join(names)}")
    values = options_type.declared[name].describe_values()
    raise OptionError(f"{name} is {quote_text(chosen[name])}; it must be {values}")


@lru_cache(256)
def _read_cached(options_type: type[Parameters], query: bytes) -> Parameters:
    return read_options(options_type, parse_qsl(query.decode("latin-1"), keep_blank_values=True))


def read_query(options_type: type[OptionsT], query: bytes) -> OptionsT:
    """Return the checked options of a query string as it came.

    Args:
        options_type: The options that there are.
        query: Not decoded.

    Raises:
        OptionError: As ``read_options``.
    """
    # Most callers send the same few queries again and again; what is long is not remembered.
    read = _read_cached if len(query) <= MAX_CACHED_QUERY_BYTES else _read_cached.__wrapped__
    return cast("OptionsT", read(options_type, query))  # the cache knows no type variables


def find_deadline(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the header ``Phiz-Deadline`` of a request, if there is one."""
    for name, value in headers:
        if name == b"phiz-deadline":
            return value.decode("latin-1")
    return None


def read_deadline(header_value: str | None, limit_s: float) -> float:
    """Return how long an answer may take, in seconds.

    Args:
        header_value: The caller's wish, if there is one; more than the limit is the limit.
        limit_s: Of the service.

    Raises:
        OptionError: It is not a number above 0.
    """
    if header_value is None:
        return limit_s
    try:
        # Python reads 1_0 as ten.
        wished = 0.0 if "_" in header_value else float(header_value)
    except ValueError:
        wished = 0.0
    if not wished > 0:
        raise OptionError(
            f"the header Phiz-Deadline is {quote_text(header_value)}; it must be a number of"
            " seconds above 0"
        )
    return min(wished, limit_s)


def get_option_schema(options_type: type[Parameters], name: str) -> JsonObject:
    """Return the JSON schema of an option's value; without a default if that is the model's."""
    schema: JsonObject = dict(options_type.model_json_schema()["properties"][name])
    # Pydantic writes an optional value as "this or null"; a query cannot say null.
    value, *_ = schema.pop("anyOf", [{}])
    if schema["default"] is None:
        del schema["default"]
    return {**schema, **value}


def quote_text(text: str) -> str:
    """Return a caller's own words quoted, and cut if they are long."""
    cut = text if len(text) <= MAX_QUOTED_CHARACTERS else text[:MAX_QUOTED_CHARACTERS] + "…"
    return repr(cut)


def _to_unique_dict(pairs: Iterable[tuple[str, str]], what: str) -> dict[str, str]:
    """Return pairs as a dict; the same name twice is an error, since either could be meant."""
    chosen: dict[str, str] = {}
    for name, value in pairs:
        if name in chosen:
            raise OptionError(f"the {what} {quote_text(name)} is given twice; give it once")
        chosen[name] = value
    return chosen
