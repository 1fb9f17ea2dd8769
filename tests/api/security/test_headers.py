from phiz.api.security.headers import SECURITY_HEADERS, add_missing_headers


def test_missing_headers_are_added() -> None:
    assert add_missing_headers([]) == [*SECURITY_HEADERS]


def test_own_headers_stay_whatever_their_case() -> None:
    own = [(b"Content-Security-Policy", b"default-src 'self'"), (b"x", b"1"), (b"x", b"2")]
    headers = add_missing_headers(iter(own))
    assert headers[:3] == own
    assert len(headers) == 3 + len(SECURITY_HEADERS) - 1
