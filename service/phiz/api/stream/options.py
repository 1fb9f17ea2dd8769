"""The options of a stream: those of its address, and the changes of its text messages."""

from typing import Any

import orjson

from phiz.api.options import quote_text, read_options
from phiz.errors import OptionError
from phiz.wire.schemas import StreamParameters

MAX_CHANGE_CHARACTERS = 4096


def change_options(options: StreamParameters, text: str) -> StreamParameters:
    """Return options with the changes of a text message.

    Args:
        options: The options before it.
        text: A JSON object with some options. ``null`` stands for a default.

    Raises:
        OptionError: It is not a JSON object, or an option is unknown or has a wrong value.
    """
    changes = _decode_changes(text)
    kept = options.model_dump(exclude_unset=True)
    chosen = {**kept, **changes}
    pairs = [(name, _to_text(value)) for name, value in chosen.items() if value is not None]
    return read_options(StreamParameters, pairs)


def _decode_changes(text: str) -> dict[str, Any]:
    if len(text) > MAX_CHANGE_CHARACTERS:
        raise OptionError(
            f"the text message has {len(text)} characters; the limit is {MAX_CHANGE_CHARACTERS};"
            " send images as binary messages"
        )
    try:
        changes = orjson.loads(text)
    except orjson.JSONDecodeError:
        changes = None
    if not isinstance(changes, dict):
        raise OptionError(
            f"the text message {quote_text(text)} is not a JSON object with options, such as"
            ' {"model": "front"}; send images as binary messages'
        )
    return changes


def _to_text(value: object) -> str:
    """Return a JSON value as a query would have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
