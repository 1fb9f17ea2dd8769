import pytest

from phiz.api.fetch.location import Location, parse_url
from phiz.errors import UrlNotAllowedError


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "target"),
    [
        ("https://example.org", "example.org", 443, "example.org", "/"),
        ("HTTPS://Example.ORG/A", "example.org", 443, "example.org", "/A"),
        ("https://example.org:443/", "example.org", 443, "example.org", "/"),
        ("https://example.org:8443?a=b", "example.org", 8443, "example.org:8443", "/?a=b"),
        ("https://example.org/a?b#c d", "example.org", 443, "example.org", "/a?b"),
        ("https://[FD00::7]:8443/a", "fd00::7", 8443, "[fd00::7]:8443", "/a"),
        ("https://example.org/ü%20@:/?ß=[", "example.org", 443, "example.org", None),
    ],
)
def test_url_has_its_parts(
    url: str, host: str, port: int, authority: str, target: str | None
) -> None:
    expected = target or "/%C3%BC%20@:/?%C3%9F=%5B"
    assert parse_url(url) == Location(host, port, authority, expected)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "https:/example.org/",
        "https:///example.org",
        "https://",
        "https://:443/",
        "https://user@example.org/",
        "https://example.org@127.0.0.1/",
        "https://example.org\\@127.0.0.1/",
        "https://example.org/a\\b",
        "https://example.org/a b",
        "https://example.org/a\tb",
        "https://example.org/a\r\nb",
        "https://example.org/#a\nb",
        " https://example.org/",
        "https://example.org /",
        "https://example.org:/",
        "https://example.org:443443/",
        "https://example.org:４４３/",  # noqa: RUF001  digits, but not of ASCII
        "https://ex%61mple.org/",
        "https://exämple.org/",
        "https://[fe80::1%25eth0]/",
        "https://[::1",
        "https://\u212aelvin.example/",  # K in lower case
        "https://example.org/" + "x" * 2048,
    ],
)
def test_other_text_is_refused(url: str) -> None:
    with pytest.raises(UrlNotAllowedError, match="begins with https://"):
        parse_url(url)
