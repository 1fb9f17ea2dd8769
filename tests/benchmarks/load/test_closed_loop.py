import os
import time

import pytest

from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.requests import Request
from benchmarks.load.closed_loop import run_clients, sum_processor_s
from tests.benchmarks.load.test_arrivals import FULL, NOTHING, OK, serving

MESSAGE = Request("/", "image/jpeg", bytes(1000)).to_message(80)
CLIENTS = 3
SECONDS = 0.2


def test_every_request_that_was_sent_is_counted() -> None:
    with serving([OK], len(MESSAGE), len(MESSAGE)) as server:
        port: int = server.server_address[1]
        figures = run_clients(port, MESSAGE, CLIENTS, SECONDS, [os.getpid()])
    assert figures.answers >= CLIENTS
    assert server.connections == CLIENTS
    assert len(server.answered) == figures.answers
    assert 0 < figures.p50_ms <= figures.p99_ms <= 1000 * figures.elapsed_s
    assert figures.processor_s[0] > 0
    assert figures.processor_s[1] == 0


@pytest.mark.parametrize("answer", [FULL, NOTHING], ids=["refused", "lost"])
def test_request_without_success_is_an_error(answer: bytes) -> None:
    with (
        serving([OK, answer], len(MESSAGE), len(MESSAGE)) as server,
        pytest.raises(BenchmarkError, match="of the requests"),
    ):
        run_clients(server.server_address[1], MESSAGE, CLIENTS, SECONDS, [])


def test_processor_time_is_that_of_the_system() -> None:
    before, used = sum_processor_s([os.getpid()]), time.process_time()
    while time.process_time() < used + 0.05:
        sum(range(1000))
    assert 0.04 < sum_processor_s([os.getpid()]) - before < 1
    assert sum_processor_s([]) == 0
