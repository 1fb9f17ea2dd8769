"""The bodies that arrive and wait: their places, their bytes and their rate."""

import asyncio
import time
from typing import Final, Self

from starlette.types import Scope

from phiz.api.server.clients import AddressPlaces, ClientPlaces, group_address
from phiz.errors import BodyTimeoutError, OverloadedError

MIN_BODY_RATE: Final = 500  # bytes per second, on average
BODY_GRACE_S: Final = 5.0  # before the rate counts
# An address may hold so much of the bytes that others leave, so that each newcomer finds some.
MAX_BYTES_SHARE: Final = 7 / 8
# Progress: another KiB. A body without it for so long gives its place up to others of its address.
PROGRESS_BYTES: Final = 1024
STALE_S: Final = 0.25
TAKE_BODY_KEY: Final = "phiz.take_body"
"""Key of a function that gives the body away, in the scope (ASGI) of a request whose body has
arrived before it is answered."""
_CHECK_S: Final = 1.0


def has_body(scope: Scope) -> bool:
    """Return whether the body of a request has arrived."""
    return TAKE_BODY_KEY in scope


def take_body(scope: Scope) -> bytes | None:
    """Return the body of a request, which nothing else keeps, or None if it has not arrived."""
    take = scope.get(TAKE_BODY_KEY)
    body: bytes | None = take() if take is not None else None
    return body


class BodyPlaces:
    """Places and bytes of all bodies.

    Attributes:
        held_bytes: Bytes of all bodies whose requests are not answered yet.
        max_bytes: Limit of ``held_bytes``.
    """

    def __init__(self, max_bodies: int, max_bytes: int) -> None:
        """Return free places.

        Args:
            max_bodies: Maximum number of bodies that arrive at once.
            max_bytes: Maximum bytes of all bodies together, until they are answered.
        """
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self._places = ClientPlaces["BodyReservation"](max_bodies)
        self._held_by: dict[str, int] = {}  # address

    def reserve(self, host: str, *, is_complete: bool = False) -> "BodyReservation":
        """Return the place of a body, from before its first byte until its request is answered.

        If none is free, the slowest body of the address with the most bodies is refused instead.

        Args:
            host: The address that it comes from.
            is_complete: Whether it has arrived, and needs room for its bytes alone.

        Returns:
            A context, at whose end the place and the bytes are free.

        Raises:
            OverloadedError: Too many bodies are arriving already, and none of them is slow.
        """
        address = group_address(host)
        if is_complete:
            return BodyReservation(self, address, None)
        body = BodyReservation(self, address, self._places.enter(address))
        if self._places.count > self._places.limit:
            try:
                self._free_place(body)
            except OverloadedError:
                body.finish_receiving()
                raise
        return body

    @property
    def arriving_bodies(self) -> int:
        """Bodies that are not complete yet."""
        return self._places.count

    def leave(self, body: "BodyReservation", client: AddressPlaces["BodyReservation"]) -> None:
        """Free the place of a body."""
        self._places.leave(client, body)

    def hold_bytes(self, body: "BodyReservation", size_bytes: int) -> None:
        """Hold bytes of a body that have arrived.

        Raises:
            OverloadedError: The bodies of its address, or all together, have too many bytes.
        """
        if self.held_bytes + size_bytes > self.max_bytes:
            self._free_bytes(body, size_bytes)
        address = body.address
        own_bytes = self._held_by.get(address, 0)
        others_bytes = self.held_bytes - own_bytes
        if own_bytes + size_bytes > MAX_BYTES_SHARE * (self.max_bytes - others_bytes):
            raise OverloadedError(
                f"the service already holds {own_bytes} bytes of bodies from your address, and"
                f" {others_bytes} from others; the limit is {self.max_bytes}; try again in a moment"
            )
        self._held_by[address] = own_bytes + size_bytes
        self.held_bytes += size_bytes
        body.size_bytes += size_bytes

    def release_bytes(self, body: "BodyReservation", size_bytes: int | None = None) -> None:
        """Hold so many bytes of a body no longer, or all of them."""
        if size_bytes is None:
            size_bytes = body.size_bytes
        body.size_bytes -= size_bytes
        if size_bytes:
            address = body.address
            self.held_bytes -= size_bytes
            self._held_by[address] -= size_bytes
            if not self._held_by[address]:
                del self._held_by[address]

    def _free_place(self, newcomer: "BodyReservation") -> None:
        limit = self._places.limit
        victim = self._places.choose_victim()
        if victim is None or (victim.address == newcomer.address and not victim.is_stale):
            raise OverloadedError(
                f"the service already receives the limit of {limit} bodies; try again in a moment"
            )
        victim.refuse(
            f"the service receives the limit of {limit} bodies, and this one was the slowest; send"
            " it at once, or use a faster connection"
        )

    def _free_bytes(self, newcomer: "BodyReservation", size_bytes: int) -> None:
        """Refuse bodies that make no progress, until these bytes have room."""
        while self.held_bytes + size_bytes > self.max_bytes:
            victim = self._places.choose_victim()
            if victim is None or victim is newcomer or not victim.is_stale:
                return
            victim.refuse(
                f"the service holds the limit of {self.max_bytes} bytes of bodies, and this one"
                " was the slowest; send it at once, or use a faster connection"
            )


