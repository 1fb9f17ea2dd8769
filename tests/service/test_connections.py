"""What a connection may cost, by real sockets."""

import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Thread

import pytest

from phiz.api.server.lingering import MAX_DISCARDED_BYTES
from phiz.api.server.request_head import MAX_HEAD_BYTES, MAX_HEADERS
from phiz.api.server.server import SEND_BUFFER_BYTES, _listen, bind_socket
from tests.api.doubles import MAY_END, command

from .doubled import MAX_BYTES, doubled
from .running import (
    IMAGE,
    ONE,
    SELFIE,
    Running,
    Starter,
    all_received,
    curl,
    environment,
    head_of,
    received,
    running,
    wait_for,
)

pytestmark = pytest.mark.integration

HEAD_S = 0.5
LARGE = 8 * MAX_BYTES


@pytest.fixture(scope="module")
def mirror(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that waits for heads only shortly."""
    log = tmp_path_factory.mktemp("mirror") / "log"
    program = doubled(command("held", "/nowhere"), head_s=HEAD_S)
    with running(program, environment(models_folder), log) as service:
        yield service


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large"
    path.write_bytes(bytes(LARGE))
    return path


TYPE = ("-H", "content-type: image/png")
CHUNKED = ("-H", "transfer-encoding: chunked")


@pytest.mark.needs("curl")
@pytest.mark.parametrize("expects", [(), ("-H", "Expect:")], ids=["asks-first", "just-sends"])
@pytest.mark.parametrize(
    ("query", "headers", "expected"),
    [
        pytest.param("", TYPE, (413, "too_many_bytes"), id="too-large"),
        pytest.param("", (*TYPE, *CHUNKED), (413, "too_many_bytes"), id="too-large-in-pieces"),
        pytest.param("?size=1", TYPE, (422, "bad_option"), id="wrong-option"),
        pytest.param("/nothing", TYPE, (404, "not_found"), id="no-such-address"),
        pytest.param(
            "", ("-H", "content-encoding: br"), (415, "unsupported_content_coding"), id="coding"
        ),
    ],
)
def test_client_refused_while_it_sends_reads_the_answer(
    mirror: Running,
    large: Path,
    query: str,
    headers: tuple[str, ...],
    expects: tuple[str, ...],
    expected: tuple[int, str],
) -> None:
    arguments = ("--data-binary", f"@{large}", *headers, *expects)
    for _ in range(3):  # what is too early is so by chance
        status, problem = curl(*arguments, f"{mirror.url}/detect{query}")
        assert (status, problem["code"]) == expected
    assert mirror.log.read_text() == ""


def test_an_answer_before_the_end_of_a_large_body_ends_the_connection(mirror: Running) -> None:
    with mirror.connect() as connection:
        connection.sendall(head_of(bytes(LARGE), "?size=1") + bytes(1000))
        answer = all_received(connection)  # and then the end, although the body is not there
        assert answer.startswith(b"HTTP/1.1 422 ")
        assert b"\r\nconnection: close\r\n" in answer
        for _ in range(10):  # what still comes is taken
            connection.sendall(bytes(LARGE // 100))
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert all_received(connection) == b""


@pytest.mark.parametrize(
    ("size", "header"), [(MAX_DISCARDED_BYTES, "x: y"), (1000, "connection: keep-alive")]
)
def test_the_rest_of_a_short_body_is_forgotten_and_the_connection_kept(
    mirror: Running, size: int, header: str
) -> None:
    with mirror.connect() as connection:
        connection.sendall(head_of(bytes(size), "?size=1", header))
        answer = received(connection)
        assert answer.startswith(b"HTTP/1.1 422 ")
        assert b"connection: close" not in answer
        connection.sendall(bytes(size) + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.1 200 ")


def test_refused_client_that_expects_100_is_not_told_to_continue(mirror: Running) -> None:
    with mirror.connect() as connection:
        connection.sendall(head_of(IMAGE, "?size=1", "expect: 100-continue"))
        answer = all_received(connection)
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b"\r\nconnection: close\r\n" in answer
    assert b"100 Continue" not in answer


def test_client_that_expects_100_is_told_to_continue(mirror: Running) -> None:
    with mirror.connect() as connection:
        connection.sendall(head_of(IMAGE, "?model=back", "expect: 100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(IMAGE)
        assert received(connection).startswith(b"HTTP/1.1 200 ")


def padded(size: int) -> bytes:
    """A head whose address and headers have so many bytes."""
    return b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: %b\r\n\r\n" % bytes.ljust(b"", size - 14, b"y")


def of_headers(count: int) -> bytes:
    lines = [b"x%d: y\r\n" % number for number in range(count - 1)]
    return b"GET /healthz HTTP/1.1\r\nhost: x\r\n%b\r\n" % b"".join(lines)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(padded(MAX_HEAD_BYTES), 200, id="as-large-as-may-be"),
        pytest.param(padded(MAX_HEAD_BYTES + 1), 431, id="too-large"),
        pytest.param(of_headers(51), 200, id="many-headers"),
        pytest.param(of_headers(100), 200, id="as-many-headers-as-may-be"),
        pytest.param(of_headers(101), 431, id="too-many-headers"),
        pytest.param(of_headers(10_000), 431, id="very-many-headers"),
        pytest.param(padded(10_000_000), 431, id="ten-megabytes-in-a-header"),
        pytest.param(padded(10_000_000)[:-4], 431, id="that-do-not-end"),
        pytest.param(b"GET /" + bytes.ljust(b"", 10_000_000, b"a"), 431, id="in-the-address"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="tls"),
    ],
)
def test_a_head_has_only_so_much(mirror: Running, head: bytes, status: int) -> None:
    with mirror.connect() as connection:
        connection.sendall(head)
        answer = received(connection)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        if status != 200:
            assert b"\r\ncontent-type: application/problem+json\r\n" in answer
            assert all_received(connection) == b""
    assert mirror.log.read_text() == ""


def test_requests_that_cannot_be_read_are_counted(mirror: Running) -> None:
    def count(reason: str) -> float:
        return mirror.metric("phiz_rejected_total", reason=reason)

    for head, reason in (
        (b"no request\r\n\r\n", "malformed_request"),
        (of_headers(101), "head_too_large"),
        (GET + b"transfer-encoding: gzip\r\n\r\n", "unsupported_transfer_coding"),
    ):
        before = count(reason)
        with mirror.connect() as connection:
            connection.sendall(head)
            assert f'"code":"{reason}"'.encode() in all_received(connection)
        assert count(reason) == before + 1
    assert mirror.log.read_text() == ""


@pytest.mark.parametrize(
    ("head", "status", "detail"),
    [
        pytest.param(b"GET /healthz\r\n\r\n", 400, b"HTTP/0.9, which", id="http-0.9"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n\r\n", 400, b"no Host header;", id="no-host"),
        pytest.param(b"GET /healthz HTTP/1.0\r\n\r\n", 200, b"", id="no-host-in-http-1.0"),
        pytest.param(
            b"GET /healthz HTTP/1.0\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            200,
            b"",
            id="no-host-in-http-1.0-with-upgrade",
        ),
        pytest.param(
            b"GET /healthz HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
            400,
            b"2 Host headers;",
            id="two-hosts",
        ),
        pytest.param(
            b"POST /detect HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            501,
            b"chunked alone",
            id="compressed-chunks",
        ),
        pytest.param(
            b"POST /detect HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n"
            b"transfer-encoding: chunked\r\n\r\n",
            501,
            b"chunked alone",
            id="codings-in-two-headers",
        ),
        pytest.param(
            b"POST /detect HTTP/1.1\r\nhost: x\r\ntransfer-encoding: identity\r\n"
            b"content-length: 3\r\n\r\nabc",
            501,
            b"chunked alone",
            id="coding-with-a-length",
        ),
        pytest.param(
            b"GET /healthz HTTP/1.1\r\nhost: x\r\ntransfer-encoding: Chunked\r\n\r\n0\r\n\r\n",
            200,
            b"",
            id="chunked-in-other-case",
        ),
        pytest.param(
            b"GET /healthz HTTP/1.1\r\nhost: x\r\nno colon\r\n\r\n",
            400,
            b"http://",
            id="header-without-colon",
        ),
    ],
)
def test_head_is_answered_or_refused_with_remedy(
    mirror: Running, head: bytes, status: int, detail: bytes
) -> None:
    with mirror.connect() as connection:
        connection.sendall(head)
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert detail in answer
    assert mirror.log.read_text() == ""


def test_ten_megabytes_of_head_take_no_memory(mirror: Running) -> None:
    def grown_bytes() -> float:
        return mirror.metric("process_resident_memory_bytes") - before

    before = mirror.metric("process_resident_memory_bytes")
    with ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(mirror.connect())
            with suppress(OSError):  # the service may close while this is sent
                connection.sendall(padded(10_000_000)[:-4])
        assert grown_bytes() < 40_000_000


def test_reset_connections_leave_no_heads_in_memory(models_folder: Path, tmp_path: Path) -> None:
    """In a service of its own, whose memory no other test has raised before."""
    program = doubled(command("held", "/nowhere"))
    with running(program, environment(models_folder), tmp_path / "log") as service:
        before = service.metric("process_resident_memory_bytes")
        for _ in range(1500):
            with service.connect() as connection:
                connection.sendall(padded(60_000))
                connection.recv(1000)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert service.metric("process_resident_memory_bytes") - before < 10_000_000


CHUNKED_REQUEST = (
    b"POST /detect HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
)


@pytest.mark.parametrize(
    "trailers",
    [
        pytest.param(b"x: %b\r\n" % bytes.ljust(b"", 1000, b"y"), id="ordinary-lines"),
        pytest.param(b"T:\r\n", id="empty-lines"),
        pytest.param(bytes.ljust(b"", 1000, b"x"), id="one-endless-line"),
    ],
)
def test_endless_trailers_are_refused_and_take_no_memory(mirror: Running, trailers: bytes) -> None:
    before = mirror.metric("process_resident_memory_bytes")
    with ExitStack() as stack:
        for _ in range(10):
            connection = stack.enter_context(mirror.connect())
            connection.sendall(CHUNKED_REQUEST)
            with suppress(OSError):  # the service may close while this is sent
                for _ in range(100):
                    connection.sendall(trailers * (50_000 // len(trailers)))
            assert received(connection).startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 415 "))
        assert mirror.metric("process_resident_memory_bytes") - before < 20_000_000
    wait_for(lambda: mirror.metric("phiz_inflight_requests") == 0)
    assert mirror.log.read_text() == ""


def test_trailers_are_counted(mirror: Running) -> None:
    with mirror.connect() as connection:
        connection.sendall(CHUNKED_REQUEST + (MAX_HEADERS + 1) * b"T:\r\n" + b"\r\n")
        answer = all_received(connection)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"the limit is 100 trailers" in answer


@pytest.mark.parametrize("size", [1, 60], ids=["one-byte", "sixty-bytes"])
def test_body_in_tiny_chunks_is_refused(mirror: Running, size: int) -> None:
    with mirror.connect() as connection:
        chunk = b"%x\r\n%b\r\n" % (size, bytes(size))
        head = b"POST /detect HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
        connection.sendall(head + b"content-type: image/png\r\n\r\n")
        with suppress(OSError):  # the service may close while this is sent
            for _ in range(100):
                connection.sendall(1000 * chunk)
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"send larger chunks" in answer
    wait_for(lambda: mirror.metric("phiz_inflight_requests") == 0)
    assert mirror.log.read_text() == ""


def test_body_in_small_chunks_is_read(mirror: Running) -> None:
    pieces = [IMAGE[at : at + 100] for at in range(0, len(IMAGE), 100)]
    assert len(pieces) > 1000
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    head = b"POST /detect?model=back HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
    with mirror.connect() as connection:
        connection.sendall(head + b"content-type: image/png\r\n\r\n" + body)
        assert received(connection).startswith(b"HTTP/1.1 200 ")


def test_trailers_are_no_headers(mirror: Running) -> None:
    with mirror.connect() as connection:
        connection.sendall(CHUNKED_REQUEST + b"content-encoding: gzip\r\n\r\n")
        answer = received(connection)
        assert b"content_coding" not in answer
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert received(connection).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_is_no_http_is_told_so(mirror: Running) -> None:
    with mirror.connect() as connection:
        connection.sendall(
            b"POST /detect HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno length\r\n"
        )
        answer = all_received(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"malformed_request"' in answer
    wait_for(lambda: mirror.metric("phiz_inflight_requests") == 0)
    assert mirror.log.read_text() == ""


UPGRADE = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQC")


@pytest.mark.parametrize("wish", [UPGRADE, UPGRADE[:2], ("connection: upgrade", "upgrade: x")])
@pytest.mark.parametrize("pause", [False, True], ids=["at-once", "in-pieces"])
def test_request_for_an_upgrade_is_answered_in_http_1(
    mirror: Running, wish: tuple[str, ...], *, pause: bool
) -> None:
    head = head_of(IMAGE, "?model=back", *wish)
    with mirror.connect() as connection:
        for _ in range(2):
            for piece in (head[:30], head[30:], IMAGE) if pause else (head + IMAGE,):
                connection.sendall(piece)
                time.sleep(0.05 * pause)
            assert received(connection).startswith(b"HTTP/1.1 200 ")
    assert mirror.log.read_text() == ""


def test_pipelined_requests_for_an_upgrade_are_answered_each(mirror: Running) -> None:
    count = 33
    wishes = GET + b"connection: upgrade\r\nupgrade: x\r\n\r\n"
    with mirror.connect() as connection:
        connection.sendall(count * wishes)
        answers = b""
        while answers.count(b"HTTP/1.1 200 ") < count:
            received_now = connection.recv(65536)
            assert received_now, answers[-300:]
            answers += received_now
    assert mirror.log.read_text() == ""


def test_connect_requests_are_refused(mirror: Running) -> None:
    with mirror.connect() as connection:
        connection.sendall(b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n")
        assert all_received(connection).startswith(b"HTTP/1.1 400 ")


def test_requests_that_come_together_are_answered_in_their_order(mirror: Running) -> None:
    with mirror.connect() as connection:
        post = head_of(IMAGE, "?model=back") + IMAGE
        connection.sendall(post + GET + b"\r\n" + head_of(b"", "?size=1") + GET + b"\r\n")
        answers = b""
        while answers.count(b"HTTP/1.1 ") < 4:
            answers += connection.recv(65536)
    statuses = [answer[:3] for answer in answers.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"200", b"422", b"200"]


GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"
SCRIPT = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n"  # a megabyte


@pytest.mark.parametrize(
    "begin", [pytest.param(b"", id="nothing"), pytest.param(b"\r\n", id="an-empty-line")]
)
def test_connection_without_a_request_is_closed_without_an_answer(
    mirror: Running, begin: bytes
) -> None:
    with mirror.connect() as connection:
        connection.sendall(begin)
        assert all_received(connection) == b""


def test_head_that_is_not_complete_in_time_is_refused(mirror: Running) -> None:
    before = mirror.metric("phiz_rejected_total", reason="head_too_slow")
    with mirror.connect() as connection:
        connection.sendall(GET)
        answer = all_received(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"not complete after the limit of 0.5 s" in answer
    assert mirror.metric("phiz_rejected_total", reason="head_too_slow") == before + 1
    assert mirror.log.read_text() == ""


def test_head_of_a_further_request_may_take_only_so_long(mirror: Running) -> None:
    with mirror.connect() as connection:
        connection.sendall(GET + b"\r\n")
        assert received(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(GET)
        assert all_received(connection).startswith(b"HTTP/1.1 408 ")


def test_a_head_that_trickles_is_ended_too(mirror: Running) -> None:
    with mirror.connect() as connection:
        connection.sendall(GET + b"x: ")

        def is_ended() -> bool:
            time.sleep(0.02)
            try:
                connection.sendall(b"y")
            except ConnectionError:
                return True
            return False

        wait_for(is_ended)


def test_a_connection_that_is_kept_is_not_ended_so_soon(mirror: Running) -> None:
    with mirror.connect() as connection:
        for _ in range(2):
            connection.sendall(GET + b"\r\n")
            assert received(connection).startswith(b"HTTP/1.1 200 ")
            time.sleep(2 * HEAD_S)
        connection.sendall(GET + b"\r\n")
        assert received(connection).startswith(b"HTTP/1.1 200 ")


def test_a_body_may_take_longer_than_a_head(mirror: Running) -> None:
    with mirror.connect() as connection:
        connection.sendall(head_of(IMAGE, "?model=back") + IMAGE[:1000])
        time.sleep(2 * HEAD_S)
        connection.sendall(IMAGE[1000:])
        assert received(connection).startswith(b"HTTP/1.1 200 ")


def limited(soft: int, hard: int) -> list[str]:
    """A Python that may have only so many files open, and then runs what follows."""
    program = (
        "import os, resource, sys;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}));"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    return [sys.executable, "-c", program]


def test_file_limit_is_raised_as_far_as_it_may_be() -> None:
    program = "from phiz.system.cgroups import raise_file_limit as limit; print(limit(), limit())"
    command = [*limited(100, 500), "-c", program]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ran.stdout.split() == ["500", "500"]


@pytest.mark.needs("curl")
def test_a_service_whose_files_are_used_up_goes_on_when_they_are_free(
    models_folder: Path, tmp_path: Path
) -> None:
    files = 100
    program = [*limited(files, files), *ONE[1:]]
    with running(program, environment(models_folder), tmp_path / "log") as service:
        used_s = service.metric("process_cpu_seconds_total")
        with ExitStack() as stack:
            for _ in range(files + 50):
                stack.enter_context(service.connect()).sendall(GET)
            time.sleep(1)
        assert curl("-F", f"image=@{SELFIE}", f"{service.url}/detect?model=front")[0] == 200
        # Trying again and again would have taken all of that second.
        assert service.metric("process_cpu_seconds_total") - used_s < 0.5
        assert service.stop() == 0
        log = service.log.read_text()
    assert log.count("\n") == 1
    assert log.endswith(
        " warning the limit of 100 open files allows 35 bodies at once instead of 512; raise it"
        " with ulimit -n\n"
    )


def test_full_service_ends_the_connections_that_wait_longest(
    models_folder: Path, tmp_path: Path
) -> None:
    program = doubled(command("held", "/nowhere"), connections=10)
    with (
        running(program, environment(models_folder), tmp_path / "log") as service,
        ExitStack() as stack,
    ):
        idle, silent, half, *others = [stack.enter_context(service.connect()) for _ in range(10)]
        time.sleep(0.1)  # all are accepted
        idle.sendall(GET + b"\r\n")
        assert received(idle).startswith(b"HTTP/1.1 200 ")
        for connection in (half, *others):
            connection.sendall(GET)
        time.sleep(0.1)
        # The idle one has had an answer since the others connected.
        for _ in range(9):
            stack.enter_context(service.connect()).sendall(GET)
        assert b"503 Service Unavailable" in all_received(silent)
        for connection in (half, *others):
            answer = all_received(connection)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 1\r\n" in answer
            assert b"the limit of 10 connections" in answer
        idle.sendall(GET + b"\r\n")
        assert received(idle).startswith(b"HTTP/1.1 200 ")
        stack.enter_context(service.connect())
        stack.enter_context(service.connect()).sendall(GET)
        assert service.metric("phiz_rejected_total", reason="overloaded") >= 9
        assert service.log.read_text() == ""


def test_one_address_cannot_keep_another_out(models_folder: Path, tmp_path: Path) -> None:
    program = doubled(command("held", "/nowhere"), connections=10)
    with (
        running(program, environment(models_folder), tmp_path / "log") as service,
        ExitStack() as stack,
    ):
        user = stack.enter_context(service.connect())
        time.sleep(0.1)
        for _ in range(30):
            hostile = socket.create_connection(service.address, 20, ("127.0.0.2", 0))
            stack.enter_context(hostile).sendall(GET)
        user.sendall(GET + b"\r\n")
        assert received(user).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_client_that_stops_sending_gets_its_answer(mirror: Running, version: str) -> None:
    head = head_of(IMAGE, "?model=back").replace(b"HTTP/1.1", b"HTTP/" + version.encode())
    with mirror.connect() as connection:
        connection.sendall(GET + b"\r\n" + head + IMAGE)
        connection.shutdown(socket.SHUT_WR)
        answers = all_received(connection)
    assert answers.count(b"HTTP/1.1 200 ") == 2
    assert b'"faces":[{' in answers
    assert answers.count(b" 100 Continue") <= 1
    assert mirror.log.read_text() == ""


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        pytest.param(b"no request\r\n\r\n", b"malformed_request", id="no-request"),
        pytest.param(padded(MAX_HEAD_BYTES + 1), b"head_too_large", id="large-head"),
        pytest.param(
            b"POST /detect HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno length\r\n",
            b"malformed_request",
            id="malformed-body",
        ),
    ],
)
def test_bad_request_behind_another_is_refused_after_its_answer(
    mirror: Running, rest: bytes, code: bytes
) -> None:
    with mirror.connect() as connection:
        connection.sendall(head_of(IMAGE, "?model=back") + IMAGE + GET + b"\r\n" + rest)
        answers = all_received(connection).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers[:2]] == [b"200", b"200"]
    assert len(answers) == 3
    assert code in answers[2]
    wait_for(lambda: mirror.metric("phiz_inflight_requests") == 0)
    assert mirror.log.read_text() == ""


def test_client_that_does_not_read_is_ended_and_delays_no_stop(
    models_folder: Path, tmp_path: Path
) -> None:
    program = doubled(command("held", "/nowhere"), drain_s=60)
    with (
        running(program, environment(models_folder), tmp_path / "log") as service,
        ExitStack() as stack,
    ):

        def send_unread(count: int) -> None:
            for _ in range(count):
                connection = socket.socket()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.connect(service.address)
                connection.setblocking(False)
                with suppress(BlockingIOError):
                    stack.enter_context(connection).sendall(32 * SCRIPT)

        send_unread(5)
        wait_for(lambda: service.metric("phiz_slow_readers_total") == 5)
        send_unread(5)
        time.sleep(0.5)
        assert service.stop() == 0  # within 20 s
        assert service.log.read_text() == ""


def test_requests_that_wait_for_an_answer_take_little_memory(mirror: Running) -> None:
    requests = 2000 * b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"
    before = mirror.metric("process_resident_memory_bytes")
    with ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(mirror.connect())
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.sendall(requests)
        time.sleep(1)
        assert mirror.metric("process_resident_memory_bytes") - before < 40_000_000


def test_waiting_requests_beyond_the_room_for_all_are_refused(mirror: Running) -> None:
    refused = mirror.metric("phiz_rejected_total", reason="overloaded")
    with ExitStack() as stack:
        for _ in range(40):
            connection = stack.enter_context(mirror.connect())
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.sendall(6000 * b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n")
        wait_for(lambda: mirror.metric("phiz_rejected_total", reason="overloaded") > refused)
        connection.settimeout(20)
        last = all_received(connection)
    assert b"the requests behind unanswered ones exceed the limit of" in last


def test_large_bodies_behind_unanswered_requests_are_read_later(
    start: Starter, tmp_path: Path
) -> None:
    large = IMAGE.ljust(MAX_BYTES - 1000, b"\0")
    both = head_of(IMAGE) + IMAGE + head_of(large) + large
    with start.doubled("held") as service, ExitStack() as stack:
        connections = [stack.enter_context(service.connect()) for _ in range(3)]
        sending = [Thread(target=connection.sendall, args=(both,)) for connection in connections]
        for thread in sending:
            thread.start()
        time.sleep(0.5)
        (tmp_path / MAY_END).touch()
        for connection, thread in zip(connections, sending, strict=True):
            thread.join()
            connection.shutdown(socket.SHUT_WR)
            assert all_received(connection).count(b"HTTP/1.1 200 ") == 2


def test_body_behind_waiting_requests_is_read_before_the_client_stops(mirror: Running) -> None:
    with mirror.connect() as connection:
        connection.sendall(50 * (GET + b"\r\n") + head_of(IMAGE, "?model=back") + IMAGE)
        connection.shutdown(socket.SHUT_WR)
        assert all_received(connection).count(b"HTTP/1.1 200 ") == 51


def test_system_takes_little_for_a_client_that_does_not_read() -> None:
    with bind_socket("127.0.0.1", 0) as listener:
        _listen(listener, 1)
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
            with connection:
                sent = 0
                connection.setblocking(False)
                with suppress(BlockingIOError):
                    while True:
                        sent += connection.send(bytes(100_000))
    assert sent < 8 * SEND_BUFFER_BYTES


def test_client_that_reads_slowly_gets_its_answer(mirror: Running) -> None:
    requests = 5
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(mirror.address)
        connection.sendall(requests * SCRIPT)
        answers, begun_s = bytearray(), time.monotonic()
        while time.monotonic() - begun_s < 8:
            answers += connection.recv(2000)
            time.sleep(0.5)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
        while answers.count(b"HTTP/1.1 200 ") < requests:
            received_now = connection.recv(1_000_000)
            assert received_now
            answers += received_now
