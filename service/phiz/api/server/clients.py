"""Places that clients take: when all are taken, the client with the most gives one up.

No address can keep the others out, and a proxy with the requests of everybody may have all places.
So neither needs a share that somebody would have to set.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Final, Generic, TypeVar

from starlette.types import Scope

Holder = TypeVar("Holder")

_PREFIX_BYTES: Final = 8  # of an IPv6 address: a client gets a /64 network (RFC 6177)


@dataclass(slots=True, eq=False)
class AddressPlaces(Generic[Holder]):
    """The places of one address.

    Attributes:
        address: The address, or the network of an IPv6 address.
        count: Number of places that it has.
        line: Holders that may be ended, those longest without progress first.
    """

    address: str
    count: int = 0
    line: OrderedDict[Holder, None] = field(default_factory=OrderedDict)


class ClientPlaces(Generic[Holder]):
    """Places of all clients together.

    Attributes:
        limit: Maximum number of places.
        count: Number of places that are taken; one more than the limit while a newcomer waits.
    """

    def __init__(self, limit: int) -> None:
        """Return free places."""
        self.limit = limit
        self.count = 0
        self._clients: dict[str, AddressPlaces[Holder]] = {}

    def enter(self, host: str) -> AddressPlaces[Holder]:
        """Take a place, even if none is free, and return the client that has it."""
        address = group_address(host)
        client = self._clients.get(address)
        if client is None:
            client = self._clients[address] = AddressPlaces(address)
        client.count += 1
        self.count += 1
        return client

    def leave(self, client: AddressPlaces[Holder], holder: Holder) -> None:
        """Free a place."""
        client.line.pop(holder, None)
        client.count -= 1
        self.count -= 1
        if not client.count:
            del self._clients[client.address]

    def choose_victim(self) -> Holder | None:
        """Return the holder that should give its place up, or None if none may be ended.

        It is the one of the client with the most places that is longest without progress.
        """
        clients = (client for client in self._clients.values() if client.line)
        largest = max(clients, key=lambda client: client.count, default=None)
        return None if largest is None else next(iter(largest.line))


def get_address(scope: Scope) -> str:
    """Return the address that a request comes from, as of ``group_address``; empty without one."""
    client = scope.get("client")
    return group_address(str(client[0])) if client else ""


def group_address(host: str) -> str:
    """Return what clients are told apart by: an IPv4 address, or the network of an IPv6 one."""
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:  # a server that is not ours gives another name
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(address.packed[:_PREFIX_BYTES] + bytes(16 - _PREFIX_BYTES)))