class BodyReservation:
    """The place of one body.

    Attributes:
        address: The address that the body comes from, as of ``group_address``.
        size_bytes: Bytes that have arrived.
    """

    __slots__ = (
        "_client",
        "_places",
        "_progress_bytes",
        "_progress_s",
        "_refusal",
        "_started_s",
        "_timeout",
        "_timeout_s",
        "_timer",
        "address",
        "size_bytes",
    )

    def __init__(
        self, places: BodyPlaces, address: str, client: AddressPlaces["BodyReservation"] | None
    ) -> None:
        """Return the place of a body without bytes, which ``client`` has while it arrives."""
        self.address = address
        self.size_bytes = 0
        self._places = places
        self._client = client
        self._started_s = self._progress_s = time.monotonic()
        self._progress_bytes = 0
        self._refusal = ""
        self._timeout: asyncio.Timeout | None = None
        self._timeout_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.finish_receiving()
        self._places.release_bytes(self)

    @property
    def is_stale(self) -> bool:
        """Whether the body has made no progress for a while."""
        return time.monotonic() - self._progress_s >= STALE_S

    def start_timeout(self, timeout: asyncio.Timeout, timeout_s: float) -> None:
        """Let a timeout expire when the body is too slow, or has to give up its place."""
        assert self._client is not None, "the body is arriving"
        self._timeout, self._timeout_s = timeout, timeout_s
        self._client.line[self] = None
        self._timer = asyncio.get_running_loop().call_later(
            min(timeout_s, BODY_GRACE_S), self._check_rate
        )

    def add_bytes(self, size_bytes: int) -> None:
        """Hold bytes that have arrived.

        Raises:
            OverloadedError: The bodies of its address, or all together, have too many bytes.
            BodyTimeoutError: The body has given up its place.
        """
        if self._refusal:
            raise self.build_timeout_error()
        self._places.hold_bytes(self, size_bytes)
        if self._timeout is not None and self.size_bytes - self._progress_bytes >= PROGRESS_BYTES:
            assert self._client is not None, "the body is arriving"
            self._progress_bytes = self.size_bytes
            self._progress_s = time.monotonic()
            self._client.line.move_to_end(self)

    def drop_bytes(self, size_bytes: int) -> None:
        """Hold bytes no longer that have arrived."""
        self._places.release_bytes(self, size_bytes)

    def finish_receiving(self) -> None:
        """Free the place among the arriving bodies."""
        client, self._client = self._client, None
        if client is not None:
            self._timeout = None
            if self._timer is not None:
                self._timer.cancel()
            self._places.leave(self, client)

    def refuse(self, detail: str) -> None:
        """Give up the place and the bytes, and let the timeout expire."""
        self._refusal = detail
        timeout = self._timeout
        self.finish_receiving()
        self._places.release_bytes(self)
        if timeout is not None:
            timeout.reschedule(asyncio.get_running_loop().time())

    def build_timeout_error(self) -> BodyTimeoutError:
        """Return the error of a body that was refused."""
        return BodyTimeoutError(self._refusal)

    def _check_rate(self) -> None:
        """Refuse a body that is too slow, or look at it again later."""
        age_s = time.monotonic() - self._started_s
        rest_s = self._timeout_s - age_s
        if rest_s <= 0:
            self.refuse(
                f"the body was not complete after the limit of {self._timeout_s} s; send a smaller"
                " image"
            )
        elif self.size_bytes < MIN_BODY_RATE * age_s:
            self.refuse(
                f"{self.size_bytes} bytes of the body have arrived in {age_s:.1f} s; the limit is"
                f" {MIN_BODY_RATE} bytes per second; use a faster connection"
            )
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(min(rest_s, _CHECK_S), self._check_rate)
