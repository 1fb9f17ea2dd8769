"""One process that answers: its socket, its signals, its end."""

import asyncio
import errno
import gc
import signal
import socket
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from phiz.api.access_log import AccessLog, LoggedRequests, SpanSource
from phiz.api.connection import HEAD_TIMEOUT_S, Connection
from phiz.api.errors import count_rejection
from phiz.api.fast_path import FastPath
from phiz.errors import SettingError
from phiz.system.scheduling import set_batch_policy


class Server(uvicorn.Server):
    """A server that says when it listens, and ends with exit code 0 when it is told to stop."""

    def __init__(
        self, config: uvicorn.Config, app: FastAPI, on_listening: Callable[[], None]
    ) -> None:
        """Begin nothing yet.

        Args:
            config: Of the server.
            app: What it serves.
            on_listening: Called once connections are accepted.
        """
        super().__init__(config)
        self._app = app
        self._on_listening = on_listening
        self._main_task: asyncio.Task[None] | None = None

    async def load_and_serve(self, listener: socket.socket) -> None:
        """Load the application and answer, until told to stop.

        Raises:
            CancelledError: It was told so before it could answer.
            PhizError: The application cannot be loaded, or the port has been taken.
        """
        self._main_task = asyncio.current_task()
        with self.capture_signals():
            async with self._app.router.lifespan_context(self._app):
                # What is here now stays: the collector need not look through it again and again.
                gc.freeze()
                set_batch_policy()
                _listen(listener, self.config.backlog)
                await self.serve([listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections from now on."""
        await super().startup(sockets)
        self._on_listening()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  uvicorn's
        """Finish what has begun and stop; a second Ctrl+C stops at once.

        Unlike uvicorn's own it does not keep the signal to raise it again in the end: to stop
        when told to is a success. Before there is anything to finish, loading is cut short.
        """
        self._app.state.ready = False
        self.force_exit = self.should_exit and sig == signal.SIGINT
        if not self.should_exit and not self.started and self._main_task is not None:
            # Not from here: the loop may be in the middle of something, such as beginning a worker.
            self._main_task.get_loop().call_soon_threadsafe(self._main_task.cancel)
        self.should_exit = True


def bind_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound and does not accept connections yet.

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
            f"cannot listen on {host}, port {port}: {error.strerror}; change --host or --port"
        ) from error
    return listener


def _bind_exclusively(listener: socket.socket, address: tuple[Any, ...]) -> None:
    """Bind a socket so that no other can be bound to its port, although it does not listen.

    Linux lets several sockets have one port as long as all of them allow that and none
    listens; so ours does not allow it, until it does (``_listen``).
    """
    try:
        listener.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        # Taken, or its last connections are still being closed: then it is free for us.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)


def _listen(listener: socket.socket, backlog: int) -> None:
    """Accept connections from now on.

    Raises:
        SettingError: Another socket listens there.
    """
    # Its connections inherit this, and must not keep the port from the next service.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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


def run_server(  # noqa: PLR0913  what an entry point chooses
    app: FastAPI,
    listener: socket.socket,
    drain_s: int,
    on_listening: Callable[[], None],
    *,
    head_timeout_s: float = HEAD_TIMEOUT_S,
    logged_requests: LoggedRequests = "none",
    tracer: SpanSource | None = None,
) -> None:
    """Load the application and answer until SIGTERM or Ctrl+C.

    The socket accepts connections when everything is loaded and warm.

    Args:
        app: What answers.
        listener: A bound socket; it is closed in the end.
        drain_s: How long requests already begun get to finish.
        on_listening: Called once connections are accepted.
        head_timeout_s: How long a request's line and headers may take to come.
        logged_requests: Which requests are logged.
        tracer: Where their spans go, if they go anywhere.

    Raises:
        PhizError: The application cannot be loaded, or the port has been taken.
    """
    connection = partial(
        Connection, on_refusal=partial(count_rejection, app), head_timeout_s=head_timeout_s
    )
    config = uvicorn.Config(
        AccessLog(FastPath(app), logged_requests, app.state.methods, tracer),
        http=cast("type[asyncio.Protocol]", connection),
        ws="none",
        lifespan="off",  # it is entered here, so that its errors come to the caller
        log_config=None,  # its lines are written as ours are
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody here asks for the client's address
        timeout_graceful_shutdown=drain_s,
        # Longer than balancers keep a connection (60 s are common): who closes first must not be
        # the one that a request is being sent to.
        timeout_keep_alive=75,
    )
    server = Server(config, app, on_listening)
    with listener, asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        try:
            runner.run(server.load_and_serve(listener))
        except asyncio.CancelledError:
            if not server.should_exit:
                raise
