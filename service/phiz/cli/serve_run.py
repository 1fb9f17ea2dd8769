"""The service that ``phiz serve`` runs."""

import json
import logging
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from socket import socket

import click

from phiz.api.app import create_app
from phiz.api.assembly import (
    WORKER_COMMAND,
    build_cors,
    build_guard,
    build_limits,
    choose_worker_count,
    find_study_page,
)
from phiz.api.security.guard import Guard
from phiz.api.server.server import bind_socket, format_url, run_server
from phiz.cli.traces import open_tracer
from phiz.settings import find_unknown_variables, list_variables, load_settings
from phiz.system.cgroups import (
    choose_max_pixels,
    compute_spare_bytes,
    count_processors,
    raise_file_limit,
    read_memory_limit,
)
from phiz.system.logs import LogFormat, configure_logging

_log = logging.getLogger(__name__)


def run_service(host: str, port: int, workers: int | None) -> None:
    """Answer over HTTP until stopped, as the options of ``phiz serve`` say.

    Raises:
        SettingError: A setting is invalid, or the address cannot be listened on.
    """
    settings = load_settings()
    configure_logging(settings.log)
    _warn_unknown_variables()
    logged_requests = settings.log_requests or ("all" if settings.log == "json" else "none")
    guard, cors = build_guard(settings), build_cors(settings)
    with open_tracer(os.environ) as tracer, ExitStack() as sockets:
        memory_bytes = read_memory_limit()
        max_pixels = choose_max_pixels(settings.max_pixels, memory_bytes, 2 * settings.max_bytes)
        size = workers or choose_worker_count(count_processors(), memory_bytes, max_pixels)
        spare_bytes = compute_spare_bytes(memory_bytes, size, max_pixels)
        limits = build_limits(settings, raise_file_limit(), spare_bytes, size)
        listener = sockets.enter_context(bind_socket(host, port))
        metrics_listener = None
        if settings.metrics_port is not None:
            metrics_listener = sockets.enter_context(_bind_metrics(host, settings.metrics_port))
            metrics_port = metrics_listener.getsockname()[1]
            guard = replace(guard or Guard(), metrics_port=metrics_port)
        run_server(
            create_app(
                WORKER_COMMAND,
                size,
                limits,
                find_study_page(settings),
                guard,
                interfaces=settings.compat,
            ),
            listener,
            settings.drain,
            partial(_announce_address, listener, settings.log),
            max_connections=limits.max_connections,
            logged_requests=logged_requests,
            tracer=tracer,
            guard=guard,
            cors=cors,
            metrics_listener=metrics_listener,
        )


def _bind_metrics(host: str, port: int) -> socket:
    listener = bind_socket(host, port, "change PHIZ_METRICS_PORT")
    _log.info("metrics are at %s/metrics", format_url(listener))
    return listener


def _announce_address(listener: socket, log_format: LogFormat) -> None:
    url = format_url(listener)
    line = f"phiz listens on {url} - try: curl -F image=@face.jpg {url}/detect"
    if log_format == "json":
        line = json.dumps({"time_s": round(time.time(), 3), "level": "info", "message": line})
    try:
        click.echo(line)
    except OSError:  # the parent has stopped reading or the disk is full; clients are answered
        # Python would try to write the line again when it exits, and exit with 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _warn_unknown_variables() -> None:
    if unknown := find_unknown_variables(os.environ):
        _log.warning(
            "%s has no effect because it is not a setting; the settings are %s",
            ", ".join(unknown),
            ", ".join(list_variables()),
        )
