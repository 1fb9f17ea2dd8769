"""Addresses that images are fetched from, and the answers of their hosts."""

import asyncio
from collections.abc import Iterator
from typing import Final

from phiz.api.fetch.answer import HostAnswer, read_answer
from phiz.api.fetch.hosts import HostRules
from phiz.api.fetch.location import parse_url
from phiz.errors import PhizError

_MAX_BYTES: Final = 1000
_LARGEST_PIECE: Final = 64
_LOOP: Final = asyncio.new_event_loop()
_PUBLIC: Final = HostRules.from_setting(["public"])


class _Pieces(asyncio.StreamReader):
    """A connection on which some bytes arrive, and then the end."""

    def __init__(self, pieces: list[bytes]) -> None:
        super().__init__(loop=_LOOP)
        self._pieces = pieces

    async def read(self, n: int = -1) -> bytes:
        assert n >= _LARGEST_PIECE
        return self._pieces.pop(0) if self._pieces else b""


def read_host_answer(content: bytes) -> None:
    """Read an answer, and read it again in other pieces: its image is the same.

    The first byte is the size of the pieces.
    """
    size, answer = content[:1], content[1:]
    step = (size[0] if size else 0) % _LARGEST_PIECE + 1
    whole = _read_pieces([answer] if answer else [])
    parted = _read_pieces([answer[at : at + step] for at in range(0, len(answer), step)])
    if whole is None or parted is None:  # the limit of all but the image counts by piece
        return
    assert whole.status == parted.status
    if whole.is_complete and parted.is_complete:
        assert whole.body == parted.body


def _read_pieces(pieces: list[bytes]) -> HostAnswer | None:
    """Return the answer, or None if it is refused."""
    counted: list[int] = []
    try:
        answer = _LOOP.run_until_complete(read_answer(_Pieces(pieces), _MAX_BYTES, counted.append))
    except PhizError:
        return None
    assert len(answer.body) <= _MAX_BYTES or answer.status != 200  # noqa: PLR2004  OK
    return answer


def read_address(content: bytes) -> None:
    """Read an address: no part of it can end a line of the request, or name another host."""
    text = content.decode("utf-8", "replace")
    try:
        location = parse_url(text)
        _PUBLIC.choose_check(location.host, location.port)
    except PhizError:
        return
    for part in (location.host, location.authority, location.target):
        assert part.isascii()
        assert part.isprintable()
        assert " " not in part
    assert location.target.startswith("/")
    assert text.lower().startswith(f"https://{location.authority.partition(':')[0]}")


def list_answers() -> Iterator[bytes]:
    """Yield good answers, and those of other kinds."""
    ok = b"HTTP/1.1 200 OK\r\n"
    yield b"\x3f" + ok + b"Content-Length: 5\r\n\r\nimage"
    yield (
        b"\3"
        + ok
        + b"Transfer-Encoding: chunked\r\n\r\n3\r\nima\r\n2;x=y\r\nge\r\n0\r\nA: b\r\n\r\n"
    )
    yield b"\0HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok + b"Content-Length: 1\r\n\r\nx"
    yield b"\1HTTP/1.1 302 Found\r\nLocation: https://b.example/\r\nContent-Length: 0\r\n\r\n"
    yield b"\1" + ok + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"
    yield b"\1" + ok + b"Content-Length: 5000\r\n\r\n" + bytes(1500)
    yield b"\1" + ok + b"Upgrade: h2c\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n"
    yield b"\1HTTP/1.0 200 OK\r\n\r\nuntil the end"


def list_addresses() -> Iterator[bytes]:
    """Yield addresses that are allowed, and those that are not."""
    yield b"https://images.example.org/a/face.jpg?size=1&x=%20#top"
    yield b"https://images.example.org:8443/"
    yield b"https://[2001:db8::1]/x"
    yield b"https://2130706433/"
    yield b"https://user@127.0.0.1/"
    yield b"https://0x7f.1/"
    yield b"https://\xe2\x93\x94xample.org/\r\nHost: other"
    yield b"http://images.example.org/"
