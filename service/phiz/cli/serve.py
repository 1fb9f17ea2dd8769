"""``phiz serve``: answer over HTTP."""

import json
import logging
import os
import signal
import sys
import time
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from phiz.api.assembly import WORKER_COMMAND, build_limits, choose_worker_count, find_study_page

if TYPE_CHECKING:
    from socket import socket

    from phiz.system.logs import LogFormat

_log = logging.getLogger(__name__)


# How the address begins that Kubernetes sets PHIZ_PORT to, in every container beside a service
# that is called phiz.
_SERVICE_SCHEMES = ("tcp://", "udp://", "sctp://")


class _PortOption(click.Option):
    """An option whose variable may hold the address of a service: then it is not set."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the value of the variable, or None."""
        value = super().resolve_envvar_value(ctx)
        return None if value and value.startswith(_SERVICE_SCHEMES) else value


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="PHIZ_HOST",
    show_envvar=True,
    help="Address to listen on; 0.0.0.0 for all of this machine's.",
)
@click.option(
    "--port",
    cls=_PortOption,
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    envvar="PHIZ_PORT",
    show_envvar=True,
    help="Port to listen on; 0 for any free one.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    envvar="PHIZ_WORKERS",
    show_envvar=True,
    help="Processes that work; by default the processors there are to use, if memory is enough.",
)
def serve(host: str, port: int, workers: int | None) -> None:
    """Answer over HTTP until stopped.

    \b
    POST /detect         the faces of a picture, with the time of every stage
    POST /detect/batch   the same for several pictures
    POST /classify       what a picture shows; after phiz models build --group classify
    GET  /models         what it can answer with
    GET  /study          what phiz study has measured, as a page
    GET  /docs           the whole interface, to try out
    GET  /healthz        alive
    GET  /readyz         ready for requests
    GET  /metrics        for Prometheus

    SIGTERM or Ctrl+C: what has begun is finished first.

    \b
    Settings are environment variables:
    PHIZ_MODELS       folder of the built models
    PHIZ_SAMPLING     reference, half-pixel (default) or area
    PHIZ_RUNTIME      onnxruntime (default), openvino, or auto for what was measured to be best
    PHIZ_PROFILE      what phiz study or phiz bench wrote (default: profile.json beside the models)
    PHIZ_PROVIDERS    execution providers of onnxruntime, such as CUDAExecutionProvider
    PHIZ_MAX_BYTES    largest picture, bytes (default 20 MiB)
    PHIZ_MAX_PIXELS   largest picture, pixels (default 50 million)
    PHIZ_MAX_PICTURES pictures in one request to /detect/batch (default 16)
    PHIZ_DEADLINE     seconds that an answer may take (default 10)
    PHIZ_QUEUE        pictures that may wait (default: what can be answered in time)
    PHIZ_BODY_TIMEOUT seconds that a body may take to come (default 30)
    PHIZ_LOG          text (default) or json, which also has a line for each request
    PHIZ_LOG_REQUESTS all, failed or none, if not as PHIZ_LOG has it
    OTEL_...          OpenTelemetry's own; OTEL_TRACES_EXPORTER=otlp sends traces
    PHIZ_DRAIN        seconds to finish in when stopped (default 30)
    """  # noqa: D301  click keeps the lines after a true backspace character
    # Until the server takes care of it: the first process of a container would not end otherwise.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_on_signal)
    # The server and the models take a while to import; --help should not wait for them.
    from phiz.api.app import create_app  # noqa: PLC0415
    from phiz.api.server import bind_socket, run_server  # noqa: PLC0415
    from phiz.cli.traces import open_tracer  # noqa: PLC0415
    from phiz.settings import load_settings  # noqa: PLC0415
    from phiz.system.cgroups import count_processors, raise_file_limit, read_memory_limit  # noqa: PLC0415
    from phiz.system.logs import configure_logging  # noqa: PLC0415

    settings = load_settings()
    configure_logging(settings.log)
    _warn_unknown_variables()
    logged_requests = settings.log_requests or ("all" if settings.log == "json" else "none")
    with open_tracer(os.environ) as traces:
        listener = bind_socket(host, port)
        size = workers or choose_worker_count(
            count_processors(), read_memory_limit(), settings.max_pixels
        )
        app = create_app(
            WORKER_COMMAND,
            size,
            build_limits(settings, raise_file_limit(), size),
            find_study_page(settings),
        )
        on_listening = partial(_announce_address, listener, settings.log)
        run_server(
            app,
            listener,
            settings.drain,
            on_listening,
            logged_requests=logged_requests,
            tracer=traces,
        )


def _exit_on_signal(_number: int, _frame: FrameType | None) -> NoReturn:
    """End with success: nothing has begun that would have to be ended."""
    sys.exit(0)


def _announce_address(listener: "socket", log_format: "LogFormat") -> None:
    from phiz.api.server import format_url  # noqa: PLC0415  see above

    url = format_url(listener)
    line = f"phiz listens on {url} - try: curl -F image=@face.jpg {url}/detect"
    if log_format == "json":
        line = json.dumps({"time_s": round(time.time(), 3), "level": "info", "message": line})
    try:
        click.echo(line)
    except BrokenPipeError:  # the parent has stopped reading, and other clients send requests
        # Python would try to write the line again when it exits, and exit with 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _warn_unknown_variables() -> None:
    from phiz.settings import find_unknown_variables, list_variables  # noqa: PLC0415  see above

    if unknown := find_unknown_variables(os.environ):
        _log.warning(
            "%s is no setting and has no effect; the settings are %s",
            ", ".join(unknown),
            ", ".join(list_variables()),
        )
