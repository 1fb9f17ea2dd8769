"""The hosts that images may be fetched from, by their names and by their addresses.

A name is checked before it is looked up, and its addresses are checked before a connection.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, Self, TypeAlias

from phiz.errors import SettingError, UrlNotAllowedError

IpAddress: TypeAlias = IPv4Address | IPv6Address
AddressCheck: TypeAlias = Callable[[IpAddress], bool]
"""Returns whether a connection to an address is allowed."""

HTTPS_PORT: Final = 443
PUBLIC: Final = "public"
LOCALHOST: Final = "localhost"
ENTRY_HELP: Final = (
    "an entry is public, a name such as images.example.org or *.example.org, or an IP address,"
    " and may end with a port such as :8443"
)

_NAME: Final = re.compile(r"(?!.{254})[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
# Resolvers read such names as IPv4 addresses in decimal, octal or hexadecimal.
_NUMERIC_END: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_ENTRY: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]+)(?::([0-9]{1,5}))?")
_MAX_PORT: Final = 65535
# RFC 6052: an IPv4 address in the last four bytes.
_NAT64: Final = IPv6Network("64:ff9b::/96")
# Of clouds whose metadata is not at a link-local address: Azure, Alibaba, AWS.
_METADATA: Final = frozenset(map(ip_address, ("168.63.129.16", "100.100.100.200", "fd00:ec2::254")))


@dataclass(frozen=True, slots=True)
class HostEntry:
    """An entry of the list of hosts.

    Attributes:
        name: Name in lower case, or an address; ``.example.org`` for all names below it.
        port: The only allowed port.
    """

    name: str
    port: int

    def matches(self, host: str) -> bool:
        """Return whether a host is this one, or below it."""
        return host.endswith(self.name) if self.name.startswith(".") else host == self.name


@dataclass(frozen=True, slots=True)
class HostRules:
    """The hosts that images may be fetched from.

    Attributes:
        entries: Listed hosts.
        allows_public: Whether every host with public addresses is allowed.
    """

    entries: tuple[HostEntry, ...]
    allows_public: bool

    @classmethod
    def from_setting(cls, entries: Iterable[str]) -> Self:
        """Return the rules of a list in which ``public`` stands for all public hosts.

        Raises:
            SettingError: An entry is not a host.
        """
        names = [entry.lower() for entry in entries]
        listed = tuple(_parse_entry(name) for name in names if name != PUBLIC)
        return cls(listed, PUBLIC in names)

    def choose_check(self, host: str, port: int) -> AddressCheck:
        """Return the check that every address of a host must pass.

        Args:
            host: Name or address, in ASCII and lower case.
            port: TCP port.

        Raises:
            UrlNotAllowedError: The host or its port is not allowed, whatever its addresses.
        """
        for entry in self.entries:
            if entry.port == port and entry.matches(host):
                return _choose_listed_check(host)
        if self.allows_public and port == HTTPS_PORT and "." in host and _is_name(host):
            return is_public_address
        raise UrlNotAllowedError(
            "images are not fetched from the host or port of this url; use a host that the service"
            " allows, by its name"
            if self.allows_public
            else "the host and port of this url are not in the list of the service; use a host that"
            " it allows, or send the image itself"
        )


def _parse_entry(entry: str) -> HostEntry:
    found = _ENTRY.fullmatch(entry)
    host, port = (found[1], int(found[2] or HTTPS_PORT)) if found is not None else ("", 0)
    literal = _parse_address(host.strip("[]"))
    is_host = literal is not None or _is_name(host.removeprefix("*."))
    if not is_host or not 0 < port <= _MAX_PORT:
        raise SettingError(f"PHIZ_URL_HOSTS has the entry {entry!r}; {ENTRY_HELP}")
    return HostEntry(host.removeprefix("*") if literal is None else str(literal), port)


def _is_name(host: str) -> bool:
    return _NAME.fullmatch(host) is not None and _NUMERIC_END.fullmatch(host) is None


def _parse_address(host: str) -> IpAddress | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _choose_listed_check(host: str) -> AddressCheck:
    """Return the check of a listed host. An operator who lists an address means that address."""
    if (literal := _parse_address(host)) is not None:
        return lambda address: address == literal
    return is_loopback_address if host == LOCALHOST else is_host_address


def is_loopback_address(address: IpAddress) -> bool:
    """Return whether an address is of this machine itself."""
    return address.is_loopback


def is_public_address(address: IpAddress) -> bool:
    """Return whether an address is of a host on the public internet."""
    return is_host_address(address) and _unwrap_address(address).is_global


def is_host_address(address: IpAddress) -> bool:
    """Return whether an address is of another host, on the internet or in a private network.

    Metadata services of clouds do not count.
    """
    inner = _unwrap_address(address)
    return not (
        inner.is_loopback
        or inner.is_link_local
        or inner.is_multicast
        or inner.is_reserved
        or inner.is_unspecified
        or inner in _METADATA
        or (isinstance(inner, IPv6Address) and _is_outdated(inner))
    )


def _unwrap_address(address: IpAddress) -> IpAddress:
    """Return the IPv4 address that an IPv6 address leads to, or else the address."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(address.packed[-4:])
    return address


def _is_outdated(address: IPv6Address) -> bool:
    """Return whether an address is of a tunnel (6to4, Teredo), or site-local."""
    return address.is_site_local or address.sixtofour is not None or address.teredo is not None
