"""The parts of an address, from one strict pattern: no second parser reads it differently."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from phiz.api.fetch.hosts import HTTPS_PORT
from phiz.errors import UrlNotAllowedError

MAX_URL_CHARACTERS: Final = 2048
# No user name, no character that is written in several ways within a host, and no fragment, which
# is for browsers only.
_HTTPS_URL: Final = re.compile(
    r"https://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^?#\s\\]*)?(?P<query>\?[^#\s\\]*)?(?:#.*)?",
    re.IGNORECASE | re.ASCII,  # without ASCII, the Kelvin sign would match k
)
_SAFE: Final = "/?%:@!$&'()*+,;=~"  # in addition to letters and digits


@dataclass(frozen=True, slots=True)
class Location:
    """The parts of an address of https.

    Attributes:
        host: Name or IP address, in ASCII and lower case, without brackets.
        port: TCP port.
        authority: The header ``Host``.
        target: Path and query, in ASCII.
    """

    host: str
    port: int
    authority: str
    target: str


def parse_url(url: str) -> Location:
    """Return the parts of an address.

    Raises:
        UrlNotAllowedError: It is not an address of https, or has a user name.
    """
    found = _HTTPS_URL.fullmatch(url) if len(url) <= MAX_URL_CHARACTERS else None
    if found is None or not url.isprintable():
        raise UrlNotAllowedError(
            "the url, or its redirect, is not an address of a host that begins with https:// and"
            f" has no user name, no spaces and at most {MAX_URL_CHARACTERS} characters; use one, or"
            " send the image itself"
        )
    host, port = found["host"].lower(), int(found["port"] or HTTPS_PORT)
    target = (found["path"] or "/") + (found["query"] or "")
    return Location(
        host.strip("[]"),
        port,
        host if port == HTTPS_PORT else f"{host}:{port}",
        quote(target, safe=_SAFE, errors="replace"),
    )
