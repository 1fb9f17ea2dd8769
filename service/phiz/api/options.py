"""A request's options, from its query and its form, and what to say of a wrong one."""

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qsl

from pydantic import ValidationError

from phiz.errors import OptionError
from phiz.schemas import DetectParameters, JsonObject

# A caller's own words are shown back no further than this.
SHOWN_CHARACTERS = 40
REMEMBERED_BYTES = 200


def read_options(
    query: Iterable[tuple[str, str]], form: Iterable[tuple[str, str]] = ()
) -> DetectParameters:
    """Return the checked options; a query parameter wins over a form field.

    An option's form field that is empty counts as not given: web pages send all they have.

    Raises:
        OptionError: An option is unknown, given twice, or its value is not allowed.
    """
    fields = _once(form, "form field")
    filled = {name: text for name, text in fields.items() if text or not _is_option(name)}
    chosen = {**filled, **_once(query, "query parameter")}
    try:
        return DetectParameters.model_validate(chosen)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False)[0]
    name = str(problem["loc"][0])
    if not _is_option(name):
        raise OptionError(
            f"there is no option {shown(name)}; the options are"
            f" {', '.join(DetectParameters.model_fields)}"
        )
    raise OptionError(f"{name} is {shown(chosen[name])}; it must be {_allowed(name)}")


@lru_cache(256)
def _read_short(query: bytes) -> DetectParameters:
    return read_options(parse_qsl(query.decode("latin-1"), keep_blank_values=True))


def read_query(query: bytes) -> DetectParameters:
    """Return the checked options of a query string as it came.

    Raises:
        OptionError: As ``read_options``.
    """
    # Most callers send the same few queries again and again; what is long is not remembered.
    if len(query) <= REMEMBERED_BYTES:
        return _read_short(query)
    return _read_short.__wrapped__(query)


def read_deadline(given: str | None, limit_s: float) -> float:
    """Return how long an answer may take, in seconds.

    Args:
        given: The caller's wish, if there is one; more than the limit is the limit.
        limit_s: Of the service.

    Raises:
        OptionError: It is not a number above 0.
    """
    if given is None:
        return limit_s
    try:
        # Python reads 1_0 as ten.
        wished = 0.0 if "_" in given else float(given)
    except ValueError:
        wished = 0.0
    if not wished > 0:
        raise OptionError(
            f"the header Phiz-Deadline is {shown(given)}; it must be a number of seconds above 0"
        )
    return min(wished, limit_s)


def option_schema(name: str) -> JsonObject:
    """Return the JSON schema of an option's value; without a default if that is the model's."""
    schema: JsonObject = dict(DetectParameters.model_json_schema()["properties"][name])
    # Pydantic writes an optional value as "this or null"; a query cannot say null.
    value, *_ = schema.pop("anyOf", [{}])
    if schema["default"] is None:
        del schema["default"]
    return {**schema, **value}


def shown(text: str) -> str:
    """Return a caller's own words quoted, and cut if they are long."""
    cut = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    return repr(cut)


def _is_option(name: str) -> bool:
    return name in DetectParameters.model_fields


def _once(pairs: Iterable[tuple[str, str]], what: str) -> dict[str, str]:
    """Return pairs as a dict; the same name twice is an error, since either could be meant."""
    chosen: dict[str, str] = {}
    for name, value in pairs:
        if name in chosen:
            raise OptionError(f"the {what} {shown(name)} is there twice; give it once")
        chosen[name] = value
    return chosen


def _allowed(name: str) -> str:
    """Return the values that an option may have, in words."""
    schema = option_schema(name)
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    number = "a whole number" if schema["type"] == "integer" else "a number"
    if "maximum" in schema:
        return f"{number} from {schema['minimum']:g} to {schema['maximum']:g}"
    return f"{number} of at least {schema['minimum']:g}"
