import asyncio
import gc
import time

import pytest

from phiz.api.fetch.answer import READ_BYTES, HostAnswer, read_answer
from phiz.errors import ImageBytesError, PhizError, UrlAnswerError

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
MAX_BYTES = 20_000_000


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def read(*pieces: bytes, max_bytes: int = MAX_BYTES) -> HostAnswer:
    """Read an answer that arrives in pieces, after which the connection ends."""
    reader = asyncio.StreamReader()
    task = asyncio.create_task(read_answer(reader, max_bytes, lambda _: None))
    for piece in pieces:
        await asyncio.sleep(0)
        reader.feed_data(piece)
    reader.feed_eof()
    return await task


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(OK + b"content-length: 8\r\n\r\nan image", id="length"),
        pytest.param(OK + b"content-length: 8\r\n\r\nan image and more", id="more"),
        pytest.param(CHUNKED + b"2\r\nan\r\n6\r\n image\r\n0\r\n\r\n", id="chunked"),
        pytest.param(CHUNKED + b"8;a=b\r\nan image\r\n0\r\nlocation: x\r\n\r\n", id="trailer"),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 8\r\n\r\nan image",
            id="interim",
        ),
    ],
)
async def test_answer_is_read_whole_and_byte_by_byte(whole: bytes) -> None:
    for pieces in ((whole,), tuple(whole[place : place + 1] for place in range(len(whole)))):
        answer = await read(*pieces)
        assert (answer.status, bytes(answer.body)) == (200, b"an image")
        assert b"location" not in answer.headers


async def test_other_status_is_read_without_its_body() -> None:
    answer = await read(b"HTTP/1.1 302 Found\r\nLocation: /a\r\ncontent-length: 100\r\n\r\n")
    assert (answer.status, answer.headers[b"location"]) == (302, b"/a")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"", UrlAnswerError),
        (OK, UrlAnswerError),
        (b"SSH-2.0-OpenSSH_9.6\r\n", UrlAnswerError),
        (OK + b"content-length: 9\r\n\r\nan image", UrlAnswerError),
        (OK + b"content-length: -1\r\n\r\n", UrlAnswerError),
        (OK + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", UrlAnswerError),
        (OK + b"content-length: 99999999999999999999999\r\n\r\n", UrlAnswerError),
        (CHUNKED + b"8\r\nan image\r\n", UrlAnswerError),
        (CHUNKED + b"-8\r\nan image\r\n", UrlAnswerError),
        (OK + b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\nan", UrlAnswerError),
        (OK + b"content-encoding: br\r\n\r\n", UrlAnswerError),
        (OK + b"content-length: 20000001\r\n\r\n", ImageBytesError),
        (OK + b"\r\nan image", UrlAnswerError),
        (CHUNKED + b"1312d01\r\n" + bytes(20_000_001), ImageBytesError),
    ],
)
async def test_bad_answer_is_refused(text: bytes, error: type[PhizError]) -> None:
    with pytest.raises(error):
        await read(text)


async def test_image_of_just_the_limit_is_read() -> None:
    image_bytes = bytes(1_000_000)
    head = OK + b"content-length: 1000000\r\n\r\n"
    answer = await read(head + image_bytes, max_bytes=len(image_bytes))
    assert len(answer.body) == len(image_bytes)


async def test_chunks_of_a_usual_size_are_read() -> None:
    chunk = b"400\r\n" + bytes(1024) + b"\r\n"
    answer = await read(CHUNKED + 1000 * chunk + b"0\r\n\r\n")
    assert len(answer.body) == 1024 * 1000


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        pytest.param(OK, b"x:\r\n", id="headers"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="interim"),
        pytest.param(CHUNKED, b"1\r\nx\r\n", id="chunks"),
        pytest.param(CHUNKED, b"1;" + b"y" * 100 + b"\r\nx\r\n", id="extensions"),
        pytest.param(CHUNKED + b"1\r\nx\r\n0\r\n", b"x:\r\n", id="trailers"),
    ],
)
async def test_overhead_is_refused_before_it_takes_long(first: bytes, rest: bytes) -> None:
    text = first + rest * (1_000_000 // len(rest))
    reader = asyncio.StreamReader(limit=READ_BYTES)
    reader.feed_data(text)
    gc.collect()
    started_s = time.thread_time()
    with pytest.raises(UrlAnswerError, match="not of the image"):
        await read_answer(reader, MAX_BYTES, lambda _: None)
    assert time.thread_time() - started_s < 0.2
    left = len(reader._buffer)  # type: ignore[attr-defined]  # noqa: SLF001  what was not read
    assert len(text) - left <= 3 * READ_BYTES
