"""Counts what a connection sends, request by request, against the limits of heads and bodies."""

import re
from typing import Final

from phiz.api.server.request_head import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_TINY_CHUNKS,
    MIN_CHUNK_BYTES,
    build_chunks_error,
    build_size_error,
    build_trailer_error,
)

END_OF_HEAD: Final = b"\r\n\r\n"
_EMPTY_LINES: Final = re.compile(rb"[\r\n]*")
_CHUNKED_PIECE_BYTES: Final = 16 * 1024


class RequestMeter:
    """Counts the bytes of the request that is being received.

    Attributes:
        announced_bytes: Bytes of its body, by its ``Content-Length``; 0 without one.
        is_receiving: Whether a request has begun and is not complete.
        is_receiving_head: Whether its head is not complete.
    """

    __slots__ = (
        "_body_bytes",
        "_end_of_piece",
        "_further_chunks",
        "_has_body",
        "_head_bytes",
        "_trailer_bytes",
        "announced_bytes",
        "is_receiving",
        "is_receiving_head",
    )

    def __init__(self) -> None:
        """Wait for a request."""
        self.is_receiving = False
        self.is_receiving_head = False
        self._head_bytes = 0  # after the piece that the head began in
        self._end_of_piece = b""  # of the last piece of a head
        self.announced_bytes = 0
        self._body_bytes = 0
        self._has_body = False  # whether the last piece had a part of the body
        self._further_chunks = 0  # that came with another one
        self._trailer_bytes = 0  # since the last part of the body

    def begin_request(self) -> None:
        """Count a new request."""
        self.is_receiving = self.is_receiving_head = True

    def restart_head(self) -> None:
        """Count the same head again, because it is changed."""
        self.is_receiving = self.is_receiving_head = False
        self._head_bytes = 0

    def end_head(self, length: bytes) -> None:
        """Count the body from now on, by its ``Content-Length``, or nothing."""
        self.is_receiving_head = False
        self._head_bytes = self._trailer_bytes = self._body_bytes = self._further_chunks = 0
        # The parser has read the length, and refuses another one beside it.
        self.announced_bytes = int(length) if length else 0

    def end_request(self) -> None:
        """Wait for the next request."""
        self.is_receiving = False

    def choose_end(self, data: bytes, start: int) -> int:
        """Return where the next piece of data ends, which the parser reads at once.

        It is so short that few requests can wait for the answer to another: a head, the rest of a
        body, or a part of a body in chunks.
        """
        if not self.is_receiving or self.is_receiving_head:
            end = min(self._find_end_of_head(data, start), start + self._count_rest_of_head())
            before = self._end_of_piece if self.is_receiving_head else b""
            kept = len(END_OF_HEAD) - 1
            self._end_of_piece = (before + data[max(start, end - kept) : end])[-kept:]
            return end
        rest_bytes = self.announced_bytes - self._body_bytes
        return start + (rest_bytes if rest_bytes > 0 else _CHUNKED_PIECE_BYTES)

    def _find_end_of_head(self, data: bytes, start: int) -> int:
        """Return where a head ends, or the end of the data."""
        if self.is_receiving_head:
            # The end may have begun in the last piece.
            before = self._end_of_piece
            joined = before + data[start : start + len(END_OF_HEAD) - 1]
            end = joined.find(END_OF_HEAD)
            if end >= 0:
                return start + end + len(END_OF_HEAD) - len(before)
            first = start
        else:
            # Empty lines before a head are one piece with it: each piece takes its time.
            found = _EMPTY_LINES.match(data, start)
            first = found.end() if found is not None else start
        end = data.find(END_OF_HEAD, first)
        return len(data) if end < 0 else end + len(END_OF_HEAD)

    def _count_rest_of_head(self) -> int:
        return max(1, MAX_HEAD_BYTES - self._head_bytes)

    def count_piece(self, size_bytes: int) -> None:
        """Count a piece before the parser reads it.

        Raises:
            RequestHeadError: A head of the maximum size is not complete.
        """
        self._has_body = False
        if self.is_receiving_head:
            self._head_bytes += size_bytes
            if self._head_bytes > MAX_HEAD_BYTES:
                raise build_size_error()

    def count_body(self, size_bytes: int) -> None:
        """Count a part of a body.

        Raises:
            RequestHeadError: It comes in too many small chunks.
        """
        self._body_bytes += size_bytes
        self._further_chunks += self._has_body
        if self._further_chunks > MAX_TINY_CHUNKS + self._body_bytes // MIN_CHUNK_BYTES:
            raise build_chunks_error()
        self._has_body = True

    def count_trailers(self, size_bytes: int) -> None:
        """Count a piece that the parser has read, if it was of trailers.

        Raises:
            RequestHeadError: They are too large.
        """
        if self._has_body or self.is_receiving_head or not self.is_receiving:
            self._trailer_bytes = 0
            return
        self._trailer_bytes += size_bytes
        if self._trailer_bytes > MAX_HEAD_BYTES:
            raise build_trailer_error()


class TrailerCounter(list[tuple[bytes, bytes]]):
    """The trailers of a body: counted, and dropped."""

    __slots__ = ("_count",)

    def __init__(self) -> None:
        """Return no trailers."""
        super().__init__()
        self._count = 0

    def append(self, _trailer: tuple[bytes, bytes]) -> None:
        """Count a trailer.

        Raises:
            RequestHeadError: There are too many.
        """
        self._count += 1
        if self._count > MAX_HEADERS:
            raise build_trailer_error()
