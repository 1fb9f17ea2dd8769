import logging
import os
import re
from pathlib import Path

import pytest

from phiz.api.security import keys
from phiz.api.security.keys import (
    ApiKey,
    KeyRing,
    create_key,
    format_line,
    hash_key,
    open_key_ring,
    parse_keys,
)
from phiz.api.security.rates import Rate
from phiz.errors import SettingError

ALICE, BOB = create_key(), create_key()
HASH = hash_key(ALICE.encode()).hex()


def sent(ring: KeyRing | None, key: str) -> ApiKey | None:
    assert ring is not None
    return ring.find_key(key.encode())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.txt"
    path.write_text(f"# of the team\n\n{format_line(ALICE, 'alice')}   # since May\n")
    return path


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "RELOAD_INTERVAL_S", 0.0)


def test_keys_are_long_and_all_different() -> None:
    made = {create_key() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"phiz_[A-Za-z0-9_-]{43}", key) for key in made)


def test_entry_has_name_scopes_and_rate() -> None:
    (key,) = parse_keys(f"al.i-ce sha256:{HASH} rate=10/m scopes=metrics,docs burst=5").values()
    assert key == ApiKey("al.i-ce", frozenset({"metrics", "docs"}), Rate(10, 60, 5))
    (key,) = parse_keys(format_line(ALICE, "alice")).values()
    assert key == ApiKey("alice", frozenset({"detect"}), None)


def test_keys_are_a_list_in_the_variable() -> None:
    ring = open_key_ring(f"{format_line(ALICE, 'alice')}; {format_line(BOB, 'bob', ['docs'])};")
    assert (sent(ring, ALICE), sent(ring, BOB)) == (
        ApiKey("alice", frozenset({"detect"}), None),
        ApiKey("bob", frozenset({"docs"}), None),
    )
    assert sent(ring, create_key()) is None
    assert sent(ring, HASH) is None


def test_comment_ends_with_its_line_alone() -> None:
    text = f"# before: {format_line(BOB, 'bob')}; {format_line(BOB, 'rob')}\n" + format_line(
        ALICE, "alice"
    )
    assert [key.name for key in parse_keys(text).values()] == ["alice"]


def test_no_setting_means_no_keys() -> None:
    assert open_key_ring(None) is None


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        pytest.param(f"alice {ALICE}", "its hash is not sha256:", id="key-itself"),
        pytest.param(f"alice {HASH}", "its hash is not sha256:", id="no-prefix"),
        pytest.param(f"alice sha256:{HASH.upper()}0", "its hash is not sha256:", id="long"),
        pytest.param(f"sha256:{HASH}", "its name does not have", id="no-name"),
        pytest.param(f"{'a' * 65} sha256:{HASH}", "its name does not have", id="long-name"),
        pytest.param(f"alice sha256:{HASH} scopes=all", "its scopes are not of", id="scope"),
        pytest.param(f"alice sha256:{HASH} scopes=", "its scopes are not of", id="no-scope"),
        pytest.param(f"alice sha256:{HASH} rate=fast", "the rate is not", id="rate"),
        pytest.param(f"alice sha256:{HASH} burst=3", "the rate is not", id="burst-alone"),
        pytest.param(f"alice sha256:{HASH} admin=1", "its options are not", id="option"),
        pytest.param(f"alice sha256:{HASH} rate=1/s rate=9/s", "each once", id="option-twice"),
        pytest.param(f"bob sha256:{HASH};ann sha256:{HASH}", "occurs twice", id="hash-twice"),
        pytest.param(
            f"{format_line(ALICE, 'bob')};{format_line(BOB, 'bob')}",
            "occurs twice",
            id="name-twice",
        ),
        pytest.param("# nothing", "has no key", id="nothing"),
    ],
)
def test_wrong_entry_is_told_without_its_content(entry: str, what: str) -> None:
    with pytest.raises(SettingError, match=what) as caught:
        parse_keys(f"\n{entry}")
    told = str(caught.value)
    assert "phiz key" in told
    assert not any(secret in told.lower() for secret in (ALICE.lower(), HASH))


@pytest.mark.parametrize(
    "setting", [ALICE, "/no/such/file", "\0", "/"], ids=["key", "missing", "zero", "folder"]
)
def test_setting_that_is_no_file_is_not_repeated(setting: str) -> None:
    with pytest.raises(
        SettingError, match="neither a list of hashes nor a readable file"
    ) as caught:
        open_key_ring(setting)
    assert ALICE not in str(caught.value)
    assert "no/such" not in str(caught.value)


def test_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"#" * (keys.MAX_FILE_BYTES + 1))
    with pytest.raises(SettingError, match="larger than 1048576 bytes"):
        open_key_ring(str(tmp_path / "keys"))


@pytest.mark.usefixtures("_at_once")
def test_changed_file_is_read_again(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "phiz")
    ring = open_key_ring(str(file))
    assert sent(ring, ALICE)
    assert not caplog.records
    file.write_text(format_line(BOB, "bob"))
    assert sent(ring, ALICE) is None
    assert sent(ring, BOB)
    assert caplog.messages == ["read 1 API keys"]


def test_file_is_looked_at_once_a_second(file: Path) -> None:
    ring = open_key_ring(str(file))
    assert sent(ring, ALICE)
    file.write_text(format_line(BOB, "bob"))
    assert sent(ring, ALICE)


@pytest.mark.usefixtures("_at_once")
def test_file_that_becomes_unusable_leaves_the_keys(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ring = open_key_ring(str(file))
    text = file.read_text()
    file.write_text(f"alice {ALICE}")
    for _ in range(3):
        assert sent(ring, ALICE)
    file.unlink()
    for _ in range(3):
        assert sent(ring, ALICE)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "entry 1 of PHIZ_API_KEYS is invalid" in caplog.messages[0]
    assert "No such file" in caplog.messages[1]
    assert ALICE not in caplog.text
    file.write_text(text + format_line(BOB, "bob"))
    assert sent(ring, BOB)


@pytest.mark.usefixtures("_at_once")
def test_link_to_another_file_is_followed(file: Path, tmp_path: Path) -> None:
    """As Kubernetes changes a mounted secret."""
    link, other = tmp_path / "link", tmp_path / "other"
    link.symlink_to(file)
    ring = open_key_ring(str(link))
    other.write_text(format_line(BOB, "bob"))
    (tmp_path / "new").symlink_to(other)
    os.replace(tmp_path / "new", link)  # noqa: PTH105
    assert sent(ring, BOB)
    assert sent(ring, ALICE) is None
