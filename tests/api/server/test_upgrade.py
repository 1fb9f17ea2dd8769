import pytest

from phiz.api.server.upgrade import format_stream_request, is_stream_request

HEADERS = [
    (b"host", b"x"),
    (b"cookie", b"a=b"),
    (b"upgrade", b"websocket"),
    (b"connection", b"keep-alive, Upgrade"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]


def replace(name: bytes, *values: bytes) -> list[tuple[bytes, bytes]]:
    kept = [header for header in HEADERS if header[0] != name]
    return kept + [(name, value) for value in values]


@pytest.mark.parametrize("url", [b"/stream", b"/stream?model=front"])
@pytest.mark.parametrize(
    "headers",
    [
        HEADERS,
        replace(b"upgrade", b"WebSocket"),
        replace(b"sec-websocket-protocol", b"phiz, phiz.key.abc_1", b"phiz"),
    ],
)
def test_request_of_a_websocket_client_is_one_for_a_stream(
    url: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    assert is_stream_request(b"GET", url, headers)


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        (b"POST", b"/stream", HEADERS),
        (b"GET", b"/detect", HEADERS),
        (b"GET", b"/streams", HEADERS),
        (b"GET", b"/stream?" + b"a" * 8000, HEADERS),
        (b"GET", b"/stream?x=\xe4", HEADERS),
        (b"GET", b"/stream", replace(b"content-length", b"3")),
        (b"GET", b"/stream", replace(b"transfer-encoding", b"chunked")),
        (b"GET", b"/stream", replace(b"upgrade", b"h2c")),
        (b"GET", b"/stream", replace(b"upgrade", b"websocket, h2c")),
        (b"GET", b"/stream", replace(b"upgrade", b"h2c", b"websocket")),
        (b"GET", b"/stream", replace(b"sec-websocket-protocol", b"phiz", b"phiz key")),
        (b"GET", b"/stream", replace(b"sec-websocket-protocol", b"phiz.key.\xe4")),
        (b"GET", b"/stream", replace(b"connection", b"close")),
        (b"GET", b"/stream", replace(b"sec-websocket-version", b"8")),
        (b"GET", b"/stream", replace(b"sec-websocket-version")),
        (b"GET", b"/stream", replace(b"sec-websocket-key")),
        (b"GET", b"/stream", replace(b"sec-websocket-key", b"c2hvcnQ=")),
        (b"GET", b"/stream", replace(b"sec-websocket-key", b"no base64")),
        (b"GET", b"/stream", replace(b"sec-websocket-key", *[b"dGhlIHNhbXBsZSBub25jZQ=="] * 2)),
        (b"GET", b"/stream", replace(b"origin", b"a" * 8001)),
    ],
)
def test_other_request_is_answered_in_http(
    method: bytes, url: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    assert not is_stream_request(method, url, headers)


def test_head_is_formatted_without_cookies() -> None:
    head = format_stream_request(b"/stream?a=b", HEADERS[:3])
    assert head == b"GET /stream?a=b HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n\r\n"
