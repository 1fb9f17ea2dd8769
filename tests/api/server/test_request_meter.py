import pytest

from phiz.api.server.request_head import MAX_HEAD_BYTES, MAX_HEADERS, RequestHeadError
from phiz.api.server.request_meter import RequestMeter, TrailerCounter

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
BODY = b"\r\n\r\n of a body \r\n\r\n"


def begin(length: bytes = b"") -> RequestMeter:
    """Return a meter whose request has a complete head."""
    meter = RequestMeter()
    meter.begin_request()
    meter.end_head(length)
    return meter


def test_piece_is_one_head() -> None:
    meter = RequestMeter()
    data = GET + GET + GET[:10]
    assert meter.choose_end(data, 0) == len(GET)
    assert meter.choose_end(data, len(GET)) == 2 * len(GET)
    assert meter.choose_end(data, 2 * len(GET)) == len(data)


def test_empty_lines_before_a_head_are_in_its_piece() -> None:
    assert RequestMeter().choose_end(b"\r\n\r\n" + GET, 0) == 4 + len(GET)


def test_empty_lines_are_read_in_few_pieces() -> None:
    data, pieces, start = b"\r\n" * (1 << 17), 0, 0
    meter = RequestMeter()
    while start < len(data):
        start = meter.choose_end(data, start)
        pieces += 1
    assert pieces <= 5


@pytest.mark.parametrize("size", [1, 2, 3, 5, 20])
def test_end_of_a_head_is_found_however_it_is_cut(size: int) -> None:
    data, meter = GET + BODY, RequestMeter()
    for start in range(0, len(GET), size):
        received = data[start : start + size]
        if start + size >= len(GET):  # the rest comes with the last of it
            received = data[start:]
        end = meter.choose_end(received, 0)
        assert start + end == min(start + size, len(GET))
        meter.count_piece(end)
        meter.begin_request()


def test_body_behind_the_end_of_a_head_does_not_count_towards_it() -> None:
    meter = RequestMeter()
    for received in (GET[:40], GET[40:-4], GET[-4:-2]):
        meter.count_piece(meter.choose_end(received, 0))
        meter.begin_request()
    assert meter.choose_end(GET[-2:] + bytes(100_000), 0) == 2


def test_head_without_an_end_is_read_in_pieces_of_the_limit() -> None:
    assert RequestMeter().choose_end(bytes(3 * MAX_HEAD_BYTES), 10) == 10 + MAX_HEAD_BYTES


def test_piece_is_the_rest_of_an_announced_body() -> None:
    meter = begin(b"%d" % len(BODY))
    assert meter.choose_end(BODY + GET, 0) == len(BODY)
    meter.count_piece(4)
    meter.count_body(4)
    assert meter.choose_end(BODY + GET, 4) == len(BODY)
    meter.end_request()
    assert meter.choose_end(BODY + GET, len(BODY)) == len(BODY + GET)


def test_body_in_chunks_is_read_in_short_pieces() -> None:
    meter = begin()
    for start in (7, 7 + 16 * 1024):
        assert meter.choose_end(bytes(1 << 20), start) == start + 16 * 1024
        meter.count_piece(16 * 1024)
        meter.count_body(16 * 1024 - 8)


def test_head_over_the_limit_is_refused() -> None:
    meter = RequestMeter()
    meter.begin_request()
    meter.count_piece(MAX_HEAD_BYTES)
    with pytest.raises(RequestHeadError, match="the request head is too large"):
        meter.count_piece(1)


def test_trailers_over_the_limit_are_refused() -> None:
    meter = begin()
    meter.count_piece(100)
    meter.count_body(90)
    meter.count_trailers(100)
    meter.count_piece(MAX_HEAD_BYTES)
    meter.count_trailers(MAX_HEAD_BYTES)
    meter.count_piece(1)
    with pytest.raises(RequestHeadError, match="the trailers of the request are too large"):
        meter.count_trailers(1)


def test_trailers_are_counted_and_dropped() -> None:
    trailers = TrailerCounter()
    for _ in range(MAX_HEADERS):
        trailers.append((b"t", b""))
    assert trailers == []
    with pytest.raises(RequestHeadError, match=f"the limit is {MAX_HEADERS} trailers"):
        trailers.append((b"t", b""))
