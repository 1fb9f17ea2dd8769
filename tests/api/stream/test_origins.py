import pytest

from phiz.api.security.cors import CorsRules
from phiz.api.stream.origins import check_origin
from phiz.errors import OriginError

ALLOWED = ("https://app.example.org", "http://localhost:3000")


def check(host: str, origin: str | None, allowed: tuple[str, ...] = ALLOWED) -> None:
    headers = [(b"host", host.encode())]
    headers += [] if origin is None else [(b"origin", origin.encode())]
    cors = CorsRules.from_setting(allowed) if allowed else None
    check_origin({"type": "websocket", "headers": headers}, cors)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8000", None),
        ("localhost:8000", "http://localhost:8000"),
        ("LOCALHOST:8000", "http://localhost:8000"),
        ("faces.example.org", "https://faces.example.org"),
        ("faces.example.org", "https://faces.example.org:443"),
        ("faces.example.org:80", "http://faces.example.org"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("localhost:8000", "https://app.example.org"),
        ("localhost:8000", "http://localhost:3000"),
    ],
)
def test_own_pages_and_allowed_ones_may_open_a_stream(host: str, origin: str | None) -> None:
    check(host, origin)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8000", "https://evil.example"),
        ("localhost:8000", "http://localhost"),
        ("localhost:8000", "http://localhost:8001"),
        ("localhost:8000", "http://127.0.0.1:8000"),
        ("localhost:8000", "http://localhost:8000.evil.example"),
        ("localhost:8000", "https://app.example.org.evil.example"),
        ("localhost:8000", "http://app.example.org"),
        ("localhost:8000", "null"),
        ("localhost:8000", ""),
        ("localhost:8000", "file://localhost:8000"),
        ("localhost:8000", "http://localhost:99999999"),
        ("localhost:8000", "http://[broken"),
        ("faces.example.org", "http://faces.example.org:443"),
    ],
)
def test_page_of_another_origin_is_refused(host: str, origin: str) -> None:
    for allowed in (ALLOWED, ()):
        with pytest.raises(OriginError, match="PHIZ_CORS_ORIGINS"):
            check(host, origin, allowed)


def test_star_allows_every_page() -> None:
    check("localhost:8000", "https://any.example", ("*",))
    check("localhost:8000", "null", ("*",))
