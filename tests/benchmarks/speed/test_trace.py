import json
from pathlib import Path

from benchmarks.speed.trace import PACKAGE, Call, describe_calls, read_calls


def test_calls_are_read_without_those_outside_a_request(tmp_path: Path) -> None:
    record = tmp_path / "1.json"
    decode, begin = str(PACKAGE / "image/decode.py"), str(PACKAGE / "api/server/server.py")
    record.write_text(json.dumps([[decode, "open_image", 7], [begin, "Server.load_and_serve", 3]]))
    assert read_calls(record) == [Call("image/decode.py", "open_image", 7)]


def test_description_counts_functions_once_and_changes_of_file() -> None:
    one, other, apart = Call("a.py", "f", 1), Call("a.py", "g", 5), Call("b.py", "f", 1)
    assert describe_calls("worker", [one, other, apart, one, one]) == (
        "worker: 3 functions in 2 files, 5 calls, 2 changes of file"
    )


def test_description_of_no_calls() -> None:
    expected = "service: 0 functions in 0 files, 0 calls, 0 changes of file"
    assert describe_calls("service", []) == expected
