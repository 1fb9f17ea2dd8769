"""Chooses the format of an answer by the header ``Accept`` (RFC 9110 section 12.5.1)."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from phiz.api.options import quote_text
from phiz.errors import NotAcceptableError
from phiz.wire.messages import JSON

_ACCEPT: Final = b"accept"
_MAX_CACHED_BYTES: Final = 200
_MAX_RANGES: Final = 32  # of a header; browsers send about ten
_RANGE: Final = re.compile(r"([\w!#$&^.+*-]+/[\w!#$&^.+*-]+)\s*(?:;(.*))?", re.DOTALL)
_QUALITY: Final = re.compile(
    r"(?:^|;)\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE
)
_LENIENT: Final = frozenset({JSON, "image/*"})
_PAGE: Final = "text/html"  # a browser that opens an address or sends a form accepts it


class AnswerFormat(NamedTuple):
    """A format of an answer.

    Attributes:
        media_type: Its media type; ``image/*`` for that of the request.
        name: Its value of the option ``format``; empty if it has none.
        handler: Name of the handler in the workers.
        work: Its work beside the detection, for forecasts; empty if there is none.
        arguments: Arguments of the handler after those of the options.
    """

    media_type: str
    name: str
    handler: str
    work: str = ""
    arguments: tuple[str | None, ...] = ()


AnswerFormats = tuple[AnswerFormat, ...]
"""The formats of a route, the default first."""


def choose_format(
    formats: AnswerFormats, name: str | None, headers: Iterable[tuple[bytes, bytes]]
) -> AnswerFormat:
    """Return the format of an answer.

    Args:
        formats: Those of the route.
        name: The option ``format``, which counts before the header; None if it is not given.
        headers: Of the request (ASGI).

    Raises:
        NotAcceptableError: The header asks for other formats only.
    """
    if name is not None:
        return next(each for each in formats if each.name == name)
    accept = b""
    for header, value in headers:
        if header == _ACCEPT:
            accept = accept + b"," + value if accept else value
    if not accept or accept == b"*/*":
        return formats[0]
    choose = _choose_cached if len(accept) <= _MAX_CACHED_BYTES else _choose_cached.__wrapped__
    return choose(formats, accept)


# Most clients send the same few headers.
@lru_cache(256)
def _choose_cached(formats: AnswerFormats, accept: bytes) -> AnswerFormat:
    text = accept.decode("latin-1")
    qualities = _parse_ranges(text)
    if _PAGE in qualities:
        return formats[0]
    best = max(formats, key=lambda each: _get_quality(each.media_type, qualities))
    if _get_quality(best.media_type, qualities) > 0:
        return best
    # Clients of JSON send what their libraries do, such as text/plain, and have always got JSON.
    # curl's --json asks for JSON too, even of a route that has images alone.
    asks_for_image = any(name.startswith("image/") for name in qualities)
    if formats[0].media_type in _LENIENT and not asks_for_image:
        return formats[0]
    names = ", ".join(each.media_type for each in formats)
    raise NotAcceptableError(
        f"the header Accept is {quote_text(text)}; the answer can be {names}; send one of these, or"
        " set the option format"
    )


def _parse_ranges(text: str) -> dict[str, float]:
    """Return the quality of each media range; parts that are none are left out."""
    qualities: dict[str, float] = {}
    for part in text.split(",")[:_MAX_RANGES]:
        found = _RANGE.fullmatch(part.strip())
        if found is None:
            continue
        quality = _QUALITY.search(found[2]) if found[2] else None
        qualities[found[1].lower()] = float(quality[1]) if quality else 1.0
    return qualities


def _get_quality(media_type: str, qualities: dict[str, float]) -> float:
    """Return the quality of a media type by the most specific range, or 0."""
    kind, _, _ = media_type.partition("/")
    for name in (media_type, f"{kind}/*", "*/*"):
        if name in qualities:
            return qualities[name]
    return 0.0
