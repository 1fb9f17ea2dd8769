import pytest

from phiz.api.security.cors import EXPOSED_HEADERS, CorsRules
from phiz.api.security.headers import RawHeaders
from phiz.errors import SettingError

APP, LOCAL = b"https://app.example.org", b"http://localhost:5173"
VARY = (b"vary", b"Origin")
LISTED = CorsRules.from_setting((APP.decode(), LOCAL.decode()))


def allowing(origin: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return (b"access-control-allow-origin", origin), EXPOSED_HEADERS


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(((b"origin", APP),), (*allowing(APP), VARY), id="listed"),
        pytest.param(((b"host", b"x"), (b"origin", LOCAL)), (*allowing(LOCAL), VARY), id="second"),
        pytest.param(((b"origin", b"https://example.org"),), (VARY,), id="other-host"),
        pytest.param(((b"origin", b"http://app.example.org"),), (VARY,), id="other-scheme"),
        pytest.param(((b"origin", APP + b":8443"),), (VARY,), id="other-port"),
        pytest.param(((b"origin", b"https://app.example.org.evil.org"),), (VARY,), id="longer"),
        pytest.param(((b"origin", b"null"),), (VARY,), id="null"),
        pytest.param(((b"referer", APP),), (VARY,), id="other-header"),
        pytest.param((), (VARY,), id="none"),
    ],
)
def test_only_listed_origins_are_allowed(headers: RawHeaders, expected: RawHeaders) -> None:
    assert LISTED.build_headers(headers) == expected


@pytest.mark.parametrize("headers", [(), ((b"origin", APP),), ((b"origin", b"null"),)])
def test_star_allows_all_in_the_same_way(headers: RawHeaders) -> None:
    assert CorsRules.from_setting(["*"]).build_headers(headers) == allowing(b"*")


@pytest.mark.parametrize(
    ("entry", "origin"),
    [
        ("HTTPS://App.Example.org", b"https://app.example.org"),
        ("https://example.org:443", b"https://example.org"),
        ("http://example.org:80", b"http://example.org"),
        ("http://example.org:443", b"http://example.org:443"),
        ("http://[::1]:8080", b"http://[::1]:8080"),
        ("http://10.0.0.7", b"http://10.0.0.7"),
        ("chrome-extension://abcdefgh", b"chrome-extension://abcdefgh"),
    ],
)
def test_entry_may_be_written_as_people_do(entry: str, origin: bytes) -> None:
    rules = CorsRules.from_setting([entry])
    assert rules.build_headers([(b"origin", origin)]) == (*allowing(origin), VARY)


@pytest.mark.parametrize(
    "entry",
    [
        "app.example.org",
        "https://app.example.org/",
        "https://app.example.org/path",
        "https://user@app.example.org",
        "https://*.example.org",
        "https://straße.example",
        "https://",
        "null",
        "http://a b",
        "http://a:port",
        "http://a\r\nx: y",
    ],
)
def test_entry_that_is_no_origin_is_told_with_the_form(entry: str) -> None:
    with pytest.raises(SettingError, match=r"such as https://app\.example\.org or") as caught:
        CorsRules.from_setting(["http://good.example.org", entry])
    assert repr(entry) in str(caught.value)


def test_star_among_others_is_told() -> None:
    with pytest.raises(SettingError, match=r"the entry '\*'.*\* alone allows all"):
        CorsRules.from_setting(["http://good.example.org", "*"])
