"""API keys: their file, which is read again when it changes, and the key of a request.

Only the SHA-256 of each key is kept. A key has 256 random bits, so nobody can guess it from its
hash, and a slow hash would add time to each request but no safety. The hash of the sent key is
looked up in a table, so the time of the answer says nothing about the bytes of a stored key.
"""

import hashlib
import logging
import os
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from phiz.api.security.rates import Rate
from phiz.errors import SettingError

DETECT_SCOPE: Final = "detect"
METRICS_SCOPE: Final = "metrics"
DOCS_SCOPE: Final = "docs"
SCOPES: Final = (DETECT_SCOPE, METRICS_SCOPE, DOCS_SCOPE)
KEY_PREFIX: Final = "phiz_"  # scanners of published sources find such keys
KEY_BYTES: Final = 32  # of randomness
HASH_PREFIX: Final = "sha256:"
RELOAD_INTERVAL_S: Final = 1.0
MAX_FILE_BYTES: Final = 1024 * 1024
LINE_FORMAT: Final = "NAME sha256:HASH [scopes=detect,metrics,docs] [rate=20/s] [burst=40]"
_NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HASH_PATTERN: Final = re.compile(r"[0-9a-f]{64}")
_ENTRY_END: Final = re.compile(r"[;\n]")
_COMMENT: Final = re.compile(r"#[^\n]*")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, without the key itself.

    Attributes:
        name: Its name, which logs show.
        scopes: What it allows.
        rate: Its rate, or None for the default.
    """

    name: str
    scopes: frozenset[str]
    rate: Rate | None


KeyTable: TypeAlias = Mapping[bytes, ApiKey]
"""The keys by their SHA-256."""


def hash_key(key: bytes) -> bytes:
    """Return the SHA-256 of a key."""
    return hashlib.sha256(key).digest()


def create_key() -> str:
    """Return a new random key."""
    return KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def format_line(key: str, name: str, scopes: Sequence[str] = (), rate: str = "") -> str:
    """Return the line of a key for the file.

    Raises:
        SettingError: The name, a scope or the rate is invalid.
    """
    words = [name, HASH_PREFIX + hash_key(key.encode()).hex()]
    words += [f"scopes={','.join(scopes)}"] if scopes else []
    words += [f"rate={rate}"] if rate else []
    line = " ".join(words)
    _parse_entry(line)
    return line


def parse_keys(text: str) -> KeyTable:
    """Return the keys of a text: one on each line, or separated by semicolons.

    A ``#`` begins a comment, up to the end of its line. Errors name the line, and never show its
    content.

    Raises:
        SettingError: An entry is invalid, or a name or a key occurs twice.
    """
    keys: dict[bytes, ApiKey] = {}
    for number, entry in enumerate(_ENTRY_END.split(_COMMENT.sub("", text)), 1):
        words = " ".join(entry.split())
        if not words:
            continue
        try:
            _add_entry(keys, words)
        except SettingError as error:
            raise SettingError(
                f"entry {number} of PHIZ_API_KEYS is invalid: {error}; the form is {LINE_FORMAT},"
                " as phiz key prints it"
            ) from None
    if not keys:
        raise SettingError("PHIZ_API_KEYS has no key; create one with: phiz key NAME")
    return keys


def _add_entry(keys: dict[bytes, ApiKey], entry: str) -> None:
    digest, key = _parse_entry(entry)
    if digest in keys or key.name in {other.name for other in keys.values()}:
        raise SettingError("its name or its hash occurs twice")
    keys[digest] = key


def _parse_entry(entry: str) -> tuple[bytes, ApiKey]:
    name, _, rest = entry.partition(" ")
    hashed, *words = rest.split() or [""]
    if not _NAME_PATTERN.fullmatch(name):
        raise SettingError("its name does not have 1 to 64 letters, digits, dots or dashes")
    digits = hashed.removeprefix(HASH_PREFIX)
    if digits == hashed or not _HASH_PATTERN.fullmatch(digits):
        raise SettingError(f"its hash is not {HASH_PREFIX} and 64 lower-case hexadecimal digits")
    options = dict(word.partition("=")[::2] for word in words)
    if len(options) < len(words) or not options.keys() <= {"scopes", "rate", "burst"}:
        raise SettingError("its options are not scopes, rate and burst, each once")
    scopes = frozenset(options.get("scopes", DETECT_SCOPE).split(","))
    if not scopes <= {*SCOPES}:
        raise SettingError(f"its scopes are not of {', '.join(SCOPES)}")
    rate = None
    if "rate" in options or "burst" in options:
        rate = Rate.parse(options.get("rate", ""), options.get("burst", ""))
    return bytes.fromhex(digits), ApiKey(name, scopes, rate)


class KeyRing:
    """The keys of the service. Those of a file are read again when it changes."""

    def __init__(self, keys: KeyTable, path: Path | None = None, version: object = None) -> None:
        """Return a ring with these keys, and the file that they come from."""
        self._keys = keys
        self._path = path
        self._version = version
        self._next_look_s = 0.0

    def find_key(self, sent: bytes) -> ApiKey | None:
        """Return the key that a client has sent, or None if it is not one of the service's."""
        if self._path is not None and (now := time.monotonic()) >= self._next_look_s:
            self._next_look_s = now + RELOAD_INTERVAL_S
            self._reload(self._path)
        return self._keys.get(hash_key(sent))

    def _reload(self, path: Path) -> None:
        """Read the file if it has changed. An unusable one leaves the keys as they are."""
        try:
            version = _read_version(path)
            if version == self._version:
                return
            self._version = version  # so that an error is logged once
            self._keys = parse_keys(_read_file(path))
        except (OSError, SettingError) as error:
            if self._version is not None:
                reason = error.strerror if isinstance(error, OSError) else error
                _log.error("the API keys stay as they were: %s", reason)
            if isinstance(error, OSError):
                self._version = None
        else:
            _log.info("read %d API keys", len(self._keys))


def open_key_ring(setting: str | None) -> KeyRing | None:
    """Return the keys of ``PHIZ_API_KEYS``, or None if it is not set.

    Args:
        setting: A list of keys as in the file, or the path of the file.

    Raises:
        SettingError: The list is invalid, or the file cannot be read.
    """
    if setting is None:
        return None
    if HASH_PREFIX in setting:
        return KeyRing(parse_keys(setting))
    path = Path(setting)
    try:
        version = _read_version(path)
        return KeyRing(parse_keys(_read_file(path)), path, version)
    except (OSError, ValueError) as error:  # neither shows the setting, which may be a key
        reason = getattr(error, "strerror", None) or "not a path"
        raise SettingError(
            f"PHIZ_API_KEYS is neither a list of hashes nor a readable file ({reason}); create a"
            " key with: phiz key NAME"
        ) from None


def _read_version(path: Path) -> tuple[int, ...]:
    found = os.stat(path)  # noqa: PTH116  of what a link leads to, as Kubernetes' secrets are
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read_file(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise SettingError(f"the file of PHIZ_API_KEYS is larger than {MAX_FILE_BYTES} bytes")
    return content.decode("utf-8", "replace")
