from ipaddress import ip_address

import pytest

from phiz.api.fetch.hosts import HostRules, is_host_address, is_public_address
from phiz.errors import SettingError, UrlNotAllowedError

PUBLIC = HostRules.from_setting(["public"])
LISTED = HostRules.from_setting(
    ["Images.Internal", "*.example.org", "cdn.example.net:8443", "10.1.2.3", "[fd00::0:5]:8443"]
)


@pytest.mark.parametrize(
    ("address", "is_public", "is_host"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1:248:1893:25c8:1946", True, True),
        ("10.0.0.1", False, True),
        ("172.16.0.1", False, True),
        ("192.168.1.1", False, True),
        ("100.64.0.1", False, True),
        ("fd00::1", False, True),
        ("127.0.0.1", False, False),
        ("127.255.255.254", False, False),
        ("::1", False, False),
        ("0.0.0.0", False, False),  # noqa: S104  nothing listens on it
        ("::", False, False),
        ("169.254.169.254", False, False),
        ("fe80::1", False, False),
        ("224.0.1.1", False, False),
        ("ff0e::1", False, False),
        ("240.0.0.1", False, False),
        ("255.255.255.255", False, False),
        ("fec0::1", False, False),
        # Metadata services at addresses that look like others.
        ("168.63.129.16", False, False),
        ("100.100.100.200", False, False),
        ("fd00:ec2::254", False, False),
        # IPv4 inside of IPv6.
        ("::ffff:93.184.216.34", True, True),
        ("::ffff:10.0.0.1", False, True),
        ("::ffff:127.0.0.1", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("64:ff9b::93.184.216.34", True, True),
        ("64:ff9b::10.0.0.1", False, True),
        ("64:ff9b::127.0.0.1", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
        ("64:ff9b:1::10.0.0.1", False, False),
        ("::127.0.0.1", False, False),
        ("2002:7f00:1::1", False, False),
        ("2002:5db8:d822::1", False, False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False, False),
    ],
)
def test_address_is_public_or_of_a_host(address: str, *, is_public: bool, is_host: bool) -> None:
    parsed = ip_address(address)
    assert (is_public_address(parsed), is_host_address(parsed)) == (is_public, is_host)


@pytest.mark.parametrize("host", ["images.example.org", "xn--bcher-kva.example", "8.example"])
def test_public_name_is_allowed(host: str) -> None:
    assert PUBLIC.choose_check(host, 443) is is_public_address


@pytest.mark.parametrize(
    ("host", "port"),
    [
        pytest.param("images.example.org", 8443, id="port"),
        pytest.param("images.example.org", 80, id="port-of-http"),
        pytest.param("93.184.216.34", 443, id="address"),
        pytest.param("127.0.0.1", 443, id="loopback"),
        pytest.param("2606:2800:220:1::1", 443, id="ipv6"),
        pytest.param("2130706433", 443, id="decimal"),
        pytest.param("0177.0.0.1", 443, id="octal"),
        pytest.param("0x7f.0.0.1", 443, id="hexadecimal"),
        pytest.param("0x7f000001", 443, id="hexadecimal-whole"),
        pytest.param("127.1", 443, id="short"),
        pytest.param("example.0x7f", 443, id="hexadecimal-end"),
        pytest.param("images.example.org.", 443, id="trailing-dot"),
        pytest.param("localhost", 443, id="one-label"),
        pytest.param("metadata", 443, id="search-domain"),
        pytest.param("images%2eexample.org", 443, id="percent"),
        pytest.param("images.example.org\\@internal", 443, id="backslash"),
        pytest.param("images..example.org", 443, id="empty-label"),
        pytest.param(f"{'a' * 64}.example.org", 443, id="long-label"),
        pytest.param(f"{'a.' * 130}org", 443, id="long-name"),
        pytest.param("bücher.example", 443, id="not-ascii"),
    ],
)
def test_other_host_or_port_is_not_allowed(host: str, port: int) -> None:
    with pytest.raises(UrlNotAllowedError):
        PUBLIC.choose_check(host, port)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("images.internal", 443),
        ("a.example.org", 443),
        ("a.b.example.org", 443),
        ("cdn.example.net", 8443),
        ("10.1.2.3", 443),
        ("fd00::5", 8443),
    ],
)
def test_listed_host_is_allowed(host: str, port: int) -> None:
    LISTED.choose_check(host, port)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("images.internal", 8443),
        ("xx.images.internal", 443),
        ("example.org", 443),
        ("badexample.org", 443),
        ("example.org.evil.example", 443),
        ("cdn.example.net", 443),
        ("10.1.2.4", 443),
        ("fd00:0::5", 8443),
        ("www.example.com", 443),
        ("localhost", 443),
    ],
)
def test_host_that_is_not_listed_is_not_allowed(host: str, port: int) -> None:
    with pytest.raises(UrlNotAllowedError):
        LISTED.choose_check(host, port)


def test_listed_name_may_be_in_a_private_network_but_not_this_machine() -> None:
    check = LISTED.choose_check("images.internal", 443)
    assert check(ip_address("10.0.0.7"))
    assert not check(ip_address("127.0.0.1"))
    assert not check(ip_address("169.254.169.254"))


def test_listed_address_means_itself_alone() -> None:
    rules = HostRules.from_setting(["127.0.0.1:8443", "localhost"])
    check = rules.choose_check("127.0.0.1", 8443)
    assert check(ip_address("127.0.0.1"))
    assert not check(ip_address("127.0.0.2"))
    local = rules.choose_check("localhost", 443)
    assert local(ip_address("::1"))
    assert not local(ip_address("10.0.0.1"))


def test_public_and_listed_hosts_go_together() -> None:
    rules = HostRules.from_setting(["public", "images.internal:8443"])
    assert rules.choose_check("images.internal", 8443) is is_host_address
    assert rules.choose_check("www.example.com", 443) is is_public_address


@pytest.mark.parametrize(
    "entry",
    [
        "https://example.org",
        "example.org/images",
        "user@example.org",
        "*",
        "*.",
        "*example.org",
        "a.*.org",
        ".example.org",
        "example.org.",
        "example.org:",
        "example.org:0",
        "example.org:65536",
        "2130706433",
        "0x7f.1",
        "10.0.0",
        "fd00::5",
        "*.10.0.0.1",
        "*.127.1",
        "10.0.0.0/8",
    ],
)
def test_entry_that_is_not_a_host_is_refused(entry: str) -> None:
    with pytest.raises(SettingError, match="PHIZ_URL_HOSTS has the entry"):
        HostRules.from_setting([entry])
