from click.testing import CliRunner

from phiz.api.security.keys import SCOPES, ApiKey, hash_key, parse_keys
from phiz.api.security.rates import Rate
from phiz.cli.key import SCOPE_NAMES
from phiz.cli.main import main


def test_line_of_standard_output_belongs_to_the_key_of_standard_error() -> None:
    options = ["--scope", "detect", "--scope", "docs", "--rate", "20/s"]
    ran = CliRunner().invoke(main, ["key", "alice", *options])
    assert ran.exit_code == 0
    (line,) = ran.stdout.splitlines()
    key = ran.stderr.split()[-1]
    assert key.startswith("phiz_")
    assert key not in line
    ((digest, entry),) = parse_keys(line).items()
    assert digest == hash_key(key.encode())
    assert entry == ApiKey("alice", frozenset({"detect", "docs"}), Rate(20, 1, 20))


def test_each_call_creates_another_key() -> None:
    made = {CliRunner().invoke(main, ["key", "alice"]).stderr for _ in range(3)}
    assert len(made) == 3


def test_wrong_name_and_rate_create_no_key() -> None:
    for arguments in (["a b"], ["alice", "--rate", "often"], ["alice", "--scope", "all"]):
        ran = CliRunner().invoke(main, ["key", *arguments])
        assert ran.exit_code != 0
        assert ran.stdout == ""
        assert "phiz_" not in ran.stderr


def test_scopes_are_those_of_the_service() -> None:
    assert SCOPE_NAMES == SCOPES
