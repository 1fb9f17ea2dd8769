"""The server: its socket, its signals and its end."""

import asyncio
import errno
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, Final, cast

import uvicorn
from fastapi import FastAPI

from phiz.api.access_log import AccessLog, LoggedRequests, SpanSource
from phiz.api.compat.routes import choose_operations
from phiz.api.early_refusal import EarlyRefusals
from phiz.api.errors import count_rejection, count_slow_reader
from phiz.api.fast_path import FastPath
from phiz.api.security.cors import CorsGate, CorsRules
from phiz.api.security.guard import Gate, Guard
from phiz.api.server.clients import ClientPlaces
from phiz.api.server.connection import HEAD_TIMEOUT_S, Connection
from phiz.api.server.readers import ReaderWatch
from phiz.api.server.stream_connection import MAX_FRAME_BYTES, StreamConnection
from phiz.api.server.unread import UnreadBudget
from phiz.api.service import MAX_CONNECTIONS
from phiz.errors import SettingError
from phiz.system.malloc import trim_heap
from phiz.system.scheduling import set_batch_policy

TRIM_INTERVAL_S: Final = 60.0
SEND_BUFFER_BYTES: Final = 64 * 1024  # Linux doubles it


class Server(uvicorn.Server):
    """A server that reports when it listens, and exits with 0 when it is stopped."""

    def __init__(
        self, config: uvicorn.Config, app: FastAPI, on_listening: Callable[[], None]
    ) -> None:
        """Return a server that calls ``on_listening`` once it accepts connections."""
        super().__init__(config)
        self._app = app
        self._on_listening = on_listening
        self._main_task: asyncio.Task[None] | None = None

    async def load_and_serve(self, *listeners: socket.socket) -> None:
        """Load the application and answer at each socket, until stopped.

        Raises:
            CancelledError: It was stopped before it could answer.
            PhizError: The application cannot be loaded, or the port has been taken.
        """
        self._main_task = asyncio.current_task()
        with self.capture_signals(), _capture_hangup(self.handle_exit):
            async with self._app.router.lifespan_context(self._app):
                # These objects stay, so the collector need not visit them again.
                gc.freeze()
                set_batch_policy()
                for listener in listeners:
                    _listen(listener, self.config.backlog)
                await self.serve(list(listeners))
            await self._abort_connections()

    async def _abort_connections(self) -> None:
        """End the connections that are left, which a client may use until the loop is closed."""
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # for the calls of ``connection_lost``

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections."""
        await super().startup(sockets)
        # Also while the server stops, which waits for all connections.
        connections = cast("set[Connection]", self.server_state.connections)
        ReaderWatch(connections, partial(count_slow_reader, self._app)).check()
        keep_heap_trimmed()
        self._on_listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  uvicorn's
        """Finish the running requests and stop; a second Ctrl+C stops at once.

        Unlike uvicorn's own, this does not raise the signal again: stopping is a success. Loading
        is interrupted.
        """
        self._app.state.ready = False
        self.force_exit = self.should_exit and sig == signal.SIGINT
        if not self.should_exit and not self.started and self._main_task is not None:
            # Not from here: the loop may be starting a worker.
            self._main_task.get_loop().call_soon_threadsafe(self._main_task.cancel)
        self.should_exit = True


def keep_heap_trimmed() -> None:
    """Return free memory to the system now and each minute, which takes about a millisecond.

    After many bodies at once it would otherwise stay with the service, between blocks that live.
    """
    trim_heap()
    asyncio.get_running_loop().call_later(TRIM_INTERVAL_S, keep_heap_trimmed)


@contextmanager
def _capture_hangup(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle SIGHUP, of a terminal that is closed, unless the service was told to ignore it."""
    before = signal.getsignal(signal.SIGHUP)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def bind_socket(host: str, port: int, remedy: str = "change --host or --port") -> socket.socket:
    """Return a bound socket that does not accept connections yet.

    Args:
        host: Address or name of this machine.
        port: Port; 0 for any free one.
        remedy: Advice of the error.

    Raises:
        SettingError: There is no such host, or the port is taken or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            _bind_exclusively(listener, address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise SettingError(
            f"cannot listen on {host}, port {port}: {error.strerror}; {remedy}"
        ) from error
    return listener


def _bind_exclusively(listener: socket.socket, address: tuple[Any, ...]) -> None:
    """Bind a socket so that no other can be bound to its port before it listens.

    Linux lets several sockets share a port if all of them allow it and none listens. This one does
    not allow it until it listens (``_listen``).
    """
    try:
        listener.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        # The port is taken, or its last connections are still being closed, which may be shared.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)


def _listen(listener: socket.socket, backlog: int) -> None:
    """Accept connections.

    Raises:
        SettingError: Another socket listens there.
    """
    # Connections inherit these. They must not keep the port from the next service, and the system
    # must not take megabytes of answers for a client that does not read.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    try:
        listener.listen(backlog)
    except OSError as error:
        host, port = listener.getsockname()[:2]
        raise SettingError(
            f"cannot listen on {host}, port {port}: {error.strerror}; change --host or --port"
        ) from error


def format_url(listener: socket.socket) -> str:
    """Return the address of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_server(  # noqa: PLR0913  the choices of an entry point
    app: FastAPI,
    listener: socket.socket,
    drain_s: int,
    on_listening: Callable[[], None],
    *,
    max_connections: int = MAX_CONNECTIONS,
    head_timeout_s: float = HEAD_TIMEOUT_S,
    logged_requests: LoggedRequests = "none",
    tracer: SpanSource | None = None,
    guard: Guard | None = None,
    cors: CorsRules | None = None,
    metrics_listener: socket.socket | None = None,
) -> None:
    """Load the application and answer until SIGTERM or Ctrl+C.

    The socket accepts connections when everything is loaded and warm.

    Args:
        app: Application of ``create_app``.
        listener: Bound socket; it is closed in the end.
        drain_s: Maximum seconds for running requests when the server stops.
        on_listening: Called once connections are accepted.
        max_connections: Maximum number of connections.
        head_timeout_s: Maximum seconds until a request's line and headers are complete.
        logged_requests: Requests that are logged.
        tracer: Tracer of the requests, if there is one.
        guard: Rules of access, if there are some.
        cors: Origins whose pages may read the answers, if there are some.
        metrics_listener: Bound socket of the metrics port that the guard knows, if there is one;
            the caller closes it.

    Raises:
        PhizError: The application cannot be loaded, or the port has been taken.
    """
    operations = choose_operations(app.state.methods)
    fast_app = FastPath(app, operations, cors)
    guarded_app = fast_app if guard is None else Gate(fast_app, guard, app)
    outer_app = guarded_app if cors is None else CorsGate(guarded_app, cors)
    logged_app = AccessLog(outer_app, logged_requests, app.state.methods, tracer)
    is_refused_early = tracer is None and (guard is None or guard.is_open)
    metrics_port = None if guard is None else guard.metrics_port
    refusals = EarlyRefusals(app, logged_app.log_request, metrics_port, cors, operations)
    connection = partial(
        Connection,
        places=ClientPlaces[Connection](max_connections),
        unread_budget=UnreadBudget(),
        on_refusal=partial(count_rejection, app),
        refuse=refusals.refuse if is_refused_early else None,
        cors=cors,
        make_stream=StreamConnection,
        head_timeout_s=head_timeout_s,
    )
    config = uvicorn.Config(
        logged_app,
        http=cast("type[asyncio.Protocol]", connection),
        ws="none",  # a connection becomes a stream by itself
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,  # JPEGs gain nothing, and bombs would
        lifespan="off",  # entered here, so that errors reach the caller
        log_config=None,  # lines of uvicorn have our format
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the client's address is not used
        timeout_graceful_shutdown=drain_s,
        # Longer than balancers keep a connection (60 s are common), so that none is closed while a
        # request is sent on it.
        timeout_keep_alive=75,
    )
    server = Server(config, app, on_listening)
    listeners = [listener] if metrics_listener is None else [listener, metrics_listener]
    with listener, asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        try:
            runner.run(server.load_and_serve(*listeners))
        except asyncio.CancelledError:
            if not server.should_exit:
                raise
