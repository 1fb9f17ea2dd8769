import click
import pytest

from benchmarks.kit.options import read_pythons


def test_interpreters_are_read_by_peer() -> None:
    pairs = ["mosec=/a/python", "litserve=/b=c/python"]
    expected = {"mosec": "/a/python", "litserve": "/b=c/python"}
    assert read_pythons(pairs, ("mosec", "litserve")) == expected


@pytest.mark.parametrize("pair", ["mosec", "mosec=", "other=/a/python"])
def test_peer_without_interpreter_or_of_another_name_is_refused(pair: str) -> None:
    with pytest.raises(click.BadParameter, match="NAME one of mosec"):
        read_pythons([pair], ("mosec",))
