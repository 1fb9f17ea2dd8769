import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.kit.requests import encode_raw, encode_test_image, open_connection, send_request
from benchmarks.kit.service import list_children, list_descendants, start_service, sum_samples


@pytest.mark.integration
def test_service_has_its_workers_and_answers_until_it_is_stopped(models_folder: Path) -> None:
    request = encode_raw("/detect?model=front", encode_test_image())
    with start_service(1, {"PHIZ_MODELS": str(models_folder)}) as service:
        assert len(service.list_workers()) == 1
        connection = open_connection(service.port)
        answer = send_request(connection, request)
        connection.close()
    assert (answer.status, answer.content_type) == (200, "application/json")
    with pytest.raises(ConnectionRefusedError):
        open_connection(service.port).connect()


@pytest.mark.integration
def test_service_that_ends_by_itself_is_an_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(RuntimeError, match="ended before it was ready"),
        start_service(1, {"PHIZ_MODELS": str(tmp_path)}),
    ):
        pass
    assert "phiz models build" in capfd.readouterr().err


def test_samples_of_a_metric_are_summed_over_their_labels() -> None:
    one, two = frozenset({("model", "front")}), frozenset({("model", "back")})
    assert sum_samples({("a", one): 3.0, ("a", two): 1.0, ("b", one): 9.0}, "a") == 4


def test_children_are_in_the_order_of_their_starts() -> None:
    waits = [sys.executable, "-c", "input()"]
    children = [subprocess.Popen(waits, stdin=subprocess.PIPE) for _ in range(3)]
    pids = [child.pid for child in children]
    assert [pid for pid in list_children(os.getpid()) if pid in pids] == pids
    for child in children:
        child.communicate(b"\n")
    assert not {*pids} & {*list_children(os.getpid())}


def test_descendants_are_the_children_and_theirs() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(); input()'])"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()  # the grandchild runs
        (grandchild,) = list_children(child.pid)
        found = list_descendants(os.getpid())
        assert found[found.index(child.pid) + 1] == grandchild
        child.communicate(b"\n")
