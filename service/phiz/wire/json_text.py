"""Writes JSON as all answers have it."""

from collections.abc import Mapping
from typing import Any

import orjson


def encode_json(content: Mapping[str, Any]) -> bytes:
    """Return an object as JSON: compact, in UTF-8, and with a line break at its end."""
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
